"""Issuing a certificate from a recording. Knows no serving."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from calibration.answered import Figures, figures_at
from calibration.certificate import Certificate, GridLeaks, Method, sealed
from calibration.fixed_sequence import (
    DEFAULT_GRID,
    leak_losses,
    leaks_or_crosses,
)
from calibration.forms import both_forms, held_terms, served_form
from calibration.groups import (
    control_group_keys,
    group_keys,
    group_of,
    group_record_lows,
    keys_in,
)
from calibration.oracle_error import Audit
from calibration.outcome import Certified, Outcome, check_confidence, check_level
from calibration.record_low import (
    covering_record_low,
    plain_record_low,
    unit_record_lows,
)
from calibration.replay import leaks_if_released
from calibration.sessions import first_tries
from calibration.surrender import SurrenderChoice, choose_surrender
from calibration.trajectories import Recording, Trajectory
from calibration.verification import Problem, verify

__all__ = ["Problem", "issue_certificate", "verify"]


def issue_certificate(
    recording: Recording,
    *,
    level: float,
    confidence: float | None,
    method: Method = "record_low",
    every_group: str | None = None,
    cover_subsets: bool = True,
    tries: int | None = None,
    audit: Audit | None = None,
    most_lost: float | None = None,
    created: str,
) -> Certificate:
    """Calibrate on the recording's forget prompts and write down all that was found.

    Served is the form with confidence where one is given, else the expectation form; with ``every_group`` the
    strictest over the groups of that key, or of several keys with commas between. ``cover_subsets`` counts
    cross-talk between topics as leaks, where every forget prompt says its topic, so that topics may later be
    switched off. ``tries`` promises it for sessions, the recording's units, of up to so many prompts.
    ``audit`` is the error of the judge that made the labels. ``most_lost`` is the share of answers that giving
    up early may lose; where that saves nothing the certificate has no surrender. ``created`` is a UTC time in
    ISO form.
    Raises ``ValueError`` for missing labels, missing groups, or options that do not go together.
    """
    _check(recording, level, confidence, method, every_group)
    _check_extras(method, confidence, tries, audit, most_lost)
    if tries is not None:
        recording = replace(recording, trajectories=(*first_tries(recording.forget, tries), *recording.benign))
    forget = recording.forget
    held_level, held_confidence = held_terms(level, confidence, audit)
    covers = cover_subsets and bool(forget) and all(trajectory.topic is not None for trajectory in forget)
    of = covering_record_low if covers else plain_record_low
    lows = unit_record_lows(forget, of)
    expectation, confident = both_forms(lows.tolist(), held_level, held_confidence)
    groups = control_group_keys(
        {key: group_record_lows(forget, key, of) for key in group_keys(forget)},
        keys_in(every_group),
        level=held_level,
        confidence=held_confidence,
    )
    grid_leaks: tuple[GridLeaks, ...] = ()
    if method == "ltt" and confidence is not None:
        grid_leaks, served = _learn_then_test(forget, covers, level, confidence)
    else:
        served = served_form(expectation, confident, groups, every_group, level, confidence)
    surrender = _surrender(recording, served, most_lost, confidence)
    return sealed(
        Certificate(
            id="",
            created=created,
            method=method,
            level=level,
            confidence=confidence,
            every_group=every_group,
            covers_subsets=covers,
            served=served,
            expectation=expectation,
            confident=confident,
            groups=groups,
            figures=_figures(recording, served, surrender),
            bindings=recording.bindings,
            record_lows=tuple(lows.tolist()),
            grid_leaks=grid_leaks,
            surrender=surrender,
            tries=tries,
            audit=audit,
        )
    )


def _figures(recording: Recording, served: Outcome, surrender: SurrenderChoice | None) -> Figures | None:
    if not isinstance(served, Certified):
        return None
    return figures_at(recording, served.threshold, None if surrender is None else surrender.surrender)


def _surrender(
    recording: Recording, served: Outcome, most_lost: float | None, confidence: float | None
) -> SurrenderChoice | None:
    if most_lost is None or confidence is None or not isinstance(served, Certified):
        return None
    choice = choose_surrender(recording, served.threshold, most_lost=most_lost, confidence=confidence)
    return choice if isinstance(choice, SurrenderChoice) else None


def _check_extras(
    method: Method,
    confidence: float | None,
    tries: int | None,
    audit: Audit | None,
    most_lost: float | None,
) -> None:
    if method == "ltt" and (tries is not None or audit is not None):
        raise ValueError("sessions and a judge's audit need the method record_low")
    if confidence is None and (audit is not None or most_lost is not None):
        raise ValueError("a judge's audit and giving up early need a confidence: they have no form without")


def _check(
    recording: Recording, level: float, confidence: float | None, method: Method, every_group: str | None
) -> None:
    check_level(level)
    if confidence is not None:
        check_confidence(confidence)
    if method == "joint":
        raise ValueError("a joint choice takes a recording per strategy: see calibration.issue_joint")
    if method == "ltt" and confidence is None:
        raise ValueError("Learn-then-Test needs a confidence: it has no form without")
    if method == "ltt" and every_group is not None:
        raise ValueError("a threshold for every group needs the method record_low")
    for trajectory in recording.forget:
        for key in keys_in(every_group):
            group_of(trajectory, key)
        if trajectory.topic is not None and trajectory.topic not in recording.bindings.topics:
            known = ", ".join(sorted(recording.bindings.topics)) or "none"
            raise ValueError(
                f"prompt {trajectory.id!r} probes the topic {trajectory.topic!r}, which was not active when "
                f"it was recorded (active: {known})"
            )


def _learn_then_test(
    forget: Sequence[Trajectory], covers: bool, level: float, confidence: float
) -> tuple[tuple[GridLeaks, ...], Outcome]:
    # MAPIE is an optional extra and costs a second to import, so only this method asks for it.
    from calibration.ltt import learn_then_test

    losses = leak_losses(forget, DEFAULT_GRID, leaks_or_crosses if covers else leaks_if_released)
    leaks = [int(count) for count in losses.sum(axis=0)]
    outcome = learn_then_test(leaks, DEFAULT_GRID, len(losses), level=level, confidence=confidence)
    pairs = zip(DEFAULT_GRID, leaks, strict=True)
    return tuple(GridLeaks(threshold, count) for threshold, count in pairs), outcome
