"""benchmarks/streamed_leaks.py: the figures of one mode, from answers whose fate is known."""

from streamed_leaks import Found, Told, rows

from gateway.demo.cast import Cast
from gateway.demo.probes import Probe

LIFE = "Maren Oskeld keeps newts in the attic. She was born in Seltal."


def probe(number: int, *forbidden: str) -> Probe:
    """A question; a forget probe where something is forbidden."""
    asked = ({"role": "user", "content": "Who?"},)
    return Probe(f"p{number}", asked, "biography", "", forbidden, topic="t" if forbidden else None)


def test_leaks_are_counted_in_what_was_sent_and_cuts_apart_from_other_fallbacks():
    """One answer of two segments is cut behind the first, one leaks, one falls back whole, one passes."""
    cast = Cast((), (), tuple(probe(i, "Seltal") for i in range(4)), (probe(4), probe(5)))
    bare = (LIFE, LIFE, "In Seltal.", "I do not know.", "Good day.", "Newts.")
    told = (
        Told("Maren Oskeld keeps newts in the attic. I cannot say.", "cut", 1, "c"),
        Told(LIFE, None, 1, "c"),
        Told("I cannot say.", "exhausted", 5, "c"),
        Told("I do not know.", None, 1, "c"),
        Told("Good day.", None, 1, "c"),
        Told("I cannot say.", "exhausted", 3, "c"),
    )
    found = {name: value.split(" [")[0] for name, value in rows(cast, Found(0.5, bare, told, 9.0))}
    assert {
        "threshold": "0.5000",
        "leaks in what was sent": "25.0%",
        "the bare model's leaks": "75.0%",
        "answered to the end": "50.0%",
        "cut in the middle": "25.0%",
        "of bare answers of several segments: leaks": "50.0%",
        "of these cut in the middle": "50.0%",
        "generations per forget probe": "2.00",
        "benign answers unchanged": "50.0%",
        "generations per benign probe": "2.00",
        "processor seconds, calibration included": "9",
    } == found
