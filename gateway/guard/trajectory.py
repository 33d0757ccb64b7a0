"""A trajectory: one request taken through generation, judgement and refinement, round after round.

Knows no thresholds: serving stops a trajectory by the release rule, calibration walks it to its end.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, TypeAlias

from gateway.errors import InvalidInput, UpstreamGarbage, UpstreamRejected
from gateway.guard.channels import judged, verifiable, visible
from gateway.guard.conversation import Conversation, read_conversation
from gateway.guard.policy import Policy
from gateway.guard.refine import (
    RESAMPLE_TEMPERATURE,
    Finding,
    Strategy,
    next_request,
    refinement_fingerprint,
)
from gateway.telemetry.trace import UNTRACED, Trace
from gateway.upstream.protocol import Capabilities, ChatRequest, Choice, Completion, Upstream, Usage
from verifiers.protocol import Abstained, Evidence, Exchange, Judge, Topic, Verdict

__all__ = ["KEPT_PARAMETERS", "Candidate", "Ended", "LoopPlan", "Step", "generated", "walk"]

KEPT_PARAMETERS: Final = frozenset(
    "max_completion_tokens max_tokens metadata parallel_tool_calls response_format stop "
    "tool_choice tools user".split()
)
"""What a client may still say in a conversation that touches a topic: what it needs to use the answer."""


@dataclass(frozen=True, slots=True)
class LoopPlan:
    """How the loop goes: what a certificate binds about it, and the seconds a whole answer may take.

    ``strategies`` are used in turn from the second round on, the last one for ever. ``decoding`` takes the
    place of all that the client says about decoding in conversations that touch a topic. A conversation of
    more than ``most_prompt_chars`` is refused, since every verifier reads it.
    """

    rounds: int = 5
    strategies: tuple[Strategy, ...] = ("revise", "unaware", "constrain", "revise")
    candidates_per_round: int = 1
    decoding: Mapping[str, Any] = field(default_factory=lambda: {"temperature": 0.0})
    deadline_s: float = 120.0
    most_prompt_chars: int = 200_000

    def __post_init__(self) -> None:
        if self.rounds < 1 or self.candidates_per_round < 1 or self.deadline_s <= 0:
            raise ValueError("rounds and candidates_per_round must be at least 1, deadline_s positive")
        if not self.strategies:
            raise ValueError("the loop needs at least one refinement strategy")

    def strategy(self, round_: int) -> Strategy:
        """Name the strategy of round 2, 3, …"""
        return self.strategies[min(round_ - 2, len(self.strategies) - 1)]

    def refinement_fingerprint(self, capabilities: Capabilities) -> str:
        """Change whenever a later round could ask otherwise."""
        return refinement_fingerprint(self.strategies, self.candidates_per_round, capabilities)

    @property
    def decoding_fingerprint(self) -> str:
        """Change whenever a conversation that touches a topic could be generated otherwise."""
        parts = [dict(self.decoding), sorted(KEPT_PARAMETERS)]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]

    def pinned(self, request: ChatRequest) -> ChatRequest:
        """Generate as calibrated: of the client's parameters only those stay that do not steer the decoding."""
        kept = {key: value for key, value in request.parameters.items() if key in KEPT_PARAMETERS}
        return replace(request, parameters={**kept, **self.decoding})


@dataclass(frozen=True, slots=True)
class Candidate:
    """One judged answer.

    ``round`` counts from 1, ``generations`` the answers drawn up to and with this one; ``usage`` is what it
    would have cost without a loop, ``usage_total`` that of all so far. ``topics`` are those that the
    conversation touches. ``ends_round`` says that the round holds no further candidate;
    ``opening_score`` is the score of the trajectory's first one, None where the conversation touches no topic.
    """

    round: int
    choice: Choice
    score: float
    evidence: tuple[Evidence, ...]
    topics: frozenset[str]
    model: str
    usage: Usage
    usage_total: Usage
    generations: int
    ends_round: bool = True
    opening_score: float | None = None

    @property
    def text(self) -> str:
        """Everything of it that a client would see."""
        return visible([self.choice])


@dataclass(frozen=True, slots=True)
class Ended:
    """The trajectory cannot go on. What comes after would be unverified, so nothing after it goes out.

    ``refused``: the model does not take the refined request, and would not another time; ``upstream``: it
    failed, and might not another time.
    """

    reason: Literal["abstained", "refused", "upstream"]
    detail: str


Step: TypeAlias = Candidate | Ended


async def generated(upstream: Upstream, request: ChatRequest, round_: int, trace: Trace) -> Completion:
    """Call the model, and tell the trace."""
    with trace.span("generate", model=request.model, round=round_) as note:
        completion = await upstream.complete(request)
        note(prompt_tokens=completion.usage.prompt_tokens, completion_tokens=completion.usage.completion_tokens)
    return completion


async def walk(
    upstream: Upstream, plan: LoopPlan, request: ChatRequest, policy: Policy, trace: Trace = UNTRACED
) -> AsyncGenerator[Step]:
    """Yield the request's candidates, judged, for all rounds; ``Ended`` comes last where it breaks off.

    A conversation that touches a routed topic is answered in every round by that topic's backend, in place of
    ``upstream``.

    The next question is built from the evidence against the round's least leaking candidate and never from a
    threshold, so a trajectory is the same whatever the threshold is. One trajectory leads to one answer:
    ``request.n`` is 1. Raises ``UpstreamError`` if the first generation fails: then there is nothing to judge.
    """
    walker = await _Walker.start(upstream, plan, request, policy, trace)
    for round_ in range(1, plan.rounds + 1):
        steps = await walker.take(round_)
        for step in steps:
            yield step
        candidates = [step for step in steps if isinstance(step, Candidate)]
        if len(candidates) < len(steps):
            return
        walker.turn(round_ + 1, min(candidates, key=lambda candidate: candidate.score))


class _Walker:
    """Where a trajectory stands: what to ask next, and what was spent."""

    def __init__(
        self,
        upstream: Upstream,
        plan: LoopPlan,
        policy: Policy,
        said: Conversation,
        touched: frozenset[str],
        judge: Judge,
        original: ChatRequest,
        trace: Trace,
    ) -> None:
        self._upstream = upstream
        self._plan = plan
        self._policy = policy
        self._said = said
        self._touched = touched
        self._judge = judge
        self._original = original
        self._asked = original
        self._trace = trace
        self._spent = Usage()
        self._prompt_tokens: int | None = None
        self._generations = 0
        self._opening: float | None = None

    @classmethod
    async def start(
        cls, upstream: Upstream, plan: LoopPlan, request: ChatRequest, policy: Policy, trace: Trace
    ) -> _Walker:
        """Screen: a conversation that touches a topic gets every verifier and the calibrated decoding.

        So does one that holds what cannot be read: it could touch anything.
        """
        if policy.screen is None or request.n != 1:
            raise ValueError("a trajectory needs active topics, and leads to one answer")
        said = read_conversation(request, most_chars=plan.most_prompt_chars)
        touched = await policy.screen.touched(said.text)
        guarded = bool(touched) or said.opaque
        judge = policy.screen.judge(touched=guarded)
        original = plan.pinned(request) if guarded else request
        return cls(policy.route(touched) or upstream, plan, policy, said, touched, judge, original, trace)

    async def take(self, round_: int) -> Sequence[Step]:
        """Generate and judge one round. After the first, whatever fails ends the trajectory."""
        try:
            return await self._taken(round_)
        except Exception as error:
            if round_ == 1:
                raise
            reason: Literal["refused", "upstream"] = "refused" if _is_refusal(error) else "upstream"
            return [Ended(reason, f"{type(error).__name__} in round {round_}")]

    async def _taken(self, round_: int) -> Sequence[Step]:
        completion = await generated(self._upstream, self._asked, round_, self._trace)
        self._spent += completion.usage
        if self._prompt_tokens is None:  # the client pays for its own prompt, not for the loop's
            self._prompt_tokens = completion.usage.prompt_tokens
        if not completion.choices:
            return [Ended("upstream", "the model gave no answer")]
        return await self._judged(round_, completion)

    async def _judged(self, round_: int, completion: Completion) -> Sequence[Step]:
        steps: list[Step] = []
        for left, given in zip(reversed(range(len(completion.choices))), completion.choices, strict=True):
            choice = verifiable(given)
            verdict = await self._verdict(self._said.exchange(judged(choice)), round_)
            self._generations += 1
            if isinstance(verdict, Abstained):
                return [*steps, Ended("abstained", verdict.reason)]
            if self._opening is None and self._touched:
                self._opening = verdict.leakage
            steps.append(
                Candidate(
                    round=round_,
                    choice=choice,
                    score=verdict.leakage,
                    evidence=verdict.evidence,
                    topics=self._touched,
                    model=completion.model,
                    usage=Usage(self._prompt_tokens or 0, completion.usage.completion_tokens),
                    usage_total=self._spent,
                    generations=self._generations,
                    ends_round=left == 0,
                    opening_score=self._opening,
                )
            )
        return steps

    async def _verdict(self, exchange: Exchange, round_: int) -> Verdict:
        with self._trace.span("judge", round=round_) as note:
            verdict = self._said.counted(await self._judge(exchange))
            note(abstained=isinstance(verdict, Abstained))
        return verdict

    def turn(self, round_: int, best: Candidate) -> None:
        """Decide what the next round asks."""
        finding = Finding(best.text, _words(best.evidence), self._names(best.evidence))
        strategy = self._plan.strategy(round_)
        asked = next_request(self._original, finding, strategy, self._upstream.capabilities)
        count = self._plan.candidates_per_round
        if count > 1 and self._upstream.capabilities.several_choices:
            hot = {**asked.parameters, "temperature": RESAMPLE_TEMPERATURE}
            asked = replace(asked, n=count, parameters=hot)
        self._asked = asked

    def _names(self, evidence: Sequence[Evidence]) -> tuple[str, ...]:
        ids = dict.fromkeys([*(e.topic_id for e in evidence), *sorted(self._touched)])
        topics = [self._policy.topics[id_].topic for id_ in ids]
        return tuple(topic.name for topic in topics if isinstance(topic, Topic))  # a private one has no name here


def _is_refusal(error: Exception) -> bool:
    """Say whether the same request would fail again, such as one that is too long for the model."""
    if isinstance(error, UpstreamRejected):
        return error.upstream_status in (400, 413, 422)
    return isinstance(error, InvalidInput | UpstreamGarbage)


def _words(evidence: Sequence[Evidence]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word for piece in evidence for word in piece.words))
