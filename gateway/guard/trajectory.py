"""A trajectory: one request taken through generation, judgement and refinement, round after round.

Knows no thresholds: serving stops a trajectory by the release rule, calibration walks it to its end.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import replace
from typing import Literal

from gateway.errors import InvalidInput, UpstreamGarbage, UpstreamRejected
from gateway.guard.beginnings import Beginnings, beginning
from gateway.guard.channels import judged, verifiable, visible
from gateway.guard.conversation import Conversation, read_conversation
from gateway.guard.endings import Ending, stops_in
from gateway.guard.logprobs import weighed
from gateway.guard.plan import LoopPlan
from gateway.guard.policy import Policy
from gateway.guard.refine import RESAMPLE_TEMPERATURE, Finding, next_request
from gateway.guard.steps import Candidate, Ended, Step
from gateway.telemetry.trace import UNTRACED, Trace
from gateway.upstream.protocol import ChatRequest, Choice, Completion, Upstream, Usage, streamed
from verifiers.protocol import Abstained, Evidence, Judge, Scored, Topic, Verdict

__all__ = ["Walker", "generated", "is_refusal", "walk"]


async def generated(
    upstream: Upstream,
    request: ChatRequest,
    round_: int,
    trace: Trace,
    send_out: Callable[[str], None] | None = None,
) -> Completion:
    """Call the model, and tell the trace. With ``send_out`` its content goes there as it comes."""

    async def send(text: str) -> None:
        if send_out is not None:
            send_out(text)

    with trace.span("generate", model=request.model, round=round_) as note:
        completion = await (upstream.complete(request) if send_out is None else streamed(upstream, request, send))
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
    walker = await Walker.start(upstream, plan, request, policy, trace)
    for round_ in range(1, plan.rounds + 1):
        steps = await walker.take(round_)
        for step in steps:
            yield step
        candidates = [step for step in steps if isinstance(step, Candidate)]
        if len(candidates) < len(steps):
            return
        # Of a streamed answer the first segment decides, which stands last: serving has seen no more of it.
        walker.turn(round_ + 1, min(reversed(candidates) if plan.streamed else candidates, key=_by_score))


def _by_score(candidate: Candidate) -> float:
    return candidate.score


class Walker:
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
        *,
        guarded: bool,
        ending: Ending,
    ) -> None:
        self._upstream = upstream
        self._plan = plan
        self._policy = policy
        self._said = said
        self._touched = touched
        self._guarded = guarded
        self.ending = ending
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
    ) -> Walker:
        """Screen: a conversation that touches a topic gets every verifier and the calibrated decoding.

        So does one that holds what cannot be read: it could touch anything.
        """
        if policy.screen is None or request.n != 1:
            raise ValueError("a trajectory needs active topics, and leads to one answer")
        said = read_conversation(request, most_chars=plan.most_prompt_chars)
        touched = await policy.screen.touched(said.text)
        guarded = bool(touched) or said.opaque or any(map(policy.screen.is_piece, stops_in(request.parameters)))
        judge = policy.screen.judge(touched=guarded)
        original = plan.pinned(request) if guarded else request
        ending = Ending.wanted(request.parameters) if guarded else Ending(telling=policy.screen.is_beginning)
        asked = policy.route(touched) or upstream
        return cls(asked, plan, policy, said, touched, judge, original, trace, guarded=guarded, ending=ending)

    @property
    def upstream(self) -> Upstream:
        """Who answers."""
        return self._upstream

    @property
    def asked(self) -> ChatRequest:
        """What the next round asks."""
        return self._asked

    async def take(self, round_: int) -> Sequence[Step]:
        """Generate and judge one round. After the first, whatever fails ends the trajectory."""
        try:
            return await self._taken(round_)
        except Exception as error:
            if round_ == 1:
                raise
            reason: Literal["refused", "upstream"] = "refused" if is_refusal(error) else "upstream"
            return [Ended(reason, f"{type(error).__name__} in round {round_}")]

    async def _taken(self, round_: int) -> Sequence[Step]:
        completion = await generated(self._upstream, self._asked, round_, self._trace)
        self.spent(completion.usage)
        if not completion.choices:
            return [Ended("upstream", "the model gave no answer")]
        if self._plan.streamed:
            return await Beginnings(self, round_).all(completion)
        return await self._judged(round_, completion)

    @property
    def usage_total(self) -> Usage:
        """What all generations cost."""
        return self._spent

    def spent(self, usage: Usage) -> None:
        """Count a generation's tokens."""
        self._spent += usage
        if self._prompt_tokens is None:  # the client pays for its own prompt, not for the loop's
            self._prompt_tokens = usage.prompt_tokens or None

    async def _judged(self, round_: int, completion: Completion) -> Sequence[Step]:
        steps: list[Step] = []
        for left, given in zip(reversed(range(len(completion.choices))), completion.choices, strict=True):
            choice = self.readable(given)
            verdict = await self.verdict(choice, round_)
            if isinstance(verdict, Abstained):
                return [*steps, Ended("abstained", verdict.reason)]
            choice = await self._with_logprobs(choice, given, verdict) if round_ == 1 else choice
            steps.append(self.candidate(round_, choice, verdict, completion, ends_round=left == 0))
        return steps

    async def _with_logprobs(self, choice: Choice, given: Choice, verdict: Scored) -> Choice:
        """Keep an answer's logprobs where nothing at all is found, neither in it nor in the words beside it.

        Their numbers cannot be judged, so a conversation that touches a topic never keeps them.
        """
        if not self._plan.logprobs or self._guarded or verdict.leakage > 0:
            return choice
        found = weighed(given.extras, choice.message.get("content"))
        if found is None or await self.verdict(beginning(found.text), 1) != Scored(0.0):
            return choice
        return replace(choice, extras=found.extras)

    def readable(self, given: Choice) -> Choice:
        """Keep of the model's answer what can be judged. Raises ``UpstreamGarbage``."""
        return self.ending.in_whole_words(verifiable(given))

    async def verdict(self, choice: Choice, round_: int) -> Verdict:
        """Judge an answer, or what there is of it: all that the model wrote, and what the client gets of that."""
        with self._trace.span("judge", round=round_) as note:
            verdict = await self._judgement(choice)
            shown = self.ending.cut(choice)
            if shown is not choice and isinstance(verdict, Scored):
                verdict = _worse(verdict, await self._judgement(shown))
            note(abstained=isinstance(verdict, Abstained))
        return verdict

    async def _judgement(self, choice: Choice) -> Verdict:
        return self._said.counted(await self._judge(self._said.exchange(judged(choice))))

    def candidate(
        self,
        round_: int,
        choice: Choice,
        verdict: Scored,
        completion: Completion,
        *,
        ends_round: bool = True,
        partial: bool = False,
    ) -> Candidate:
        """Put a verdict together with what the trajectory cost so far."""
        self._generations += not partial
        if self._opening is None and self._touched:
            self._opening = verdict.leakage
        shown = self.ending.cut(choice)
        return Candidate(
            round=round_,
            choice=shown,
            score=verdict.leakage,
            evidence=verdict.evidence,
            topics=self._touched,
            model=completion.model,
            usage=Usage(self._prompt_tokens or 0, _tokens(completion.usage, choice, shown)),
            usage_total=self._spent,
            generations=round_ if self._plan.streamed else self._generations,
            ends_round=ends_round,
            opening_score=self._opening,
            partial=partial,
        )

    def turn(self, round_: int, best: Candidate) -> None:
        """Decide what the next round asks."""
        finding = Finding(best.text, _words(best.evidence), self._names(best.evidence))
        strategy = self._plan.strategy(round_)
        asked = next_request(self._original, finding, strategy, self._upstream.capabilities)
        count = self._plan.drawn_per_round
        if count > 1 and self._upstream.capabilities.several_choices:
            hot = {**asked.parameters, "temperature": RESAMPLE_TEMPERATURE}
            asked = replace(asked, n=count, parameters=hot)
        self._asked = asked

    def _names(self, evidence: Sequence[Evidence]) -> tuple[str, ...]:
        ids = dict.fromkeys([*(e.topic_id for e in evidence), *sorted(self._touched)])
        topics = [self._policy.topics[id_].topic for id_ in ids]
        return tuple(topic.name for topic in topics if isinstance(topic, Topic))  # a private one has no name here


def _worse(one: Scored, other: Verdict) -> Verdict:
    return other if isinstance(other, Abstained) or other.leakage > one.leakage else one


def _tokens(usage: Usage, choice: Choice, shown: Choice) -> int:
    """Count what the client gets of an answer, which is all of it or a beginning."""
    if shown is choice:
        return usage.completion_tokens
    return -(-usage.completion_tokens * len(visible([shown])) // max(1, len(visible([choice]))))


def is_refusal(error: Exception) -> bool:
    """Say whether the same request would fail again, such as one that is too long for the model."""
    if isinstance(error, UpstreamRejected):
        return error.upstream_status in (400, 413, 422)
    return isinstance(error, InvalidInput | UpstreamGarbage)


def _words(evidence: Sequence[Evidence]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word for piece in evidence for word in piece.words))
