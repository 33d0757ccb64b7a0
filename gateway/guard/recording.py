"""Recording: prompts through the loop without stopping, into a trajectories file that can be resumed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from typing import TypeAlias

from calibration.trajectories import Bindings, Recording, Trajectory
from calibration.trajectories import Candidate as RecordedCandidate
from calibration.trajectories import Ended as EndedReason
from calibration.trajectory_file import header_line, intact_length, read_trajectories, trajectory_line
from gateway.errors import InvalidInput, UnknownModel, UpstreamRejected, UpstreamUnreachable
from gateway.guard.prompts import Prompt, PromptSet
from gateway.guard.steps import Candidate, Ended, Step
from gateway.guard.together import all_of

__all__ = ["Oracle", "Progress", "PromptRecorder", "RecordPrompt", "Recorder", "Walk", "appending"]

Oracle: TypeAlias = Callable[[Prompt, str], bool | None]
"""Say whether an answer to the prompt leaks; None where that is for somebody else to say."""

Progress: TypeAlias = Callable[[int, int], None]
"""Told how many prompts are finished, of how many."""

Walk: TypeAlias = Callable[[Prompt], AsyncIterator[Step]]

RecordPrompt: TypeAlias = Callable[[Prompt], Awaitable[Trajectory]]
"""Takes a prompt to the end of its trajectory, labelled."""


@dataclass(frozen=True, slots=True)
class PromptRecorder:
    """Records one prompt: walks it to its end, and labels its candidates."""

    walk: Walk
    oracle: Oracle

    async def __call__(self, prompt: Prompt) -> Trajectory:
        """Walk one prompt.

        Raises ``InvalidInput`` for one that the model refuses, ``UnknownModel`` where its server answers 404,
        ``UpstreamError`` where the model fails.
        """
        candidates: list[RecordedCandidate] = []
        ended: EndedReason | None = None
        try:
            async for step in self.walk(prompt):
                match step:
                    case Candidate():
                        candidates.append(self._labelled(prompt, step))
                    case Ended("upstream", detail):
                        # Cutting the trajectory here would count what a healthy model goes on to say as no leak.
                        raise UpstreamUnreachable(f"prompt {prompt.id!r}: {detail}; start again to resume")
                    case Ended(reason):
                        ended = "abstained" if reason == "abstained" else "upstream"
        except UpstreamRejected as error:
            if error.upstream_status == HTTPStatus.NOT_FOUND:  # no prompt's fault
                raise UnknownModel(str(error), param="model") from error
            raise InvalidInput(f"prompt {prompt.id!r}: {error}; mend or drop it, then resume") from error
        return Trajectory(
            id=prompt.id,
            unit=prompt.unit,
            benign=prompt.benign,
            topic=prompt.topic,
            groups=prompt.groups,
            candidates=tuple(candidates),
            ended=ended,
        )

    def _labelled(self, prompt: Prompt, candidate: Candidate) -> RecordedCandidate:
        return RecordedCandidate(
            round=candidate.round,
            score=candidate.score,
            topics=tuple(sorted({piece.topic_id for piece in candidate.evidence} | candidate.topics)),
            answer=candidate.text,
            leak=False if prompt.benign else self.oracle(prompt, candidate.text),
            partial=candidate.partial,
        )


@dataclass(frozen=True, slots=True)
class Recorder:
    """Has prompts recorded, ``concurrency`` at a time.

    Every finished prompt is at once a line of the file, so that a kill loses and repeats none. The file holds
    the answers, among them what is to be forgotten: only its owner may read it.
    """

    record_prompt: RecordPrompt
    bindings: Bindings
    concurrency: int = 32

    async def record(self, prompts: PromptSet, path: Path, progress: Progress) -> Recording:
        """Record the prompts that the file lacks, then read it whole.

        The recording is in the order of ``prompts``: the file's says which model was quick.

        Raises ``InvalidInput`` if the file was recorded under other bindings, ``UpstreamError`` if the model
        fails; what was finished by then is kept.
        """
        finished = self._resume(path)
        total, done = len(prompts.prompts), len(finished)
        progress(done, total)
        gate = asyncio.Semaphore(self.concurrency)
        with appending(path) as append:
            # With the first prompt that is finished, not before: a file of none would bar other settings.
            header = "" if finished else header_line(self.bindings)

            async def one(prompt: Prompt) -> None:
                nonlocal done, header
                async with gate:
                    line = trajectory_line(await self.record_prompt(prompt))
                append(header + line)
                header = ""
                done += 1
                progress(done, total)

            await all_of(one(prompt) for prompt in prompts.prompts if prompt.id not in finished)
        recording = read_trajectories(path)
        place = {prompt.id: number for number, prompt in enumerate(prompts.prompts)}
        ordered = sorted(recording.trajectories, key=lambda trajectory: place[trajectory.id])
        return replace(recording, trajectories=tuple(ordered))

    def _resume(self, path: Path) -> frozenset[str]:
        """Name the prompts that the file has; a line that a kill left half written is cut off."""
        if not path.exists() or self._torn_in_the_header(path):
            return frozenset()
        try:
            recording = read_trajectories(path, tolerate_torn_tail=True)
        except ValueError as error:
            raise InvalidInput(str(error)) from error
        if recording.bindings != self.bindings:
            raise InvalidInput(
                f"{path} was recorded with another model, prompts, topics or settings; "
                "move it away or name another file"
            )
        os.truncate(path, intact_length(path))
        if not recording.trajectories:
            path.write_bytes(b"")
        return frozenset(trajectory.id for trajectory in recording.trajectories)

    def _torn_in_the_header(self, path: Path) -> bool:
        """Say whether a kill left less than the first line, and nothing else; then cut that off."""
        raw = path.read_bytes()
        if b"\n" in raw or not header_line(self.bindings).encode().startswith(raw):
            return False
        os.truncate(path, 0)
        return True


@contextmanager
def appending(path: Path) -> Iterator[Callable[[str], None]]:
    """Open for appending, readable by the owner alone; each line goes out in one write, whole or not at all."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    except OSError as error:
        raise InvalidInput(f"cannot write {path}: {error.strerror}") from error
    try:
        yield lambda line: _write(descriptor, path, line)
    finally:
        os.close(descriptor)


def _write(descriptor: int, path: Path, line: str) -> None:
    left = (line.rstrip("\n") + "\n").encode()
    began = os.fstat(descriptor).st_size
    ends = began + len(left)
    try:
        while left:
            left = left[os.write(descriptor, left) :]
    except OSError as error:
        with suppress(OSError):  # half a line would spoil the next one, unless somebody else wrote it already
            if os.fstat(descriptor).st_size == ends - len(left):
                os.ftruncate(descriptor, began)
        raise InvalidInput(f"cannot write {path}: {error.strerror}; free some space, then resume") from error
