"""The trajectories and labels files: JSON Lines. Knows the formats and no statistics."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TypeVar, cast

from calibration.fields import field, list_of, object_in, object_of_texts, optional
from calibration.trajectories import Bindings, Candidate, Ended, Recording, Trajectory

__all__ = [
    "SCHEMA",
    "apply_labels",
    "bindings_in",
    "header_line",
    "intact_length",
    "labelled_prompts",
    "labels_line",
    "read_trajectories",
    "trajectory_line",
]

T = TypeVar("T")

SCHEMA = "trajectories/1"


def header_line(bindings: Bindings) -> str:
    """Encode the first line of a trajectories file, newline included."""
    return json.dumps({"lethe": SCHEMA, "bindings": asdict(bindings)}, ensure_ascii=False) + "\n"


def trajectory_line(trajectory: Trajectory) -> str:
    """Encode one prompt's line, newline included. It holds the answers: sensitive."""
    return json.dumps(asdict(trajectory), ensure_ascii=False) + "\n"


def labels_line(trajectory: Trajectory) -> str:
    """Encode one prompt's labels as a line of a labels file, newline included: null where there is none."""
    return json.dumps({"id": trajectory.id, "labels": trajectory.leaks}, ensure_ascii=False) + "\n"


def intact_length(path: Path) -> int:
    """Return how many bytes the whole lines take: truncate to it before appending after a kill."""
    return path.read_bytes().rfind(b"\n") + 1


def read_trajectories(path: Path, *, tolerate_torn_tail: bool = False) -> Recording:
    """Read a recording. A ``ValueError`` names the file, the line, and what to do.

    ``tolerate_torn_tail`` skips a last line without a newline: what a kill in mid-write leaves behind.
    """
    lines = _lines(path, tolerate_torn_tail)
    if not lines:
        raise ValueError(f"{path}: holds no whole line; delete the file and record again")
    bindings = _decoded(path, 1, lines[0], _header)
    trajectories: dict[str, Trajectory] = {}
    for number, line in enumerate(lines[1:], start=2):
        trajectory = _decoded(path, number, line, _trajectory)
        if trajectory.id in trajectories:
            raise _bad_line(path, number, f"the prompt {trajectory.id!r} is there already")
        trajectories[trajectory.id] = trajectory
    return Recording(bindings, tuple(trajectories.values()))


def apply_labels(recording: Recording, path: Path) -> Recording:
    """Set the labels that a labels file gives: lines of {"id": prompt, "labels": [true, false or null, ...]}.

    Prompts that the file leaves out, and candidates whose label is null, keep the labels that they have.
    A ``ValueError`` names the line of an unknown or repeated prompt, or of a wrong number of labels.
    """
    known = {trajectory.id: trajectory for trajectory in recording.trajectories}
    labelled: dict[str, Trajectory] = {}
    for number, line in enumerate(_lines(path, tolerate_torn_tail=False), start=1):
        prompt, labels = _decoded(path, number, line, _labels)
        if prompt not in known:
            raise _bad_line(path, number, f"the recording has no prompt {prompt!r}")
        if prompt in labelled:
            raise _bad_line(path, number, f"the prompt {prompt!r} is labelled already")
        expected = len(known[prompt].candidates)
        if len(labels) != expected:
            raise _bad_line(path, number, f"{len(labels)} labels, but {prompt!r} has {expected} candidates")
        labelled[prompt] = _relabelled(known[prompt], labels)
    return replace(recording, trajectories=tuple((known | labelled).values()))


def labelled_prompts(path: Path) -> frozenset[str]:
    """Name the prompts that a labels file has lines for. A ``ValueError`` names a line that is none."""
    lines = enumerate(_lines(path, tolerate_torn_tail=False), start=1)
    return frozenset(_decoded(path, number, line, _labels)[0] for number, line in lines)


def _relabelled(trajectory: Trajectory, labels: list[bool | None]) -> Trajectory:
    candidates = tuple(
        candidate if leak is None else replace(candidate, leak=leak)
        for candidate, leak in zip(trajectory.candidates, labels, strict=True)
    )
    return replace(trajectory, candidates=candidates)


def _lines(path: Path, tolerate_torn_tail: bool) -> list[str]:
    data = path.read_bytes()
    if tolerate_torn_tail:
        data = data[: data.rfind(b"\n") + 1]
    try:
        return data.decode("utf-8").removesuffix("\n").split("\n") if data else []
    except UnicodeDecodeError as error:
        number = data.count(b"\n", 0, error.start) + 1
        raise _bad_line(path, number, "not UTF-8 text") from None


def _decoded(path: Path, number: int, line: str, decode: Callable[[Mapping[str, object]], T]) -> T:
    try:
        return decode(object_in(line))
    except ValueError as error:
        raise _bad_line(path, number, str(error)) from None


def _bad_line(path: Path, number: int, problem: str) -> ValueError:
    return ValueError(f"{path}, line {number}: {problem}; correct that line, or delete the file and make it again")


def _header(line: Mapping[str, object]) -> Bindings:
    schema = field(line, "lethe", str)
    if schema != SCHEMA:
        raise ValueError(f"this version reads {SCHEMA!r}, the file says {schema!r}")
    return bindings_in(field(line, "bindings", dict))


def bindings_in(source: Mapping[str, object]) -> Bindings:
    """Decode bindings. Raises ``ValueError`` naming the field."""
    return Bindings(
        generator=field(source, "generator", str),
        verifier=field(source, "verifier", str),
        topics=object_of_texts(source, "topics"),
        refinement=field(source, "refinement", str),
        decoding=field(source, "decoding", str),
        rounds=field(source, "rounds", int),
        prompts=field(source, "prompts", str),
        streamed=optional(source, "streamed", bool) or False,
    )


def _trajectory(line: Mapping[str, object]) -> Trajectory:
    return Trajectory(
        id=field(line, "id", str),
        candidates=tuple(map(_candidate, list_of(line, "candidates", dict))),
        unit=optional(line, "unit", str) or "",
        benign=field(line, "benign", bool),
        topic=optional(line, "topic", str),
        groups={} if line.get("groups") is None else object_of_texts(line, "groups"),
        ended=_ended(line),
    )


def _ended(line: Mapping[str, object]) -> Ended | None:
    ended = optional(line, "ended", str)
    if ended not in (None, "abstained", "upstream"):
        raise ValueError('the field \'ended\' must be null, "abstained" or "upstream"')
    return cast("Ended | None", ended)


def _candidate(source: Mapping[str, object]) -> Candidate:
    return Candidate(
        round=field(source, "round", int),
        score=field(source, "score", float),
        topics=tuple(list_of(source, "topics", str)),
        answer=field(source, "answer", str),
        leak=optional(source, "leak", bool),
        partial=optional(source, "partial", bool) or False,
    )


def _labels(line: Mapping[str, object]) -> tuple[str, list[bool | None]]:
    values: list[object] = field(line, "labels", list)
    if not all(value is None or isinstance(value, bool) for value in values):
        raise ValueError("each of 'labels' must be true, false or null")
    return field(line, "id", str), cast("list[bool | None]", values)
