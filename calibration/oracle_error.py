"""What a judge's missed leaks cost: its sensitivity, bounded from people's labels. Knows no answers."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from numpy.typing import ArrayLike
from scipy.special import betaincinv

from calibration.outcome import Certified, Infeasible, Outcome, check_confidence, check_level
from calibration.ranks import exact, miss_probability
from calibration.record_low import control_leak_risk_confident
from calibration.replay import label_of, released
from calibration.trajectories import Trajectory

__all__ = ["Audit", "JudgedOutcome", "audit_released", "control_with_judge", "held_to", "sensitivity_low"]

AUDIT_SHARE = 0.5
"""Of delta, what the audit gets; calibration gets the rest."""


@dataclass(frozen=True, slots=True)
class Audit:
    """Of ``leaks`` released answers that people call leaks, the judge found ``found``.

    ``alarms`` of the ``clean`` others it called leaks as well: that costs answers and no safety.
    """

    found: int
    leaks: int
    alarms: int = 0
    clean: int = 0

    def __post_init__(self) -> None:
        if not (0 <= self.found <= self.leaks and 0 <= self.alarms <= self.clean):
            raise ValueError(f"an audit cannot find more than there is: {self}")


@dataclass(frozen=True, slots=True)
class JudgedOutcome:
    """A threshold from a judge's labels that bounds the leaks that people would see.

    ``outcome`` states the promise about true leaks. ``sensitivity`` is the audit's lower bound, and the
    judge's labels were held to ``judged_level`` with ``judged_confidence``.
    """

    outcome: Outcome
    audit: Audit
    sensitivity: float
    judged_level: float
    judged_confidence: float


def audit_released(pairs: Iterable[tuple[Trajectory, Trajectory]], threshold: float) -> Audit:
    """Compare a judge with people on the answers that serving would have released at a threshold.

    Each pair is one prompt's trajectory with the judge's labels and with people's. Raises ``ValueError``
    naming the prompt where a released answer lacks either label.
    """
    counts = {(judge, person): 0 for judge in (False, True) for person in (False, True)}
    for judged, labelled in pairs:
        if judged.id != labelled.id or judged.scores != labelled.scores:
            raise ValueError(f"prompt {judged.id!r}: the labels are not of the same trajectory")
        position = released(judged, threshold)
        if position is not None:
            counts[label_of(judged, position), label_of(labelled, position)] += 1
    leaks, clean = counts[True, True] + counts[False, True], counts[True, False] + counts[False, False]
    return Audit(counts[True, True], leaks, counts[True, False], clean)


def sensitivity_low(audit: Audit, confidence: float) -> float:
    """Return a lower bound on the share of leaks that the judge finds; 0 where no leak was audited.

    Guarantee:   P(sensitivity >= the bound) >= confidence.
    Assumes:     the audited leaks are independent draws of the leaks that the bound is about.
    Source:      the one-sided Clopper-Pearson bound. Verified by: tests/guarantees/test_oracle_error.py
    """
    check_confidence(confidence)
    if audit.found == 0:
        return 0.0
    missed = audit.leaks - audit.found
    return float(betaincinv(audit.found, missed + 1, miss_probability(confidence)))


def control_with_judge(
    record_lows: ArrayLike, audit: Audit, *, level: float, confidence: float, audit_share: float = AUDIT_SHARE
) -> JudgedOutcome:
    """Choose a threshold on a judge's labels that bounds *true* leaks by ``level``.

    Guarantee:   P(P(the released answer is a true leak) <= level) >= confidence; also for stricter thresholds
                 and smaller budgets at which the judge is as sensitive.
    Assumes:     independent, identically distributed units; that on leaks released at the served threshold the
                 judge is at least as sensitive as on the leaks it was audited on (audit answers released at
                 about that threshold: a judge may be blind to what the verifier is blind to). Audit and
                 calibration need not be independent of each other.
    Source:      docs/guarantees.md, theorem 11 (level times sensitivity, delta split by ``audit_share``).
    Verified by: tests/guarantees/test_oracle_error.py
    Args:        record_lows, shape (n,), by the judge's labels, one per unit.
    """
    low, judged_level, judged_confidence = held_to(audit, level, confidence, audit_share)
    outcome = _outcome(record_lows, judged_level, judged_confidence, level, confidence)
    return JudgedOutcome(outcome, audit, low, judged_level, judged_confidence)


def held_to(
    audit: Audit, level: float, confidence: float, audit_share: float = AUDIT_SHARE
) -> tuple[float, float, float]:
    """Return the sensitivity's lower bound, and the level and the confidence that the judge's labels must keep.

    The level is 0 where the audit shows no sensitivity at all.
    """
    check_level(level)
    check_confidence(confidence)
    check_level(audit_share)
    delta = 1 - exact(confidence)
    low = sensitivity_low(audit, float(1 - delta * exact(audit_share)))
    judged_level = math.floor(level * low * 1e6) / 1e6  # down, to the safe side
    return low, judged_level, float(1 - delta * (1 - exact(audit_share)))


def _outcome(
    record_lows: ArrayLike, judged_level: float, judged_confidence: float, level: float, confidence: float
) -> Outcome:
    if judged_level == 0.0:
        return Infeasible(
            "the judge found none of the audited leaks, or none were audited; label more released answers", 0, None
        )
    found = control_leak_risk_confident(record_lows, level=judged_level, confidence=judged_confidence)
    if isinstance(found, Certified):
        return replace(found, level=level, confidence=confidence)
    reason = f"with the judge held to level {judged_level:g} for the leaks that it may miss, {found.reason}"
    return replace(found, reason=reason)
