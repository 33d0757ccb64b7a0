"""A trajectory: one request taken through generation, judgement and refinement, round after round.

Knows no thresholds: serving stops a trajectory by the release rule, calibration walks it to its end.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

from gateway.errors import UpstreamError
from gateway.guard.channels import prompt_text, verifiable, visible
from gateway.guard.policy import Policy
from gateway.guard.refine import (
    RESAMPLE_TEMPERATURE,
    Finding,
    Strategy,
    next_request,
    refinement_fingerprint,
)
from gateway.upstream.protocol import ChatRequest, Choice, Completion, Upstream, Usage
from verifiers.protocol import Abstained, Evidence, Exchange, Judge

__all__ = ["Candidate", "Ended", "LoopPlan", "Step", "walk"]


@dataclass(frozen=True, slots=True)
class LoopPlan:
    """How the loop goes: what a certificate binds about it, and the seconds a whole answer may take.

    ``strategies`` are used in turn from the second round on, the last one for ever. ``decoding`` replaces the
    client's parameters of the same name in conversations that touch a topic.
    """

    rounds: int = 5
    strategies: tuple[Strategy, ...] = ("revise", "unaware", "constrain", "revise")
    candidates_per_round: int = 1
    decoding: Mapping[str, Any] = field(default_factory=lambda: {"temperature": 0.0})
    deadline_s: float = 120.0

    def __post_init__(self) -> None:
        if self.rounds < 1 or self.candidates_per_round < 1 or self.deadline_s <= 0:
            raise ValueError("rounds and candidates_per_round must be at least 1, deadline_s positive")
        if not self.strategies:
            raise ValueError("the loop needs at least one refinement strategy")

    def strategy(self, round_: int) -> Strategy:
        """Name the strategy of round 2, 3, …"""
        return self.strategies[min(round_ - 2, len(self.strategies) - 1)]

    @property
    def refinement_fingerprint(self) -> str:
        """Change whenever a later round could ask otherwise."""
        return refinement_fingerprint(self.strategies, self.candidates_per_round)

    @property
    def decoding_fingerprint(self) -> str:
        """Change whenever a conversation that touches a topic could be generated otherwise."""
        return hashlib.sha256(json.dumps(self.decoding, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One judged answer: ``choices`` go out together or not at all.

    ``round`` counts from 1, ``generations`` the answers drawn up to and with this one; ``usage`` is that of
    its round, ``usage_total`` that of all so far. ``topics`` are those that the conversation touches.
    """

    round: int
    choices: tuple[Choice, ...]
    score: float
    evidence: tuple[Evidence, ...]
    topics: frozenset[str]
    model: str
    usage: Usage
    usage_total: Usage
    generations: int

    @property
    def text(self) -> str:
        """Everything of it that a client would see."""
        return visible(self.choices)


@dataclass(frozen=True, slots=True)
class Ended:
    """The trajectory cannot go on. What comes after would be unverified, so nothing after it goes out."""

    reason: Literal["abstained", "upstream"]
    detail: str


Step: TypeAlias = Candidate | Ended


async def walk(upstream: Upstream, plan: LoopPlan, request: ChatRequest, policy: Policy) -> AsyncGenerator[Step]:
    """Yield the request's candidates, judged, for all rounds; ``Ended`` comes last where it breaks off.

    The next question is built from the evidence against the round's least leaking candidate and never from a
    threshold, so a trajectory is the same whatever the threshold is. Raises ``UpstreamError`` if the first
    generation fails: then there is nothing to judge.
    """
    walker = _Walker.start(upstream, plan, request, policy)
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
        self, upstream: Upstream, plan: LoopPlan, original: ChatRequest, policy: Policy, judge: Judge
    ) -> None:
        self._upstream = upstream
        self._plan = plan
        self._original = original
        self._asked = original
        self._policy = policy
        self._judge = judge
        self._prompt = prompt_text(original.messages)
        self._begun = _begun(original)
        self._touched: frozenset[str] = frozenset()
        self._spent = Usage()
        self._generations = 0

    @classmethod
    def start(cls, upstream: Upstream, plan: LoopPlan, request: ChatRequest, policy: Policy) -> _Walker:
        """Screen: a conversation that touches a topic gets every verifier and the calibrated decoding."""
        if policy.screen is None:
            raise ValueError("a policy without active topics has no trajectory")
        touched = policy.screen.touched(prompt_text(request.messages))
        if touched:
            request = replace(request, parameters={**request.parameters, **plan.decoding})
        walker = cls(upstream, plan, request, policy, policy.screen.judge(touched))
        walker._touched = touched
        return walker

    async def take(self, round_: int) -> Sequence[Step]:
        try:
            completion = await self._upstream.complete(self._asked)
        except UpstreamError as error:
            if round_ == 1:
                raise
            return [Ended("upstream", str(error))]
        self._spent += completion.usage
        if not completion.choices:
            return [Ended("upstream", "the model gave no answer")]
        return await self._judged(round_, completion)

    async def _judged(self, round_: int, completion: Completion) -> Sequence[Step]:
        steps: list[Step] = []
        for choices in self._candidates(completion):
            kept = tuple(verifiable(choice) for choice in choices)
            verdict = await self._judge(Exchange(self._prompt, self._begun + visible(kept)))
            self._generations += len(choices)
            if isinstance(verdict, Abstained):
                return [*steps, Ended("abstained", verdict.reason)]
            steps.append(
                Candidate(
                    round=round_,
                    choices=kept,
                    score=verdict.leakage,
                    evidence=verdict.evidence,
                    topics=self._touched,
                    model=completion.model,
                    usage=completion.usage,
                    usage_total=self._spent,
                    generations=self._generations,
                )
            )
        return steps

    def _candidates(self, completion: Completion) -> Sequence[tuple[Choice, ...]]:
        """Take each choice as a candidate, unless the client asked for several: those go out together."""
        if self._original.n > 1:
            return [completion.choices]
        return [(choice,) for choice in completion.choices]

    def turn(self, round_: int, best: Candidate) -> None:
        """Decide what the next round asks."""
        finding = Finding(best.text, _words(best.evidence), self._names(best.evidence))
        strategy = self._plan.strategy(round_)
        asked = next_request(self._original, finding, strategy, self._upstream.capabilities)
        count = self._plan.candidates_per_round
        if count > 1 and asked.n == 1 and self._upstream.capabilities.several_choices:
            hot = {**asked.parameters, "temperature": RESAMPLE_TEMPERATURE}
            asked = replace(asked, n=count, parameters=hot)
        self._asked = asked

    def _names(self, evidence: Sequence[Evidence]) -> tuple[str, ...]:
        ids = dict.fromkeys([*(e.topic_id for e in evidence), *sorted(self._touched)])
        return tuple(self._policy.topics[id_].topic.name for id_ in ids)


def _begun(request: ChatRequest) -> str:
    """Give the answer that the client has begun itself, so that a word cut in two is judged whole."""
    last = request.messages[-1] if request.messages else None
    return prompt_text([last]) if last is not None and last.get("role") == "assistant" else ""


def _words(evidence: Sequence[Evidence]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word for piece in evidence for word in piece.words))
