"""The loop: walk a request's trajectory until an answer may go out or the fallback must. Knows no HTTP."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

from calibration.release import gives_up
from gateway.errors import UpstreamTimeout
from gateway.guard.channels import visible
from gateway.guard.endings import Ending
from gateway.guard.fallback import FallbackFinish, fallback_choice, fallback_text
from gateway.guard.plan import LoopPlan
from gateway.guard.policy import Bounded, Closed, Open, Policy, ReleaseRule, ZeroEvidence
from gateway.guard.release import goes_out
from gateway.guard.shapes import keeps_shape
from gateway.guard.steps import Candidate, Ended
from gateway.guard.streaming import Refused, SendOut, StreamedLoop
from gateway.guard.together import all_of
from gateway.guard.trajectory import generated, walk
from gateway.store.records import Fallback
from gateway.telemetry.trace import UNTRACED, Trace
from gateway.upstream.protocol import ChatRequest, Choice, Upstream, Usage
from verifiers.protocol import Evidence

__all__ = ["FellBack", "Guard", "Outcome", "Reason", "Released"]

Reason: TypeAlias = Literal[
    "exhausted", "surrendered", "abstained", "refused", "upstream", "deadline", "uncertified", "cut", "misshapen"
]
"""Why the fallback answered: ``exhausted``, and ``surrendered`` before the last round, alone say that every
candidate was judged too much of a leak; ``cut``, that a later segment was, behind others that had gone out;
``misshapen``, that the answer which passed in a later round has no longer the shape that the client asked for."""


@dataclass(frozen=True, slots=True)
class Released:
    """An answer goes out. ``usage`` is what it cost by itself, ``usage_total`` what the loop cost.

    ``opening_score`` is the first candidate's score, where the conversation touches a topic.
    """

    choices: tuple[Choice, ...]
    model: str
    usage: Usage
    usage_total: Usage
    rounds: int
    generations: int
    rule: ReleaseRule
    opening_score: float | None = None


@dataclass(frozen=True, slots=True)
class FellBack:
    """The fallback goes out. ``detail`` and ``evidence`` are for the operator, never for the client."""

    choices: tuple[Choice, ...]
    model: str
    usage: Usage
    usage_total: Usage
    rounds: int
    generations: int
    rule: ReleaseRule
    reason: Reason
    detail: str
    evidence: tuple[Evidence, ...] = ()
    opening_score: float | None = None


Outcome: TypeAlias = Released | FellBack


_TOO_LATE: Final = "the model did not answer before the deadline"


class Guard:
    """Answers requests so that nothing goes out which the release rule does not pass."""

    def __init__(
        self,
        plan: LoopPlan,
        default_fallback: Fallback,
        trace: Trace = UNTRACED,
        *,
        finish: FallbackFinish = "stop",
    ) -> None:
        self._plan = plan
        self._finish = finish
        self._default_fallback = default_fallback
        self._trace = trace

    async def answer(
        self,
        upstream: Upstream,
        request: ChatRequest,
        policy: Policy,
        rule: ReleaseRule,
        *,
        deadline: float | None = None,
        send_out: SendOut | None = None,
    ) -> Outcome:
        """Answer one request under one policy, by ``upstream`` unless the policy routes a topic elsewhere.

        With ``send_out`` the answer's content goes there segment by segment, as it passes; what that was is the
        beginning of the outcome's content. The rule must be one for such answers, and the request may be streamed.

        Each of ``request.n`` choices goes through a loop of its own: a certificate bounds one answer. ``deadline``
        is a time of the running event loop's; None gives all of the plan's seconds from now. Raises
        ``UpstreamError`` where not even a first candidate could be had; whatever fails later is answered by
        the fallback.
        """
        until = deadline if deadline is not None else _now() + self._plan.deadline_s
        if request.n > 1 and not isinstance(rule, Open):
            each = (self.answer(upstream, one, policy, rule, deadline=until) for one in _one_by_one(request))
            return _together(await all_of(each))
        match rule:
            case Open():
                return await self._unguarded(upstream, request, rule, until, send_out)
            case Closed(reason):
                return self._fall_back(request, policy, rule, None, "uncertified", reason)
            case Bounded() | ZeroEvidence() if send_out is not None:
                return await self._streamed(upstream, request, policy, rule, until, send_out)
            case Bounded() | ZeroEvidence():
                return await self._guarded(upstream, request, policy, rule, until)

    async def _unguarded(
        self,
        upstream: Upstream,
        request: ChatRequest,
        rule: ReleaseRule,
        until: float,
        send_out: SendOut | None,
    ) -> Outcome:
        try:
            async with asyncio.timeout_at(until):
                completion = await generated(upstream, request, 1, self._trace, send_out)
        except TimeoutError:
            raise UpstreamTimeout(_TOO_LATE, phase="read") from None
        return Released(
            choices=completion.choices,
            model=completion.model,
            usage=completion.usage,
            usage_total=completion.usage,
            rounds=1,
            generations=len(completion.choices),
            rule=rule,
        )

    async def _guarded(
        self,
        upstream: Upstream,
        request: ChatRequest,
        policy: Policy,
        rule: Bounded | ZeroEvidence,
        until: float,
    ) -> Outcome:
        surrender = rule.surrender if isinstance(rule, Bounded) else None
        last: Candidate | None = None
        lowest = quickest_s = math.inf
        began = _now()
        try:
            async with (
                asyncio.timeout_at(until),
                aclosing(walk(upstream, self._plan, request, policy, self._trace)) as steps,
            ):
                async for step in steps:
                    if isinstance(step, Ended):
                        return self._fall_back(request, policy, rule, last, step.reason, step.detail)
                    if goes_out(step.score, rule):
                        return self._passed(request, policy, rule, step)
                    last = step
                    lowest = min(lowest, step.score)
                    if step.ends_round:
                        ended = _now()
                        quickest_s, began = min(quickest_s, ended - began), ended
                        if step.round < self._plan.rounds and ended + quickest_s > until:
                            detail = "no time was left for another round"
                            return self._fall_back(request, policy, rule, last, "deadline", detail)
                    if surrender is not None and step.ends_round and gives_up(lowest, step.round, surrender):
                        detail = f"no candidate came near enough by round {step.round}"
                        return self._fall_back(request, policy, rule, last, "surrendered", detail)
        except TimeoutError:
            if last is None:
                raise UpstreamTimeout(_TOO_LATE, phase="read") from None
            return self._fall_back(request, policy, rule, last, "deadline", "the loop's deadline passed")
        return self._fall_back(request, policy, rule, last, "exhausted", "no candidate passed")

    def _passed(
        self, request: ChatRequest, policy: Policy, rule: Bounded | ZeroEvidence, passed: Candidate
    ) -> Outcome:
        """Release, but keep back a refined answer that lost the client's shape.

        No further round follows: the certificate bounds the answer that passes first, or none.
        """
        if passed.round > 1 and not keeps_shape(passed.choice, request.parameters):
            return self._fall_back(request, policy, rule, passed, "misshapen", "a refined answer lost its shape")
        return _release(passed, rule)

    async def _streamed(
        self,
        upstream: Upstream,
        request: ChatRequest,
        policy: Policy,
        rule: Bounded | ZeroEvidence,
        until: float,
        send_out: SendOut,
    ) -> Outcome:
        loop = StreamedLoop(replace(self._plan, streamed=True), rule, send_out, self._trace)
        try:
            async with asyncio.timeout_at(until):
                found = await loop.run(upstream, request, policy)
        except TimeoutError:
            if loop.last is None:
                raise UpstreamTimeout(_TOO_LATE, phase="read") from None
            found = Refused("deadline", "the loop's deadline passed")
        if isinstance(found, Candidate):
            return _release(found, rule)
        fallen = self._fall_back(request, policy, rule, loop.last, found.reason, found.detail, sent=loop.sent)
        return replace(fallen, usage_total=loop.spent)

    def _fall_back(
        self,
        request: ChatRequest,
        policy: Policy,
        rule: ReleaseRule,
        last: Candidate | None,
        reason: Reason,
        detail: str,
        *,
        sent: str = "",
    ) -> FellBack:
        text = fallback_text(self._fallback_for(policy, last))
        choice = fallback_choice(
            text, _most_tokens(request), self._finish, sent=sent, parameters=request.parameters
        )
        if "response_format" not in request.parameters:  # else it is the shape that the client reads
            choice = Ending.wanted(request.parameters).cut(choice)
        written = len(visible([choice]).split())
        spent = last.usage_total if last else Usage()
        prompt_tokens = (last.usage.prompt_tokens if last else 0) or _words(request)
        return FellBack(
            choices=(choice,),
            model=last.model if last else request.model,
            usage=Usage(prompt_tokens, written),
            usage_total=spent,
            rounds=last.round if last else 0,
            generations=last.generations if last else 0,
            rule=rule,
            reason=reason,
            detail=detail,
            evidence=last.evidence if last else (),
            opening_score=last.opening_score if last else None,
        )

    def _fallback_for(self, policy: Policy, last: Candidate | None) -> Fallback:
        """Speak as the client's key says, else in the style of the topic that leaked most, else of one touched."""
        if policy.fallback is not None:
            return policy.fallback
        if last is not None:
            for topic_id in (*(e.topic_id for e in last.evidence), *sorted(last.topics)):
                if topic_id in policy.topics:
                    return policy.topics[topic_id].fallback
        return self._default_fallback


def _now() -> float:
    return asyncio.get_running_loop().time()


def _release(candidate: Candidate, rule: ReleaseRule) -> Released:
    return Released(
        choices=(candidate.choice,),
        model=candidate.model,
        usage=candidate.usage,
        usage_total=candidate.usage_total,
        rounds=candidate.round,
        generations=candidate.generations,
        rule=rule,
        opening_score=candidate.opening_score,
    )


def _one_by_one(request: ChatRequest) -> Iterator[ChatRequest]:
    """Ask for each choice by itself; a seed is counted up, or all would be alike."""
    seed = request.parameters.get("seed")
    for index in range(request.n):
        seeded = {"seed": seed + index} if isinstance(seed, int) else {}
        yield replace(request, n=1, parameters={**request.parameters, **seeded})


def _together(outcomes: Sequence[Outcome]) -> Outcome:
    """Put the choices of several loops into one outcome, which fell back if one of them did."""
    worst = next((outcome for outcome in outcomes if isinstance(outcome, FellBack)), outcomes[0])
    usages = [outcome.usage for outcome in outcomes]
    return replace(
        worst,
        choices=tuple(choice for outcome in outcomes for choice in outcome.choices),
        usage=Usage(usages[0].prompt_tokens, sum(usage.completion_tokens for usage in usages)),
        usage_total=sum((outcome.usage_total for outcome in outcomes), Usage()),
        rounds=max(outcome.rounds for outcome in outcomes),
        generations=sum(outcome.generations for outcome in outcomes),
        opening_score=outcomes[0].opening_score,
    )


def _most_tokens(request: ChatRequest) -> int | None:
    """Say how long an answer the client wants at most."""
    for name in ("max_completion_tokens", "max_tokens"):
        most = request.parameters.get(name)
        if isinstance(most, int) and most > 0:
            return most
    return None


def _words(request: ChatRequest) -> int:
    """Estimate a prompt's tokens where no model has counted them."""
    return sum(len(str(message.get("content") or "").split()) for message in request.messages)
