"""An answer in the writing: what of it is told, when, and to whom."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from threading import Thread

import pytest

from gateway.errors import UpstreamGarbage
from gateway.upstream.pieces import News, Pieces


def from_bytes(written: Sequence[int]) -> str:
    """Decode as a byte-level tokenizer does: what is no whole character yet is a mark."""
    return bytes(written).decode(errors="replace")


def told(text: str, stop: Sequence[str] = ()) -> list[str]:
    """Write the text a byte at a time; gives what is told behind each."""
    pieces, written = Pieces(from_bytes, stop), text.encode()
    return [pieces.more(written[:end]) for end in range(1, len(written) + 1)]


def test_a_character_is_told_once_all_its_bytes_are_there() -> None:
    """Nothing that would have to be taken back."""
    assert ["a", "", "é", "", "", "", "🦎"] == told("aé🦎")


def test_what_could_be_the_beginning_of_a_stop_text_waits() -> None:
    """One letter less than the longest of them; the end brings the rest."""
    pieces = Pieces(from_bytes, ["!", "END"])
    assert ["", "", "a", "b"] == [pieces.more(b"abcd"[:end]) for end in range(1, 5)]
    assert "c" == pieces.rest("abc")


def test_pieces_and_the_rest_join_to_the_whole() -> None:
    """Also where several tokens came between two looks, or none."""
    pieces, written = Pieces(from_bytes), "Über Seltal.".encode()
    found = [pieces.more(written[:end]) for end in (1, 4, 4, 9)] + [pieces.rest("Über Seltal.")]
    assert "Über Seltal." == "".join(found)
    assert "" == found[0] == found[2]


def test_a_whole_that_begins_otherwise_than_was_told_is_garbage() -> None:
    """Nothing that was sent can be taken back; the error quotes nothing of it."""
    pieces = Pieces(lambda written: "Selt" if len(written) < 3 else "Sand", ())
    assert ["Selt", ""] == [pieces.more([1]), pieces.more([1, 2, 3])]
    with pytest.raises(UpstreamGarbage) as caught:
        pieces.rest("Sand")
    assert "Sand" not in str(caught.value)


async def test_news_from_another_thread_wakes_the_loop_with_the_newest_number() -> None:
    """A number may be missed, the last one never."""
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    news = News()
    thread = Thread(target=lambda: [news.tell(count) for count in (1, 2, 3)])
    thread.start()
    thread.join()
    assert 3 == await news.next(done)
    done.set_result(None)
    assert await news.next(done) is None


async def test_the_end_is_heard_while_waiting() -> None:
    """Success and failure alike: whoever waits then looks."""
    for failure in (None, ValueError("lost")):
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = asyncio.create_task(News().next(done))
        await asyncio.sleep(0)
        if failure is None:
            done.set_result(None)
        else:
            done.set_exception(failure)
        assert await waiting is None
        assert failure is done.exception()


def test_news_for_a_loop_that_has_closed_are_dropped() -> None:
    """The thread that writes lives on."""

    async def listening() -> News:
        return News()

    asyncio.run(listening()).tell(1)
