"""Composition: several verifiers as one, and a deadline. Fails closed; knows no thresholds."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from verifiers.identity import fingerprint_of
from verifiers.protocol import Abstained, Exchange, Judge, Scored, Topic, Verdict, Verifier

__all__ = ["Worst", "about", "guarded", "never_waits", "with_deadline"]

_REVISION = "1"
_Part: TypeAlias = tuple[str, Judge]


@dataclass(frozen=True, slots=True)
class Worst:
    """Several verifiers as one whose leakage is the worst of theirs.

    Evidence is that of all, the worst ``max_evidence`` pieces of it. If one part abstains or raises, the whole
    abstains and names it; a cancellation passes through. Raises ``ValueError`` without verifiers, or for two of
    one name: nothing to verify is not a pass.
    """

    verifiers: tuple[Verifier, ...]
    max_evidence: int = 1024

    def __init__(self, verifiers: Sequence[Verifier], max_evidence: int = 1024) -> None:
        object.__setattr__(self, "verifiers", tuple(verifiers))
        object.__setattr__(self, "max_evidence", max_evidence)
        names = [verifier.name for verifier in self.verifiers]
        if not names:
            raise ValueError("a composition needs at least one verifier")
        if len(set(names)) < len(names):
            raise ValueError(f"verifiers of one name cannot be told apart: {', '.join(names)}")
        if max_evidence < 1:
            raise ValueError(f"max_evidence must be at least 1, got {max_evidence}")

    @property
    def name(self) -> str:
        """See `Verifier`."""
        return f"worst({', '.join(verifier.name for verifier in self.verifiers)})"

    @property
    def fingerprint(self) -> str:
        """See `Verifier`. The order of the parts does not matter, as scores do not depend on it."""
        parts = sorted(verifier.fingerprint for verifier in self.verifiers)
        return fingerprint_of("worst", _REVISION, parts=parts, max_evidence=self.max_evidence)

    def prepare(self, topics: Sequence[Topic]) -> Judge:
        """Prepare every part."""
        parts = tuple((verifier.name, verifier.prepare(topics)) for verifier in self.verifiers)
        return _WorstJudge(parts, self.max_evidence)


@dataclass(frozen=True, slots=True)
class _WorstJudge:
    parts: tuple[_Part, ...]
    max_evidence: int

    @property
    def never_waits(self) -> bool:
        return all(never_waits(judge) for _, judge in self.parts)

    async def __call__(self, exchange: Exchange) -> Verdict:
        scored: list[Scored] = []
        for name, judge in self.parts:
            verdict = await guarded(name, judge, exchange)
            if isinstance(verdict, Abstained):
                return verdict
            scored.append(verdict)
        evidence = [each for verdict in scored for each in verdict.evidence]
        evidence.sort(key=lambda each: (-each.leakage, each.topic_id, each.verifier, each.reason))
        return Scored(max(verdict.leakage for verdict in scored), tuple(evidence[: self.max_evidence]))


async def guarded(name: str, judge: Judge, exchange: Exchange) -> Verdict:
    """Ask a judge; whatever it raises becomes an abstention that names it. A cancellation passes through."""
    try:
        verdict = await judge(exchange)
    except Exception as error:  # Whatever broke, no judgement was made. The message may quote the answer.
        return Abstained(f"{name} failed: {type(error).__name__}")
    return Abstained(f"{name}: {verdict.reason}") if isinstance(verdict, Abstained) else verdict


def about(judge: Judge, topics: frozenset[str]) -> Judge:
    """Make a judge that counts only the evidence about these topics, by id, of all that it was prepared with."""
    return _About(judge, topics)


@dataclass(frozen=True, slots=True)
class _About:
    judge: Judge
    topics: frozenset[str]

    @property
    def never_waits(self) -> bool:
        return never_waits(self.judge)

    async def __call__(self, exchange: Exchange) -> Verdict:
        verdict = await self.judge(exchange)
        if isinstance(verdict, Abstained) or all(each.topic_id in self.topics for each in verdict.evidence):
            return verdict
        evidence = tuple(each for each in verdict.evidence if each.topic_id in self.topics)
        return Scored(max((each.leakage for each in evidence), default=0.0), evidence)


def never_waits(judge: Judge) -> bool:
    """Say whether a judge says of itself that it only computes, so that no deadline could end it."""
    return getattr(judge, "never_waits", False) is True


def with_deadline(judge: Judge, seconds: float) -> Judge:
    """Make a judge abstain that has not judged after ``seconds``. Raises ``ValueError`` unless positive.

    It cannot stop a judge that computes without awaiting; such a verdict comes late but is not lost.
    """
    if not seconds > 0:
        raise ValueError(f"a deadline must be positive, got {seconds}")
    return _Deadlined(judge, seconds)


@dataclass(frozen=True, slots=True)
class _Deadlined:
    judge: Judge
    seconds: float

    async def __call__(self, exchange: Exchange) -> Verdict:
        deadline = asyncio.timeout(self.seconds)
        try:
            async with deadline:
                return await self.judge(exchange)
        except TimeoutError:
            if not deadline.expired():
                raise
            return Abstained(f"no verdict within {self.seconds:g} s")
