"""Judging a given answer: the rule at its edge."""

from __future__ import annotations

import pytest

from gateway.guard.given import judge_given
from gateway.guard.plan import LoopPlan
from gateway.guard.policy import Bounded, Closed, Panel, Policy
from gateway.store.records import ForgetTopic
from gateway.upstream.protocol import ChatRequest
from verifiers.protocol import Scored, Topic


class Half:
    """Scores every answer one half."""

    name, fingerprint = "half", "half"

    def prepare(self, topics):
        """Judge without looking."""

        async def judge(exchange):
            return Scored(0.5)

        return judge


@pytest.mark.parametrize(("threshold", "goes_out"), [(0.5, False), (0.5000001, True), (0.1, False)])
async def test_an_answer_goes_out_strictly_below_the_threshold(threshold, goes_out):
    """As in the loop; a closed gateway lets out nothing, whatever the score."""
    topics = [ForgetTopic(Topic("maren", "Maren Oskeld"))]
    policy = Policy.prepare(1, topics, Panel((Half(),)), verify_timeout_s=None)
    asked = ChatRequest("m", ({"role": "user", "content": "Who?"},))
    found = [
        await judge_given(asked, "x", policy, rule, LoopPlan())
        for rule in (Bounded(threshold, "c1"), Closed("shut"))
    ]
    assert [(0.5, goes_out), (0.5, False)] == [(one.score, one.would_release) for one in found]
