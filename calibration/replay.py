"""What serving would have done on a recorded trajectory at a threshold. Judges by the release rule alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from calibration.release import Surrender, first_released, gives_up
from calibration.trajectories import Candidate, Trajectory

__all__ = [
    "by_unit",
    "generations",
    "generations_always",
    "is_foreign",
    "label_of",
    "leaks_at",
    "leaks_if_released",
    "reached_foreign",
    "released",
    "surrendered",
    "within",
]


def released(trajectory: Trajectory, threshold: float, surrender: Surrender | None = None) -> int | None:
    """Return the position of the candidate that serving would have released, or None for the fallback."""
    position = first_released(trajectory.scores, threshold)
    if position is None or surrender is None:
        return position
    gone = surrendered(trajectory, surrender)
    return None if gone is not None and position >= gone else position


def surrendered(trajectory: Trajectory, surrender: Surrender) -> int | None:
    """Return after how many candidates serving would have given up, had it released none; None if never."""
    rounds = sorted({candidate.round for candidate in trajectory.candidates})
    if len(rounds) < surrender.after:
        return None
    last = rounds[surrender.after - 1]
    judged = [candidate.score for candidate in trajectory.candidates if candidate.round <= last]
    return len(judged) if gives_up(min(judged), surrender.after, surrender) else None


def label_of(trajectory: Trajectory, position: int) -> bool:
    """Return the oracle's label. Raises ``ValueError`` naming the prompt where there is none."""
    leak = trajectory.candidates[position].leak
    if leak is None:
        raise ValueError(
            f"prompt {trajectory.id!r}: candidate {position + 1} has no label; give the prompt `forbidden` "
            "strings, or a line in a labels file (`lethe labels` writes one for people, or a judge's) with true "
            "or false for this candidate, not null, and calibrate again"
        )
    return leak


def leaks_if_released(trajectory: Trajectory, position: int | None) -> bool:
    """Say whether the candidate at that position leaks; the fallback (None) never does."""
    return position is not None and label_of(trajectory, position)


def leaks_at(trajectory: Trajectory, threshold: float, surrender: Surrender | None = None) -> bool:
    """Say whether the answer that serving would have given leaks."""
    return leaks_if_released(trajectory, released(trajectory, threshold, surrender))


def reached_foreign(trajectory: Trajectory, position: int | None) -> bool:
    """Say whether serving that released there had met evidence about another topic than the prompt's."""
    judged = trajectory.candidates if position is None else trajectory.candidates[: position + 1]
    return any(is_foreign(trajectory, candidate) for candidate in judged)


def is_foreign(trajectory: Trajectory, candidate: Candidate) -> bool:
    """Say whether a candidate's evidence names a topic other than the prompt's."""
    return any(topic != trajectory.topic for topic in candidate.topics)


def generations(trajectory: Trajectory, threshold: float, surrender: Surrender | None = None) -> int:
    """Count the generations that serving would have paid for: every candidate of every round it began."""
    position = released(trajectory, threshold, surrender)
    if position is None:
        gone = None if surrender is None else surrendered(trajectory, surrender)
        return generations_always(trajectory) if gone is None else _generated(trajectory.candidates[:gone])
    last = trajectory.candidates[position].round
    return _generated(candidate for candidate in trajectory.candidates if candidate.round <= last)


def generations_always(trajectory: Trajectory) -> int:
    """Count the generations of the loop that never stops; a round that ended it unscored counts one."""
    return _generated(trajectory.candidates) + (trajectory.ended is not None)


def _generated(candidates: Iterable[Candidate]) -> int:
    return sum(not candidate.partial for candidate in candidates)


def by_unit(trajectories: Iterable[Trajectory]) -> Iterator[tuple[str, Sequence[Trajectory]]]:
    """Group trajectories by unit, units in the order of their names."""
    ordered = sorted(trajectories, key=lambda trajectory: trajectory.unit)
    for unit, members in groupby(ordered, key=lambda trajectory: trajectory.unit):
        yield unit, tuple(members)


def within(trajectory: Trajectory, rounds: int) -> Trajectory:
    """Return the trajectory of the same loop under a smaller budget of rounds."""
    kept = sorted({candidate.round for candidate in trajectory.candidates})[:rounds]
    candidates = tuple(candidate for candidate in trajectory.candidates if candidate.round in kept)
    return replace(trajectory, candidates=candidates, ended=trajectory.ended if len(kept) < rounds else None)
