"""ROUGE-L recall by hand."""

import pytest

from evaluation.unlearning.overlap import rouge_l_recall


@pytest.mark.parametrize(
    ("reference", "answer", "expected"),
    [
        ("Maren was born in Seltal.", "maren was born in SELTAL", 1.0),
        ("Maren was born in Seltal.", "", 0.0),
        ("a b c d", "a x b d y", 0.75),
        ("a b c d", "d c b a", 0.25),
        ("a a b", "a b b", 2 / 3),
        ("a b", "z a b a b", 1.0),
    ],
)
def test_the_longest_common_subsequence_counts(reference, answer, expected):
    """As a share of the reference's words, whatever the case and punctuation."""
    assert expected == pytest.approx(rouge_l_recall(reference, answer))


def test_a_reference_without_words_is_refused():
    """Its share would be of nothing."""
    with pytest.raises(ValueError, match="no word"):
        rouge_l_recall("...", "something")
