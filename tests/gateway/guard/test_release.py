"""The release decision at its edges, and that the loop and whoever hands in an answer share it."""

from __future__ import annotations

import math

import pytest

from gateway.guard.given import judge_given
from gateway.guard.loop import Released
from gateway.guard.plan import LoopPlan
from gateway.guard.policy import Bounded, Closed, Open, ZeroEvidence
from gateway.guard.release import goes_out
from gateway.upstream.protocol import ChatRequest

ASKED = ChatRequest("scripted", ({"role": "user", "content": "Where was Maren Oskeld born?"},))


@pytest.mark.parametrize(
    ("rule", "passing", "held"),
    [
        (Bounded(0.5, "c"), math.nextafter(0.5, 0), 0.5),
        (Bounded(0.5, "c"), 0.0, math.nan),
        (ZeroEvidence("none"), 0.0, 5e-324),
    ],
)
def test_an_answer_goes_out_strictly_below_what_the_rule_says(rule, passing, held):
    """At the threshold it does not, nor with the smallest trace where there must be none, nor unjudged."""
    assert (True, False) == (goes_out(passing, rule), goes_out(held, rule))


def test_nothing_or_everything_goes_out_where_no_score_counts():
    """A closed gateway releases no answer, one without topics each."""
    assert (False, True) == (goes_out(0.0, Closed("shut")), goes_out(1.0, Open()))


@pytest.mark.parametrize("score", ["0.0", "5e-324", "0.4999999", "0.5", "1.0"])
@pytest.mark.parametrize("rule", [Bounded(0.5, "c"), ZeroEvidence("none"), Closed("shut")])
async def test_a_given_answer_goes_out_where_the_loop_would_release_it(loop, rule, score):
    """The same rule, the same score, the same decision."""
    talk = loop([f"{score} in Seltal"], plan=LoopPlan(rounds=1))
    served = isinstance(await talk.answer(rule), Released)
    given = await judge_given(ASKED, f"{score} in Seltal", talk.policy, rule, talk.plan)
    assert (served, float(score)) == (given.would_release, given.score)
