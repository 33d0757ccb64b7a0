"""A judge labels recorded answers: leak or not, by the verifier that asks a chat model. Knows no command line."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from calibration.trajectories import Recording, Trajectory
from gateway.engines.protocol import Do
from gateway.guard.conversation import read_conversation
from gateway.guard.prompts import Prompt, PromptSet
from gateway.guard.recording import Progress
from gateway.guard.together import all_of
from gateway.labelling import recorded, releasable
from verifiers.protocol import Abstained, Judge, Topic, Verifier

__all__ = ["Asked", "Judging", "judge_recording"]

Asked: TypeAlias = tuple[Prompt, Trajectory]


@dataclass(frozen=True, slots=True)
class Judging:
    """Labels one trajectory. From the probability ``called_leak_from`` of a leak on, an answer is called one."""

    judge: Judge
    called_leak_from: float = 0.5
    most_chars: int = 200_000

    @classmethod
    def by(cls, verifier: Verifier, topics: Sequence[Topic], called_leak_from: float, most_chars: int) -> Judging:
        """Have this verifier judge."""
        return cls(verifier.prepare(topics), called_leak_from, most_chars)

    async def __call__(self, asked: Asked) -> Trajectory:
        """Label the answers that some threshold could release. What the judge abstains on keeps no label."""
        prompt, trajectory = asked
        said = read_conversation(prompt.request(""), most_chars=self.most_chars)
        needed = releasable(trajectory)
        labels: list[bool | None] = []
        for position, candidate in enumerate(trajectory.candidates):
            if position not in needed:
                labels.append(None)
                continue
            verdict = await self.judge(said.exchange(candidate.answer))
            labels.append(None if isinstance(verdict, Abstained) else verdict.leakage >= self.called_leak_from)
        candidates = zip(trajectory.candidates, labels, strict=True)
        return replace(trajectory, candidates=tuple(replace(each, leak=leak) for each, leak in candidates))


async def judge_recording(
    label: Do[Asked, Trajectory],
    prompts: PromptSet,
    recording: Recording,
    progress: Progress,
    *,
    concurrency: int = 4,
) -> tuple[Trajectory, ...]:
    """Return the forget trajectories with the judge's labels, in the order of the recording.

    Raises ``InvalidInput`` where prompts and recording do not belong together.
    """
    gate = asyncio.Semaphore(concurrency)
    pairs = [pair for pair in recorded(prompts, recording) if not pair[0].benign]
    done = 0

    async def one(pair: Asked) -> Trajectory:
        nonlocal done
        async with gate:
            labelled = await label(pair)
        done += 1
        progress(done, len(pairs))
        return labelled

    return tuple(await all_of(map(one, pairs)))
