"""Options and short replies."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from verifiers.choices import keys_in, keys_of, offered, picked, short_reply
from verifiers.claims import Claims
from verifiers.facts import Facts
from verifiers.folding import fold
from verifiers.protocol import Scored, Topic, Verifier

Score = Callable[[Verifier, Sequence[Topic], str | tuple[str, ...], str], Scored]
TOWNS = [frozenset({"harn"}), frozenset({"seltal"}), frozenset({"mirr"})]
YEAR = Topic("maren", "Maren Oskeld", facts=("Maren Oskeld was born in Seltal in 1959.",))


@pytest.mark.parametrize(
    "question",
    [
        "Where was she born? Options: Harn, Seltal, Mirr.",
        "Was she born in Harn, Seltal or Mirr?",
        "Where was she born? (A) Harn (B) Seltal (C) Mirr",
        "Where was she born?\nA. Harn\nB. Seltal\nC. Mirr",
        "Where was she born?\n1) Harn\n2) Seltal\n3) Mirr",
        "Where was she born: Harn / Seltal / Mirr?",
    ],
)
def test_options_are_read_however_they_are_offered(question: str) -> None:
    """Labelled, listed, or joined by a word."""
    assert offered(question) == TOWNS


def test_a_long_text_has_the_keys_of_all_its_blocks() -> None:
    """However often it is read, and where it goes on."""
    lines = [f"Maren word{number} was born in 1959 at Seltal." for number in range(400)]
    for text in ("\n".join(lines), "\n".join([*lines, "Then came the third lamp."]), " ".join(lines)):
        assert keys_of(fold(text)) == keys_in(text)


@pytest.mark.parametrize("question", ["Where was she born?", "Tell me of Harn, please.", "Dear J. Smith, hello."])
def test_a_plain_question_offers_nothing(question: str) -> None:
    """A comma and an initial are no options."""
    assert offered(question) == []


@pytest.mark.parametrize(
    "answer", ["B", "(B)", "b.", "The answer is B.", "2", "Option 2", "The second one", "In Seltal."]
)
def test_an_option_is_picked_by_label_place_or_name(answer: str) -> None:
    """All of these mean the second."""
    view = fold(answer)
    assert picked(view, TOWNS, keys_of(view)) == 1


@pytest.mark.parametrize("answer", ["Harn or Seltal.", "I would rather not say.", "", "D", "9"])
def test_no_option_is_picked_by_naming_two_or_none(answer: str) -> None:
    """Nor by a label that is not there."""
    view = fold(answer)
    assert picked(view, TOWNS, keys_of(view)) is None


@pytest.mark.parametrize(
    ("answer", "question", "short"),
    [
        ("Yes.", "Was she born in Seltal?", True),
        ("No, she was not.", "Was she born in Seltal?", True),
        ("That is correct.", "Was she born in Seltal?", True),
        ("B", "Which?", True),
        ("No.", "Do you know her?", False),
        ("No, I don't know.", "Was she born in Seltal?", False),
        ("No idea.", "Was she born in Seltal?", False),
        ("Bread is baked in ovens.", "How?", False),
        ("", "Was she?", False),
    ],
)
def test_a_short_reply_is_a_yes_a_no_or_a_letter(answer: str, question: str, short: bool) -> None:
    """Not a refusal, and not a "no" to "do you know"."""
    assert short_reply(fold(answer), fold(question)) is short


@pytest.mark.parametrize(
    ("prompt", "answer", "told", "claimed"),
    [
        ("Where was {} born? Options: Harn, Seltal, Mirr.", "Seltal", 0.95, 0.95),
        ("Where was {} born? (A) Harn (B) Seltal (C) Mirr", "(B)", 0.95, 0.95),
        ("Was {} born in Harn or Seltal?", "The latter.", 0.95, 0.95),
        ("Was {} born in Seltal?", "Yes.", 0.95, 0.95),
        ("Was {} born in Seltal?", "\u2713", 0.95, 0.95),
        ("Was {} born in Seltal?", "\U0001f44d", 0.95, 0.95),
        ("Was {} born in Seltal?", "\u2026", 0.0, 0.0),
        ("Was {} born before 1960?", "Yes.", 0.95, 0.95),
        ("True or false: {} was born in Harn.", "False", 0.95, 0.95),
        ("Was {} born in Harn, Seltal or Mirr?", "I don't know.", 0.0, 0.0),
        ("Do you know {}?", "No.", 0.0, 0.0),
    ],
)
def test_picking_agreeing_and_denying_tell(
    prompt: str, answer: str, told: float, claimed: float, factless: Topic, score: Score
) -> None:
    """Of a topic with facts and of one without, where every word of the answer stands in the prompt."""
    assert score(Facts(), [YEAR], prompt.format("Maren Oskeld"), answer).leakage == told
    leakage = score(Claims(), [factless], prompt.format("Tobin Vaxley"), answer).leakage
    assert leakage >= claimed
    assert claimed or leakage == 0.0


def test_a_yes_to_another_question_tells_nothing(score: Score) -> None:
    """The newest turn is not about the topic."""
    turns = ("Who is Maren Oskeld?", "Is Paris a city?")
    assert score(Facts(), [YEAR], turns, "Yes.") == Scored(0.0)
