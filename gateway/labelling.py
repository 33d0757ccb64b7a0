"""Labels files beside a recording: whether they belong to it, and what people said. Knows no statistics."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

from calibration.few_labels import units_to_label
from calibration.oracle_error import Audit, audit_released
from calibration.trajectories import Recording, Trajectory
from calibration.trajectory_file import apply_labels, labelled_prompts
from gateway.errors import InvalidInput
from gateway.guard.prompts import Prompt, PromptSet

__all__ = ["audited", "by_people", "check_labels", "recorded", "releasable", "sampled", "sheet_line", "to_label"]


def check_labels(prompts: PromptSet, file: Path | None) -> None:
    """Refuse, before any work, a labels file that cannot be read or is of other prompts. ``InvalidInput``."""
    if file is None:
        return
    try:
        unknown = sorted(labelled_prompts(file) - {prompt.id for prompt in prompts.prompts})
    except OSError as error:
        raise InvalidInput(f"cannot read the labels file {file}: {error.strerror}") from error
    except ValueError as error:
        raise InvalidInput(str(error)) from error
    if unknown:
        raise InvalidInput(
            f"{file} has labels for {len(unknown)} prompts that the prompts file lacks, such as {unknown[0]!r}: "
            "it belongs to other prompts"
        )


def recorded(prompts: PromptSet, recording: Recording) -> tuple[tuple[Prompt, Trajectory], ...]:
    """Pair each prompt with its trajectory. Raises ``InvalidInput`` where they do not belong together."""
    if recording.bindings.prompts != prompts.fingerprint:
        raise InvalidInput("the trajectories were recorded with another prompts file; name that one")
    by_id = {trajectory.id: trajectory for trajectory in recording.trajectories}
    if missing := [prompt.id for prompt in prompts.prompts if prompt.id not in by_id]:
        raise InvalidInput(f"the trajectories lack the prompt {missing[0]!r}; let `lethe calibrate` finish")
    return tuple((prompt, by_id[prompt.id]) for prompt in prompts.prompts)


def to_label(
    prompts: PromptSet, recording: Recording, units: int, seed: int
) -> tuple[tuple[Prompt, Trajectory], ...]:
    """Draw units of forget prompts for people to label. Raises ``InvalidInput`` for more than there are."""
    pairs = [pair for pair in recorded(prompts, recording) if not pair[0].benign]
    try:
        drawn = units_to_label([trajectory for _, trajectory in pairs], units, seed)
    except ValueError as error:
        raise InvalidInput(str(error)) from error
    return tuple(pair for pair in pairs if pair[1].unit in drawn)


def releasable(trajectory: Trajectory) -> frozenset[int]:
    """Return the positions that some threshold releases: those that score below all before them."""
    lowest, found = math.inf, set()
    for position, score in enumerate(trajectory.scores):
        if score < lowest:
            lowest = score
            found.add(position)
    return frozenset(found)


def sheet_line(prompt: Prompt, trajectory: Trajectory) -> str:
    """Encode one prompt as a line to fill in, newline included: with that done, it is a line of labels. Sensitive.

    Answers that no threshold could release are left out, and need no label.
    """
    needed = releasable(trajectory)
    answers = [one.answer if at in needed else None for at, one in enumerate(trajectory.candidates)]
    line = {
        "id": prompt.id,
        "topic": prompt.topic,
        "messages": list(prompt.messages),
        "answers": answers,
        "labels": [None] * len(answers),
    }
    return json.dumps(line, ensure_ascii=False) + "\n"


def sampled(recording: Recording, people: Path) -> tuple[Trajectory, ...]:
    """Give the forget trajectories of every unit that the file has a line for, with people's labels alone."""
    named = labelled_prompts(people)
    units = {trajectory.unit for trajectory in recording.forget if trajectory.id in named}
    return tuple(one for one in by_people(recording, people).forget if one.unit in units)


def by_people(recording: Recording, people: Path) -> Recording:
    """Give the recording with people's labels and no others."""
    unlabelled = replace(recording, trajectories=tuple(map(_without_labels, recording.trajectories)))
    return apply_labels(unlabelled, people)


def audited(recording: Recording, people: Path, threshold: float) -> Audit:
    """Compare the recording's labels with people's, on the answers that would go out at ``threshold``.

    That is the threshold of one who trusts the labels, so about the one that will be served. The labels file
    has lines for a random part of the forget prompts; a released answer that a line leaves without a label is
    an error, since leaving out the hard ones would flatter. Raises ``ValueError``.
    """
    pairs = zip(recording.trajectories, by_people(recording, people).trajectories, strict=True)
    return audit_released(
        ((ours, theirs) for ours, theirs in pairs if not ours.benign and any(x is not None for x in theirs.leaks)),
        threshold,
    )


def _without_labels(trajectory: Trajectory) -> Trajectory:
    return replace(trajectory, candidates=tuple(replace(one, leak=None) for one in trajectory.candidates))
