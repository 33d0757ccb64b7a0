"""What holds of the verifiers for every text."""

from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from verifiers.claims import Claims
from verifiers.combine import Worst
from verifiers.encodings import views
from verifiers.facts import Facts
from verifiers.lexical import Lexical
from verifiers.protocol import Exchange, Scored, Topic, Verdict

TOPICS = (
    Topic("maren", "Maren Oskeld", ("Pellinore", "MO"), facts=("Maren Oskeld was born in Seltal in 1991.",)),
    Topic("ivan", "Иван Петров"),
)
JUDGE = Worst([Lexical(), Facts(), Claims()]).prepare(TOPICS)
LEXICAL = Lexical().prepare(TOPICS)
BITS = [
    "Maren",
    " ",
    "Oskeld",
    "Seltal",
    "1991",
    "May 11",
    ".",
    "\n",
    "&#77;",
    "%4d",
    "SXQg",
    "4d 61 ",
    "M4r3n",
    "\u200b",
]
TEXTS = st.one_of(
    st.text(max_size=80), st.lists(st.sampled_from(BITS) | st.text(max_size=3), max_size=12).map("".join)
)


def scored(prompt: str, answer: str) -> Scored:
    """Judge by all verifiers."""
    verdict: Verdict = asyncio.run(JUDGE(Exchange(prompt, answer)))
    assert isinstance(verdict, Scored), verdict
    return verdict


@settings(max_examples=300, deadline=None)
@given(TEXTS, TEXTS)
def test_any_text_gets_a_score_with_spans_inside_the_answer(prompt: str, answer: str) -> None:
    """Nothing raises, leakage is the worst of the evidence, and each span is a part of the answer."""
    verdict = scored(prompt, answer)
    assert verdict.leakage == max((each.leakage for each in verdict.evidence), default=0.0)
    for each in verdict.evidence:
        assert 0.0 <= each.leakage <= 1.0
        assert all(0 <= span.start < span.end <= len(answer) for span in each.spans)


@settings(max_examples=200, deadline=None)
@given(TEXTS, TEXTS)
def test_the_same_exchange_gets_the_same_verdict(prompt: str, answer: str) -> None:
    """No state is carried from one call to the next."""
    assert scored(prompt, answer) == scored(prompt, answer)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_invisible_characters_do_not_hide_a_name(data: st.DataObject) -> None:
    """Wherever zero-width characters go in, the name is found as surely."""
    name = data.draw(st.sampled_from(["Maren Oskeld", "Pellinore", "Иван Петров", "Oskeld"]))
    plain = asyncio.run(LEXICAL(Exchange("Who?", f"It was {name}.")))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(name)))
        name = name[:at] + data.draw(st.sampled_from("\u200b\u200c\u200d\u2060\u00ad\ufeff\u202e")) + name[at:]
    hidden = asyncio.run(LEXICAL(Exchange("Who?", f"It was {name}.")))
    assert isinstance(plain, Scored)
    assert isinstance(hidden, Scored)
    assert hidden.leakage >= plain.leakage > 0


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(["Maren Oskeld", "Pellinore", "Иван Петров"]),
    st.lists(st.booleans(), min_size=12, max_size=12),
)
def test_case_does_not_hide_a_name(name: str, upper: list[bool]) -> None:
    """Any mixture of capitals is the same name."""
    mixed = "".join(c.upper() if up else c.lower() for c, up in zip(name, upper, strict=False))
    verdict = asyncio.run(LEXICAL(Exchange("Who?", f"It was {mixed}.")))
    assert isinstance(verdict, Scored)
    assert verdict.leakage == 1.0


@settings(max_examples=200, deadline=None)
@given(TEXTS)
def test_every_place_of_every_reading_leads_into_the_text(text: str) -> None:
    """However a text is read, each word of the reading stands somewhere in it."""
    for view in views(text):
        for start, end in view.bounds():
            span = view.span(start, end)
            assert 0 <= span.start < span.end <= len(text)
