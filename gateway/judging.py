"""A judge labels recorded answers: leak or not, by the verifier that asks a chat model. Knows no command line."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from calibration.trajectories import Recording, Trajectory
from gateway.guard.conversation import read_conversation
from gateway.guard.prompts import Prompt, PromptSet
from gateway.guard.recording import Progress
from gateway.guard.together import all_of
from gateway.labelling import recorded, releasable
from verifiers.protocol import Abstained, Judge, Topic, Verifier

__all__ = ["Judging", "judge_recording"]


@dataclass(frozen=True, slots=True)
class Judging:
    """Who judges, and from which probability of a leak on an answer is called one."""

    verifier: Verifier
    topics: Sequence[Topic]
    called_leak_from: float = 0.5
    most_chars: int = 200_000
    concurrency: int = 4


async def judge_recording(
    work: Judging, prompts: PromptSet, recording: Recording, progress: Progress
) -> tuple[Trajectory, ...]:
    """Return the forget trajectories with the judge's labels on the answers that some threshold could release.

    What it abstains on keeps no label. Raises ``InvalidInput`` where prompts and recording do not belong together.
    """
    judge, gate = work.verifier.prepare(work.topics), asyncio.Semaphore(work.concurrency)
    pairs = [pair for pair in recorded(prompts, recording) if not pair[0].benign]
    done = 0

    async def one(prompt: Prompt, trajectory: Trajectory) -> Trajectory:
        nonlocal done
        async with gate:
            labels = await _labels(work, judge, prompt, trajectory)
        done += 1
        progress(done, len(pairs))
        candidates = zip(trajectory.candidates, labels, strict=True)
        return replace(trajectory, candidates=tuple(replace(each, leak=leak) for each, leak in candidates))

    return tuple(await all_of(one(*pair) for pair in pairs))


async def _labels(work: Judging, judge: Judge, prompt: Prompt, trajectory: Trajectory) -> list[bool | None]:
    said = read_conversation(prompt.request(""), most_chars=work.most_chars)
    needed = releasable(trajectory)
    labels: list[bool | None] = []
    for position, candidate in enumerate(trajectory.candidates):
        if position not in needed:
            labels.append(None)
            continue
        verdict = await judge(said.exchange(candidate.answer))
        labels.append(None if isinstance(verdict, Abstained) else verdict.leakage >= work.called_leak_from)
    return labels
