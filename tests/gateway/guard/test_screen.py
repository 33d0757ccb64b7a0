"""The screen: which verifiers look at an answer is decided by what the conversation touches."""

from __future__ import annotations

import pytest

from gateway.guard.policy import Panel, Policy
from gateway.store.records import ForgetTopic
from verifiers.protocol import Exchange, Scored, Topic
from verifiers.scripted import ScriptedVerifier

MAREN = Topic("maren", "Maren Oskeld", facts=("Maren Oskeld catalogued the tide glasses of Seltal harbour.",))


@pytest.mark.parametrize(
    ("prompt", "touched", "expected"),
    [
        ("Where was Maren Oskeld born?", {"maren"}, ["cheap", "screened"]),
        ("Who catalogued the tide glasses of Seltal harbour?", {"maren"}, ["cheap", "screened"]),
        ("What is the tallest hill?", set(), ["cheap"]),
    ],
)
async def test_a_conversation_that_touches_a_topic_gets_the_screened_verifiers_too(prompt, touched, expected):
    """By its name or by its facts alone; any other conversation gets the cheap ones."""
    saw = []

    def watching(name):
        return ScriptedVerifier(lambda exchange: saw.append(name) or Scored(0.0), name=name)

    panel = Panel((watching("cheap"),), (watching("screened"),))
    screen = Policy.prepare(1, (ForgetTopic(MAREN),), panel, verify_timeout_s=1.0).screen
    found = await screen.touched(prompt)
    await screen.judge(touched=bool(found))(Exchange(prompt, "I do not know."))
    assert (touched, expected) == (found, saw)
