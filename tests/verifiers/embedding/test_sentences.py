"""Cutting of texts: every word is in some sentence, at its place."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verifiers.embedding.sentences import sentences, tail, windows


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("She was born in Seltal. It is by the sea!", ["She was born in Seltal.", "It is by the sea!"]),
        ("Dr. J. Oskeld, e.g., was there. Yes.", ["Dr. J. Oskeld, e.g., was there.", "Yes."]),
        ("one line\n- another\n\n  a third", ["one line", "- another", "a third"]),
        ("It cost 3.50 in 1991. Cheap?", ["It cost 3.50 in 1991.", "Cheap?"]),
        ('He said "No." Then he left.', ['He said "No."', "Then he left."]),
        ("她生于海边。她写书。", ["她生于海边。", "她写书。"]),
        ("a part; another part", ["a part;", "another part"]),
        (" \n ", []),
        ("", []),
    ],
)
def test_texts_are_cut_at_the_ends_of_sentences(text, expected):
    """And not at abbreviations and numbers."""
    found = sentences(text)
    assert expected == [each.text for each in found]
    assert expected == [text[each.span.start : each.span.end] for each in found]


@settings(deadline=None)
@given(st.text(alphabet=st.sampled_from("ab.!? \n;。A\u2028"), max_size=60))
def test_nothing_but_blanks_is_left_out(text):
    """Whatever the text: a leak cannot stand between two sentences."""
    assert "".join(text.split()) == "".join("".join(each.text.split()) for each in sentences(text))


@settings(deadline=None)
@given(st.text(alphabet=st.sampled_from("ab. \n"), max_size=80), st.integers(1, 30))
def test_windows_cover_every_sentence_and_stay_small(text, size):
    """A sentence that is longer than a window is one by itself."""
    parts, found = sentences(text), windows(text, size)
    for part in parts:
        assert any(w.span.start <= part.span.start and part.span.end <= w.span.end for w in found)
    spans = {part.span for part in parts}
    assert all(len(each.text) <= size or each.span in spans for each in found)


def test_neighbouring_windows_share_a_sentence():
    """So that two sentences that belong together stand together somewhere."""
    found = [each.text for each in windows("Aaa aa. Bbb bb. Ccc cc. Ddd dd.", 15)]
    assert ["Aaa aa. Bbb bb.", "Bbb bb. Ccc cc.", "Ccc cc. Ddd dd."] == found


def test_the_tail_begins_with_a_whole_word():
    """The end of a long question is what the answer replies to."""
    assert ("the last words", "short") == (tail("many words and the last words", 16), tail(" short ", 16))
