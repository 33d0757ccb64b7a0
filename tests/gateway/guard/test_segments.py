"""Where a text is cut, and that what is still unwritten never moves a cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.guard.segments import cuts, next_cut

JAPANESE = "彼女は海の近くの小さな町で生まれ、そこで長い間くらしました。"
TEXTS = st.text(alphabet="ab .!?\"'\n。é", max_size=700)


def pieces(text: str) -> list[str]:
    """Cut a text into what goes out at a time, the rest last."""
    ends = [0, *cuts(text)]
    return [text[start:end] for start, end in zip(ends, [*ends[1:], len(text)], strict=True)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The lake lies to the north. It is deep.", ["The lake lies to the north. ", "It is deep."]),
        ("Dr. Hale was there. Then she left for home.", ["Dr. Hale was there. Then she left for home."]),
        ('She said "it is very far away." He left.', ['She said "it is very far away." ', "He left."]),
        ("A first line without an end\nand a second", ["A first line without an end\n", "and a second"]),
        (f"{JAPANESE}次の文。", [JAPANESE, "次の文。"]),
        ("", [""]),
    ],
)  # fmt: skip
def test_a_text_is_cut_behind_its_sentences(text, expected):
    """Not behind an abbreviation near the beginning, and never inside a quotation's end."""
    assert expected == pieces(text)


def test_a_text_without_sentences_is_cut_all_the_same():
    """Behind a blank after 240 characters, and behind a comma after 2,000 where there is none."""
    assert 245 == next_cut("word " * 100, 0)
    assert 2001 == next_cut("x" * 2000 + "," + "x" * 5000, 0)


def test_a_word_is_never_cut():
    """Half of a name could pass: an attacker can place it anywhere."""
    for before in range(1990, 2001):
        text = "-" * before + "Seltal"
        assert [text] == pieces(text)


@given(TEXTS)
def test_what_is_written_later_moves_no_cut(text):
    """Cut while it grows letter by letter, and cut whole: the same."""
    found: list[int] = []
    for length in range(len(text) + 1):
        while (cut := next_cut(text[:length], found[-1] if found else 0)) is not None:
            found.append(cut)
    assert list(cuts(text)) == found


@given(TEXTS)
def test_nothing_is_lost_between_the_pieces(text):
    """They join to the text."""
    assert text == "".join(pieces(text))
