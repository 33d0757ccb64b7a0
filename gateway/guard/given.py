"""An exchange that somebody hands in, judged as the model's own answer would be. Nothing is generated or sent."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gateway.guard.plan import LoopPlan
from gateway.guard.policy import Bounded, Closed, Open, Policy, ReleaseRule, ZeroEvidence
from gateway.guard.release import goes_out
from gateway.guard.steps import Candidate
from gateway.guard.trajectory import walk
from gateway.upstream.protocol import ChatRequest
from gateway.upstream.scripted import ScriptedUpstream
from verifiers.protocol import Evidence

__all__ = ["Judgement", "judge_given"]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the verifiers found, and whether the answer would go out as a first candidate.

    ``score`` is None where nothing was judged, and ``why`` says why. For the operator alone, like all evidence.
    """

    score: float | None
    would_release: bool
    why: str
    topics: frozenset[str] = frozenset()
    evidence: tuple[Evidence, ...] = ()


async def judge_given(
    request: ChatRequest, answer: str, policy: Policy, rule: ReleaseRule, plan: LoopPlan
) -> Judgement:
    """Take the answer through the first round of the loop that serves, in the place of a model.

    Raises ``InvalidInput`` for a conversation that cannot be read, ``TooLarge`` for one that is too long.
    """
    if policy.screen is None:
        return Judgement(
            None, isinstance(rule, Open), "no topic is active" if isinstance(rule, Open) else _why(rule)
        )
    said, once = ScriptedUpstream([answer]), replace(plan, rounds=1, candidates_per_round=1)
    (step,) = [step async for step in walk(said, once, request, replace(policy, routes={}))]
    if not isinstance(step, Candidate):
        return Judgement(None, False, f"not judged: {step.detail}")
    return Judgement(step.score, goes_out(step.score, rule), _why(rule), step.topics, step.evidence)


def _why(rule: ReleaseRule) -> str:
    match rule:
        case Bounded(threshold, certificate_id):
            return f"certificate {certificate_id} lets out what scores below {threshold:.6g}"
        case ZeroEvidence(reason):
            return f"{reason}; only what has no trace goes out"
        case Closed(reason):
            return reason
        case Open():
            return "no topic is active"
