"""What reads the wire and what compares gateways, in the benchmark of overhead."""

from __future__ import annotations

import pytest
from overhead import Reading, table
from proxying.wire import Messages

SIZED = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"


@pytest.mark.parametrize("sent", [SIZED, CHUNKED])
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_messages_are_cut_whatever_the_packets(sent, size):
    """A body of known length and one in chunks, twice in a row, in packets of any size."""
    messages, stream = Messages(), sent * 2
    packets = (stream[at : at + size] for at in range(0, len(stream), size))
    found = [body for packet in packets for _, body in messages.take(packet)]
    assert found == [b"hello", b"hello"]


def reading(name: str, round_: int, per_s: float) -> Reading:
    """Make a reading of which only the speed matters."""
    return Reading(name, round_, 16, per_s, 1.0, 2.0, 0.5, 100.0, 0, 1.0)


def test_what_is_compared_is_the_median_of_the_rounds_ratios():
    """A busy round slows both: the ratio of the medians would be 200 to 100, that of each round is 3, 4 and 1."""
    readings = [
        *(reading("Lethe", at, per_s) for at, per_s in enumerate((300, 200, 100))),
        *(reading("other", at, per_s) for at, per_s in enumerate((100, 50, 100))),
    ]
    other = table(readings).splitlines()[-1]
    assert other == "| other | 16 | 100 | 1.00 | 2.0 | 0.50 | 100 | 3.00 |"
