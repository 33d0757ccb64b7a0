"""What a forget list asks for: found by id, refused by id."""

import pytest

from unlearners.certificate import Served
from unlearners.protocol import ForgetRequest, Refused
from unlearners.requests import requests_for

IDS = ("p", "q", "r", "s")


def asked(*wanted, served=(), together=True, noun="row"):
    """Ask of four rows."""
    return requests_for(wanted, IDS, served, noun=noun, together=together)


def test_ids_are_asked_for_together_or_one_by_one():
    """In the order of the list."""
    assert [ForgetRequest((2, 0))] == asked("r", "p")
    assert [ForgetRequest((2,)), ForgetRequest((0,))] == asked("r", "p", together=False)


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (["z"], "no row 'z'; the ids are such as 'p', 'q'"),
        (["z", "p", "y", "x", "w"], "no row 'z', 'y', 'x' and 1 more"),
        (["q"], "forgotten already: 'q'"),
        (["p", "r", "s"], "would forget every row that is left"),
    ],
)
def test_what_cannot_be_forgotten_is_refused_by_its_id(wanted, words):
    """Strangers, those forgotten before, and the last of all."""
    with pytest.raises(Refused, match=words):
        asked(*wanted, served=[Served((1,), 1.0)])


def test_a_list_of_nothing_and_one_that_repeats_itself_are_refused():
    """In the words of what is forgotten."""
    with pytest.raises(ValueError, match="names at least one unit"):
        asked(noun="unit")
    with pytest.raises(ValueError, match="names a unit twice: 'p'"):
        asked("p", "q", "p", noun="unit")
