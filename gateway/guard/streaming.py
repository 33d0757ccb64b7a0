"""Answers that go out segment by segment, each once all that is written so far has passed. Knows no HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from calibration.release import gives_up
from gateway.errors import UpstreamGarbage
from gateway.guard.beginnings import Beginnings, beginning
from gateway.guard.invisible import following
from gateway.guard.plan import LoopPlan
from gateway.guard.policy import Bounded, Policy, ZeroEvidence
from gateway.guard.release import goes_out
from gateway.guard.segments import next_cut
from gateway.guard.shapes import call_required
from gateway.guard.steps import Candidate, Ended
from gateway.guard.trajectory import Walker, is_refusal
from gateway.telemetry.trace import Trace
from gateway.upstream.protocol import ChatRequest, Choice, Completion, Upstream, Usage, streamed
from verifiers.protocol import Abstained

__all__ = ["STREAMABLE", "Refused", "SendOut", "StreamedLoop", "may_stream"]

SendOut: TypeAlias = Callable[[str], None]
"""Takes text that has passed and is on its way to the client."""

STREAMABLE: Final = frozenset(
    "frequency_penalty logit_bias max_completion_tokens max_tokens metadata min_p parallel_tool_calls "
    "presence_penalty reasoning_effort seed stop temperature tool_choice tools top_k top_p user".split()
)
"""What a client may ask for in a streamed answer. With anything else, such as a schema that a fallback in the
middle would break, the answer is verified whole before it is sent."""


def may_stream(request: ChatRequest) -> bool:
    """Say whether an answer can go out in segments: one choice of plain text, no call required."""
    plain = request.parameters.keys() <= STREAMABLE and not call_required(request.parameters)
    return request.n == 1 and plain


@dataclass(frozen=True, slots=True)
class Refused:
    """The stream may not go on: why, and in words for the operator."""

    reason: Literal["exhausted", "surrendered", "abstained", "refused", "upstream", "deadline", "cut"]
    detail: str


class _Stopped(Exception):
    """The next segment may not go out."""


@dataclass(slots=True)
class _Segmented:
    """One round's answer as it comes in: judged beginning by beginning, sent on while all of them pass."""

    judged: Beginnings
    rule: Bounded | ZeroEvidence
    send_out: SendOut
    model: str
    before: str = ""
    clean: str = ""
    read: int = 0
    sent: str = ""
    pieces: int = 0
    last: Candidate | None = None
    abstained: str | None = None

    async def take(self, text: str) -> None:
        """Add what the model wrote. Raises ``_Stopped``, and so ends the generation."""
        self.clean += following(text, self.before)
        self.before = text[-1:] or self.before
        self.pieces += 1
        clean = self.clean
        while (cut := next_cut(clean, self.read)) is not None:
            self.read = cut
            await self._pass(beginning(clean[:cut]), Completion(self.model, (), Usage()), partial=True)
            self.send_out(clean[len(self.sent) : cut])
            self.sent = clean[:cut]
            await asyncio.sleep(0)  # a flood of segments must not keep the deadline and others from their turn
        await asyncio.sleep(0)  # nor one of pieces

    async def finish(self, completion: Completion) -> Candidate:
        """Judge the whole, with every other channel that it has. Raises ``_Stopped``."""
        whole = self.judged.readable(completion.choices[0])
        if not str(whole.message.get("content") or "").startswith(self.sent):
            raise UpstreamGarbage("the model's answer is not the one that it streamed")
        return await self._pass(whole, completion, partial=False)

    async def _pass(self, choice: Choice, completion: Completion, *, partial: bool) -> Candidate:
        found = await self.judged.judge(choice, completion, partial=partial)
        if isinstance(found, Abstained):
            self.abstained = found.reason
            raise _Stopped
        self.last = found
        if not goes_out(found.score, self.rule):
            raise _Stopped
        return found


class StreamedLoop:
    """One request's loop, streamed. ``last`` is what was judged last, ``sent`` what the client has.

    The rounds go on until a first segment passes; from then on nothing can be taken back, and no round follows.
    """

    def __init__(self, plan: LoopPlan, rule: Bounded | ZeroEvidence, send_out: SendOut, trace: Trace) -> None:
        self._plan = plan
        self._rule = rule
        self._send_out = send_out
        self._trace = trace
        self._answer: _Segmented | None = None
        self._last: Candidate | None = None
        self._walker: Walker | None = None

    @property
    def last(self) -> Candidate | None:
        """The last candidate, or beginning of one, that was judged."""
        return (self._answer.last if self._answer else None) or self._last

    @property
    def sent(self) -> str:
        """What has gone out so far."""
        return self._answer.sent if self._answer else ""

    @property
    def spent(self) -> Usage:
        """What all generations cost."""
        return self._walker.usage_total if self._walker else Usage()

    async def run(self, upstream: Upstream, request: ChatRequest, policy: Policy) -> Candidate | Refused:
        """Walk the rounds. Raises ``UpstreamError`` where nothing at all could be had."""
        self._walker = walker = await Walker.start(upstream, self._plan, request, policy, self._trace)
        lowest = 1.0
        surrender = self._rule.surrender if isinstance(self._rule, Bounded) else None
        for round_ in range(1, self._plan.rounds + 1):
            found = await self._round(walker, round_)
            if isinstance(found, Candidate) or found.reason != "exhausted" or self.last is None:
                return found
            self._last = self.last
            lowest = min(lowest, self._last.score)
            if surrender is not None and gives_up(lowest, round_, surrender):
                return Refused("surrendered", f"no candidate came near enough by round {round_}")
            walker.turn(round_ + 1, self._last)
        return Refused("exhausted", "no candidate passed")

    async def _round(self, walker: Walker, round_: int) -> Candidate | Refused:
        """Stream one generation. ``exhausted``: its first segment did not pass, and another round may follow."""
        if walker.ending.stops:  # what is cut off is judged first
            return await self._at_the_end(walker, round_)
        asked = walker.asked
        self._answer = answer = _Segmented(Beginnings(walker, round_), self._rule, self._send_out, asked.model)
        try:
            completion = await self._streamed(walker, round_, answer)
            if not completion.choices:
                return Refused("upstream", "the model gave no answer")
            return await answer.finish(completion)
        except _Stopped:
            return _stopped(answer)
        except Exception as error:
            return _failed(error, answer, round_)

    async def _at_the_end(self, walker: Walker, round_: int) -> Candidate | Refused:
        """Judge the whole generation, beginning by beginning, and send nothing before its end."""
        for step in await walker.take(round_):
            if isinstance(step, Ended):
                return Refused(step.reason, step.detail)
            self._last = step
            if goes_out(step.score, self._rule):
                return step
        return Refused("exhausted", "no segment passed")

    async def _streamed(self, walker: Walker, round_: int, answer: _Segmented) -> Completion:
        """Generate, and count what it cost: where it was stopped, a token for every piece that came."""
        with self._trace.span("generate", model=walker.asked.model, round=round_) as note:
            try:
                completion = await streamed(walker.upstream, walker.asked, answer.take)
            except _Stopped:
                walker.spent(Usage(0, answer.pieces))
                note(completion_tokens=answer.pieces)
                stopped = True
            else:
                used, stopped = completion.usage, False
                walker.spent(used)
                note(prompt_tokens=used.prompt_tokens, completion_tokens=used.completion_tokens)
        if stopped:
            raise _Stopped
        return completion


def _stopped(answer: _Segmented) -> Refused:
    if answer.abstained is not None:
        return Refused("abstained", answer.abstained)
    if answer.sent:
        return Refused("cut", "a later segment did not pass")
    return Refused("exhausted", "no segment passed")


def _failed(error: Exception, answer: _Segmented, round_: int) -> Refused:
    if round_ == 1 and not answer.sent:
        raise error
    reason: Literal["refused", "upstream"] = "refused" if is_refusal(error) else "upstream"
    return Refused(reason, f"{type(error).__name__} in round {round_}")
