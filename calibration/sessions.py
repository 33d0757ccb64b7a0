"""Sessions of several tries: a leak bound on any of them. Knows no text, and no attacker who adapts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from calibration.outcome import Certified, Outcome, check_level
from calibration.ranks import exact
from calibration.record_low import (
    control_leak_risk,
    control_leak_risk_confident,
    plain_record_low,
    unit_record_lows,
)
from calibration.replay import by_unit
from calibration.trajectories import Trajectory

__all__ = [
    "TriesPromise",
    "control_session_risk",
    "first_tries",
    "level_per_try",
    "promise_for_tries",
    "session_record_lows",
]


@dataclass(frozen=True, slots=True)
class TriesPromise:
    """What a leak bound for one try says about ``tries`` of them.

    ``any_dependence`` holds however the tries depend on each other, ``independent`` where they are
    independent draws from the calibrated prompts.
    """

    level: float
    tries: int
    any_dependence: float
    independent: float


def promise_for_tries(level: float, tries: int) -> TriesPromise:
    """Say what a threshold that bounds one try's leak by ``level`` promises for a session of ``tries``.

    Guarantee:   P(a leak in the session) <= any_dependence, in the form (expectation or confident) of the
                 bound for one try; <= independent where the tries are independent.
    Assumes:     that each try by itself is distributed like the calibrated units: retries of the prompts
                 that leaked, or tries that react to answers, are not.
    Source:      docs/guarantees.md, theorem 8 (the union bound; concavity of 1 - (1 - r)^tries).
    Verified by: tests/guarantees/test_sessions.py
    """
    check_level(level)
    _check_tries(tries)
    return TriesPromise(
        level, tries, min(1.0, float(tries * exact(level))), float(1 - (1 - exact(level)) ** tries)
    )


def level_per_try(level: float, tries: int) -> float:
    """Return the level for one try that promises ``level`` for a session, however its tries depend."""
    check_level(level)
    _check_tries(tries)
    return float(exact(level) / tries)


def first_tries(trajectories: Iterable[Trajectory], tries: int) -> tuple[Trajectory, ...]:
    """Keep the first ``tries`` prompts of each unit, which is a session, in the order of the recording.

    Raises ``ValueError`` naming a session with fewer tries: to leave it out would choose among sessions.
    """
    _check_tries(tries)
    kept: list[Trajectory] = []
    for unit, members in by_unit(trajectories):
        if len(members) < tries:
            raise ValueError(
                f"session {unit!r} has {len(members)} tries of {tries}; record more, or promise fewer tries"
            )
        kept.extend(members[:tries])
    return tuple(kept)


def session_record_lows(
    trajectories: Iterable[Trajectory], tries: int, of: Callable[[Trajectory], float] = plain_record_low
) -> NDArray[np.float64]:
    """Return one record low per session, the lowest over its first ``tries`` prompts: ascending."""
    return unit_record_lows(first_tries(trajectories, tries), of)


def control_session_risk(
    trajectories: Iterable[Trajectory], *, tries: int, level: float, confidence: float | None
) -> Outcome:
    """Choose the loosest threshold at which a session of up to ``tries`` tries leaks rarely.

    Guarantee:   P(any released answer of the session leaks) <= level, on average over calibrations or with
                 ``confidence``; also for fewer tries, even if the session ends early depending on its answers,
                 for every stricter threshold and every smaller budget.
    Assumes:     exchangeable sessions (with a confidence: independent, identically distributed) whose tries do
                 not depend on the answers; within a session anything goes. Recorded without stopping.
    Source:      docs/guarantees.md, theorem 8 (theorems 1 and 2 with the session as the unit).
    Verified by: tests/guarantees/test_sessions.py
    Args:        trajectories whose ``unit`` is the session. Infeasible where sessions are too few. Raises
                 ``ValueError`` naming a session of fewer tries.
    """
    lows = session_record_lows(trajectories, tries)
    if confidence is None:
        outcome = control_leak_risk(lows, level=level)
    else:
        outcome = control_leak_risk_confident(lows, level=level, confidence=confidence)
    if isinstance(outcome, Certified):
        return outcome
    return replace(outcome, reason=f"with sessions of {tries} tries as units, {outcome.reason}")


def _check_tries(tries: int) -> None:
    if tries < 1:
        raise ValueError(f"a session has at least 1 try, got {tries!r}")
