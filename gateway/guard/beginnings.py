"""An answer judged beginning by beginning, for streams and for what is recorded of them. Knows no model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from gateway.errors import UpstreamGarbage
from gateway.guard.invisible import without_invisible
from gateway.guard.segments import cuts
from gateway.guard.steps import Candidate, Ended, Step
from gateway.upstream.protocol import Choice, Completion
from verifiers.protocol import Abstained, Evidence, Scored, Verdict

__all__ = ["Beginnings", "Judging", "beginning", "written"]


class Judging(Protocol):
    """Who judges the answers of one trajectory."""

    def readable(self, given: Choice) -> Choice:
        """Keep of the model's answer what can be judged. Raises ``UpstreamGarbage``."""
        ...

    async def verdict(self, choice: Choice, round_: int) -> Verdict:
        """Judge an answer, or what there is of it."""
        ...

    def candidate(
        self, round_: int, choice: Choice, verdict: Scored, completion: Completion, *, partial: bool
    ) -> Candidate:
        """Put a verdict together with what the trajectory cost so far."""
        ...


class Beginnings:
    """An answer judged segment by segment: each beginning, in the end the whole, by the worst score so far."""

    def __init__(self, judging: Judging, round_: int) -> None:
        self._judging = judging
        self._round = round_
        self._score = 0.0
        self._evidence: tuple[Evidence, ...] = ()

    def readable(self, given: Choice) -> Choice:
        """See ``Judging``."""
        return self._judging.readable(given)

    async def judge(self, choice: Choice, completion: Completion, *, partial: bool) -> Candidate | Abstained:
        """Judge what there is of the answer by now; its score is never below that of an earlier beginning."""
        verdict = await self._judging.verdict(choice, self._round)
        if isinstance(verdict, Abstained):
            return verdict
        new = [piece for piece in verdict.evidence if piece not in self._evidence]
        self._evidence = (*self._evidence, *new)
        self._score = max(self._score, verdict.leakage)
        return self._candidate(choice, completion, partial=partial)

    async def all(self, completion: Completion) -> Sequence[Step]:
        """Judge all beginnings of a finished answer; gives the whole first, then ever shorter ones.

        So replay, which takes the first that passes, sends what serving would have sent: the longest beginning of
        which every segment passed. What comes after an abstention never goes out: it counts as a score of 1.
        """
        text = written(completion.choices[0])
        judged: list[Candidate] = []
        for cut in cuts(text):
            found = await self.judge(beginning(text[:cut]), completion, partial=True)
            if isinstance(found, Abstained):
                return self._broken_off(judged, found.reason, completion)
            judged.append(found)
        try:
            whole = await self.judge(self._judging.readable(completion.choices[0]), completion, partial=False)
        except UpstreamGarbage as error:
            if not judged:
                raise
            whole = Abstained(str(error))
        if isinstance(whole, Abstained):
            return self._broken_off(judged, whole.reason, completion)
        return [whole, *reversed(judged)]

    def _broken_off(self, judged: Sequence[Candidate], reason: str, completion: Completion) -> Sequence[Step]:
        if not judged:
            return [Ended("abstained", reason)]
        self._score = 1.0
        whole = self._candidate(beginning(written(completion.choices[0])), completion, partial=False)
        return [whole, *reversed(judged)]

    def _candidate(self, choice: Choice, completion: Completion, *, partial: bool) -> Candidate:
        scored = Scored(self._score, self._evidence)
        return self._judging.candidate(self._round, choice, scored, completion, partial=partial)


def written(choice: Choice) -> str:
    """Give the text that can be streamed; other channels, and content in parts, wait for the end."""
    content = choice.message.get("content")
    return without_invisible(content) if isinstance(content, str) else ""


def beginning(text: str) -> Choice:
    """Make a choice of what has been written so far."""
    return Choice({"role": "assistant", "content": text}, "stop")
