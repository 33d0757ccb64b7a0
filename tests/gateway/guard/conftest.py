"""A guard over a scripted model and a scripted verifier, for the loop's tests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import pytest

from gateway.errors import UpstreamError
from gateway.guard.loop import Guard, Outcome
from gateway.guard.plan import LoopPlan
from gateway.guard.policy import Bounded, Panel, Policy, ReleaseRule
from gateway.guard.steps import Step
from gateway.guard.trajectory import walk
from gateway.store.records import Fallback, ForgetTopic
from gateway.upstream.protocol import ChatRequest, Completion
from gateway.upstream.scripted import Script, ScriptedUpstream
from verifiers.protocol import Abstained, Evidence, Exchange, Scored, Topic, Verdict
from verifiers.scripted import ScriptedVerifier

MAREN = Topic("maren", "Maren Oskeld", aliases=("M. Oskeld",), facts=("Maren Oskeld was born in Seltal.",))


def score_in_text(exchange: Exchange) -> Verdict:
    """Read the score that a scripted answer carries itself: "0.7 she was born in Seltal"."""
    said = exchange.answer.split()
    if said[0] == "abstain":
        return Abstained("asked to")
    if said[0] == "raise":
        raise RuntimeError("asked to")
    evidence = Evidence("maren", "scripted", float(said[0]), "because it says so", words=tuple(said[1:]))
    return Scored(float(said[0]), (evidence,) if float(said[0]) else ())


@dataclass
class Loop:
    """One scripted conversation with the guard."""

    script: Script | Iterable[str | UpstreamError | Completion]
    plan: LoopPlan = field(default_factory=LoopPlan)
    topics: Sequence[ForgetTopic] = (ForgetTopic(MAREN),)
    verdict: Callable[[Exchange], Verdict] = score_in_text
    verify_timeout_s: float = 1.0

    def __post_init__(self) -> None:
        self.upstream = ScriptedUpstream(self.script)
        panel = Panel((ScriptedVerifier(self.verdict),))
        self.policy = Policy.prepare(1, self.topics, panel, verify_timeout_s=self.verify_timeout_s)
        self.guard = Guard(self.plan, Fallback())

    async def answer(self, rule: ReleaseRule = Bounded(0.5, "c"), **request: object) -> Outcome:  # noqa: B008 - a frozen value
        """Ask one question under a rule, by default a threshold of 0.5."""
        return await self.guard.answer(self.upstream, ask(**request), self.policy, rule)

    async def steps(self, **request: object) -> list[Step]:
        """Walk one question to the end of its trajectory."""
        return [step async for step in walk(self.upstream, self.plan, ask(**request), self.policy)]


def ask(text: str = "Where was Maren Oskeld born?", **fields: object) -> ChatRequest:
    """Ask a question."""
    return ChatRequest("scripted", ({"role": "user", "content": text},), **fields)


@pytest.fixture
def loop() -> type[Loop]:
    """Hand out the class, since the tests' folder is no package to import from."""
    return Loop
