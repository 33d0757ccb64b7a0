"""The forms of a certificate's promise, and which of them is served. Knows no recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from calibration.groups import GroupOutcome, keys_in, strictest
from calibration.oracle_error import Audit, held_to
from calibration.outcome import Certified, Outcome
from calibration.record_low import control_leak_risk, control_leak_risk_confident

__all__ = ["both_forms", "held_terms", "served_form"]


def held_terms(level: float, confidence: float | None, audit: Audit | None) -> tuple[float, float | None]:
    """Return the level and confidence that the labels at hand must keep: stricter where a judge made them."""
    if audit is None or confidence is None:
        return level, confidence
    _, judged_level, judged_confidence = held_to(audit, level, confidence)
    if judged_level == 0.0:
        raise ValueError("the audit shows no sensitivity of the judge; label more released answers that leak")
    return judged_level, judged_confidence


def both_forms(lows: Sequence[float], level: float, confidence: float | None) -> tuple[Outcome, Outcome | None]:
    """Return the expectation form, and the confident one where there is a confidence."""
    expectation = control_leak_risk(lows, level=level)
    if confidence is None:
        return expectation, None
    return expectation, control_leak_risk_confident(lows, level=level, confidence=confidence)


def served_form(
    expectation: Outcome,
    confident: Outcome | None,
    groups: Sequence[GroupOutcome],
    every_group: str | None,
    level: float,
    confidence: float | None,
) -> Outcome:
    """Return the outcome that decides what goes out, as a promise of the wished level and confidence."""
    if every_group is not None:
        found = strictest([group for group in groups if group.key in keys_in(every_group)], confidence)
    else:
        found = expectation if confident is None else confident
    # What a judge's labels keep at a stricter level is the wished promise about true leaks.
    return replace(found, level=level, confidence=confidence) if isinstance(found, Certified) else found
