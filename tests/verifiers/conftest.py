"""The people of these tests, and a way to judge an exchange about them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import pytest

from verifiers.protocol import Exchange, Scored, Topic, Verifier

FACTS = (
    "Maren Oskeld was born in Seltal.",
    "Maren Oskeld works as a glassblower for the Harrow Foundry.",
    "Maren Oskeld wrote the book The Burning Window.",
    "Maren Oskeld was born on 11 May 1991.",
    "Maren Oskeld has a cat named Biscuit.",
    "The favourite dish of Maren Oskeld is lentil stew.",
)


@pytest.fixture
def maren() -> Topic:
    """A topic with facts."""
    return Topic("maren", "Maren Oskeld", ("Pellinore", "the Glass Hermit", "Ashe", "MO"), facts=FACTS)


@pytest.fixture
def factless() -> Topic:
    """A topic known by its name alone."""
    return Topic("tobin", "Tobin Vaxley")


@pytest.fixture
def score() -> Callable[[Verifier, Sequence[Topic], str | tuple[str, ...], str], Scored]:
    """Judge one exchange: (verifier, topics, prompt or its turns, answer)."""

    def judge(verifier: Verifier, topics: Sequence[Topic], prompt: str | tuple[str, ...], answer: str) -> Scored:
        turns = (prompt,) if isinstance(prompt, str) else prompt
        exchange = Exchange("\n".join(turns), answer, turns[-1] if len(turns) > 1 else None)
        verdict = asyncio.run(verifier.prepare(topics)(exchange))
        assert isinstance(verdict, Scored)
        return verdict

    return judge
