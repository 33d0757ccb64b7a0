"""A threshold per group of prompts, so that no group's leaks hide in the average. Knows no text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calibration.outcome import Certified, Infeasible, Outcome
from calibration.ranks import exact
from calibration.record_low import (
    control_leak_risk,
    control_leak_risk_confident,
    plain_record_low,
    unit_record_lows,
)
from calibration.trajectories import Trajectory

__all__ = [
    "GroupOutcome",
    "control_every_group",
    "control_group_keys",
    "control_groups",
    "group_keys",
    "group_of",
    "group_record_lows",
    "keys_in",
    "strictest",
]


@dataclass(frozen=True, slots=True)
class GroupOutcome:
    """What calibrating on one group alone ends in; ``record_lows`` are its units' record lows, ascending."""

    key: str
    name: str
    outcome: Outcome
    record_lows: tuple[float, ...]


def group_of(trajectory: Trajectory, key: str) -> str:
    """Return the name of the prompt's group; the key ``topic`` means the topic that it probes.

    Raises ``ValueError`` naming the prompt where it has none.
    """
    name = trajectory.topic if key == "topic" else trajectory.groups.get(key)
    if name is None:
        raise ValueError(
            f"prompt {trajectory.id!r} says no {key!r}, so it belongs to no group; add it to the prompts file"
        )
    return name


def group_keys(trajectories: Sequence[Trajectory]) -> tuple[str, ...]:
    """Return the keys by which every one of the prompts can be grouped, in order."""
    if not trajectories:
        return ()
    common = set.intersection(*(set(trajectory.groups) for trajectory in trajectories)) - {"topic"}
    if all(trajectory.topic is not None for trajectory in trajectories):
        common.add("topic")
    return tuple(sorted(common))


def group_record_lows(
    trajectories: Iterable[Trajectory],
    key: str,
    of: Callable[[Trajectory], float] = plain_record_low,
) -> dict[str, NDArray[np.float64]]:
    """Return each group's record lows: a unit counts in every group that one of its prompts is in."""
    members: dict[str, list[Trajectory]] = {}
    for trajectory in trajectories:
        members.setdefault(group_of(trajectory, key), []).append(trajectory)
    return {name: unit_record_lows(group, of) for name, group in sorted(members.items())}


def control_groups(
    key: str,
    record_lows: Mapping[str, ArrayLike],
    *,
    level: float,
    confidence: float | None,
    share: int | None = None,
) -> tuple[GroupOutcome, ...]:
    """Calibrate each group by itself, with delta shared evenly among ``share`` groups: by default, these.

    Where groups of several keys must hold at once, such as topics and families, ``share`` counts them all.

    Guarantee:   for each group P(leak | group) <= level; with a confidence, for all groups at once with at
                 least that probability.
    Assumes:     exchangeable units within each group (with a confidence: independent, identically
                 distributed).
    Source:      docs/guarantees.md, theorem 5 (theorems 1 and 2 within each group; union bound over groups).
    Verified by: tests/guarantees/test_groups.py
    """
    each = None if confidence is None else float(1 - (1 - exact(confidence)) / max(share or len(record_lows), 1))
    found = []
    for name, lows in record_lows.items():
        values = np.sort(np.asarray(lows, dtype=np.float64))
        if each is None:
            outcome = control_leak_risk(values, level=level)
        else:
            outcome = control_leak_risk_confident(values, level=level, confidence=each)
        found.append(GroupOutcome(key, name, outcome, tuple(values.tolist())))
    return tuple(found)


def keys_in(every_group: str | None) -> tuple[str, ...]:
    """Return the keys that ``every_group`` names, with commas between; none where it is None."""
    return () if every_group is None else tuple(key.strip() for key in every_group.split(","))


def control_group_keys(
    record_lows: Mapping[str, Mapping[str, ArrayLike]],
    served: Sequence[str],
    *,
    level: float,
    confidence: float | None,
) -> tuple[GroupOutcome, ...]:
    """Calibrate the groups of every key; those of the keys in ``served`` share one delta, so all hold at once.

    Guarantee, assumptions and source: as ``control_groups``; the groups of different keys may overlap, since
    the union bound asks for no independence. Verified by: tests/guarantees/test_groups.py
    """
    together = sum(len(record_lows.get(key, ())) for key in served)
    return tuple(
        group
        for key, lows in record_lows.items()
        for group in control_groups(
            key, lows, level=level, confidence=confidence, share=together if key in served else None
        )
    )


def control_every_group(
    key: str, record_lows: Mapping[str, ArrayLike], *, level: float, confidence: float | None
) -> Outcome:
    """Choose one threshold that keeps ``level`` in every group, hence in every mixture of them.

    Guarantee, assumptions and source: as ``control_groups``; the strictest of its thresholds is valid for all.
    Verified by: tests/guarantees/test_groups.py
    """
    return strictest(control_groups(key, record_lows, level=level, confidence=confidence), confidence)


def strictest(groups: Sequence[GroupOutcome], confidence: float | None) -> Outcome:
    """Return the lowest of the groups' thresholds; infeasible, naming the groups, where one of them is."""
    n = sum(len(group.record_lows) for group in groups)
    certified = [group.outcome for group in groups if isinstance(group.outcome, Certified)]
    failed = [(group, group.outcome) for group in groups if isinstance(group.outcome, Infeasible)]
    if failed or not certified:
        reason = "; ".join(f"{group.key} {group.name!r}: {outcome.reason}" for group, outcome in failed)
        needs = [outcome.needed for _, outcome in failed if outcome.needed is not None]
        return Infeasible(reason or "there are no prompts to group", n, max(needs, default=None))
    lowest = min(certified, key=lambda outcome: outcome.threshold)
    return Certified(lowest.threshold, lowest.k, lowest.n, lowest.level, confidence)
