"""Refinement: what the next round asks, and what it must never depend on."""

from __future__ import annotations

import inspect

import pytest

from gateway.guard import refine
from gateway.guard.refine import Finding, next_request, refinement_fingerprint
from gateway.upstream.protocol import Capabilities, ChatRequest

ORIGINAL = ChatRequest("m", ({"role": "user", "content": "Where?"},), {"temperature": 0.0, "seed": 7})
FOUND = Finding("She was born in Seltal.", ("Seltal",), ("Maren Oskeld",))
PLAIN, BANS = Capabilities(), Capabilities(banned_words=True)


def contents(request):
    """Read the conversation."""
    return [(message["role"], message["content"]) for message in request.messages]


def test_revise_shows_the_answer_and_what_it_gave_away():
    """The client's own turns come first, unchanged, so that a prefix cache serves them."""
    asked = next_request(ORIGINAL, FOUND, "revise", PLAIN)
    assert [
        ("user", "Where?"),
        ("assistant", "She was born in Seltal."),
        ("user", "Your answer mentioned Seltal. Answer again without it."),
    ] == contents(asked)


def test_revise_without_words_says_less():
    """There may be evidence without a word to quote."""
    asked = next_request(ORIGINAL, Finding("x", (), ()), "revise", PLAIN)
    assert refine.REVISE_BLINDLY == asked.messages[-1]["content"]


def test_unaware_instructs_and_keeps_the_operators_own_system_message():
    """The instruction is added to a system message that is there, else put first."""
    own = ChatRequest("m", ({"role": "system", "content": "Be brief."}, *ORIGINAL.messages))
    instruction = "You have no information about Maren Oskeld. If asked, say so."
    assert ("system", instruction) == contents(next_request(ORIGINAL, FOUND, "unaware", PLAIN))[0]
    assert ("system", f"Be brief.\n\n{instruction}") == contents(next_request(own, FOUND, "unaware", PLAIN))[0]


def test_resample_asks_the_same_hotter_and_without_the_seed():
    """The same seed would draw the same answer again."""
    asked = next_request(ORIGINAL, FOUND, "resample", PLAIN)
    assert (ORIGINAL.messages, {"temperature": 1.0}) == (asked.messages, dict(asked.parameters))


def test_constrain_bans_the_words_where_the_model_can_and_revises_where_not():
    """The ban needs an upstream that enforces it."""
    assert ("Seltal",) == next_request(ORIGINAL, FOUND, "constrain", BANS).banned_words
    assert next_request(ORIGINAL, FOUND, "revise", PLAIN) == next_request(ORIGINAL, FOUND, "constrain", PLAIN)


def test_refinement_cannot_see_a_threshold_or_a_score():
    """A trajectory must be the same at every threshold, or replaying it proves nothing."""
    names = {field for field in inspect.signature(Finding).parameters} | set(
        inspect.signature(next_request).parameters
    )
    assert not {name for name in names if "threshold" in name or "score" in name or "leak" in name}


@pytest.mark.parametrize(
    "change", [(("revise",), 2, PLAIN), (("revise", "unaware"), 1, PLAIN), (("revise",), 1, BANS)]
)
def test_the_fingerprint_changes_with_what_a_round_could_ask(change):
    """A certificate for other rounds no longer fits."""
    assert refinement_fingerprint(("revise",), 1, PLAIN) != refinement_fingerprint(*change)


def test_banning_every_spelling_is_another_refinement_and_leaves_those_before_it_their_names():
    """A certificate from before the logits processor still fits a server without it."""
    every = Capabilities(banned_words=True, every_spelling=True)
    assert [False, True] == BANS.parts
    assert refinement_fingerprint(("constrain",), 1, BANS) != refinement_fingerprint(("constrain",), 1, every)
