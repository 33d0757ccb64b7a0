"""Issuing a certificate from a recording, and computing one again from its own evidence. Knows no serving."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from calibration.answered import Figures, figures_at
from calibration.certificate import Certificate, GridLeaks, Method, sealed
from calibration.fixed_sequence import (
    DEFAULT_GRID,
    control_by_fixed_sequence,
    leak_losses,
    leaks_or_crosses,
)
from calibration.groups import (
    GroupOutcome,
    control_group_keys,
    group_keys,
    group_of,
    group_record_lows,
    keys_in,
    strictest,
)
from calibration.oracle_error import Audit, held_to
from calibration.outcome import Certified, Outcome, check_confidence, check_level
from calibration.record_low import (
    control_leak_risk,
    control_leak_risk_confident,
    covering_record_low,
    plain_record_low,
    unit_record_lows,
)
from calibration.replay import leaks_if_released
from calibration.sessions import first_tries
from calibration.surrender import SurrenderChoice, choose_surrender
from calibration.trajectories import Recording, Trajectory

__all__ = ["Problem", "issue_certificate", "verify"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing in a certificate that its own evidence does not bear out."""

    part: str
    explanation: str


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
    held_level, held_confidence = _held(level, confidence, audit)
    covers = cover_subsets and bool(forget) and all(trajectory.topic is not None for trajectory in forget)
    of = covering_record_low if covers else plain_record_low
    lows = unit_record_lows(forget, of)
    expectation, confident = _both_forms(lows.tolist(), held_level, held_confidence)
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
        served = _served(expectation, confident, groups, every_group, level, confidence)
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


def _held(level: float, confidence: float | None, audit: Audit | None) -> tuple[float, float | None]:
    """Return the level and confidence that the labels at hand must keep: stricter where a judge made them."""
    if audit is None or confidence is None:
        return level, confidence
    _, judged_level, judged_confidence = held_to(audit, level, confidence)
    if judged_level == 0.0:
        raise ValueError("the audit shows no sensitivity of the judge; label more released answers that leak")
    return judged_level, judged_confidence


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


def _both_forms(lows: Sequence[float], level: float, confidence: float | None) -> tuple[Outcome, Outcome | None]:
    expectation = control_leak_risk(lows, level=level)
    if confidence is None:
        return expectation, None
    return expectation, control_leak_risk_confident(lows, level=level, confidence=confidence)


def _served(
    expectation: Outcome,
    confident: Outcome | None,
    groups: Sequence[GroupOutcome],
    every_group: str | None,
    level: float,
    confidence: float | None,
) -> Outcome:
    if every_group is not None:
        found = strictest([group for group in groups if group.key in keys_in(every_group)], confidence)
    else:
        found = expectation if confident is None else confident
    # What a judge's labels keep at a stricter level is the wished promise about true leaks.
    return replace(found, level=level, confidence=confidence) if isinstance(found, Certified) else found


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


def verify(certificate: Certificate) -> tuple[Problem, ...]:
    """Compute the certificate again from its own evidence; an empty tuple means that everything is borne out.

    Shows that the thresholds follow from the record lows (for Learn-then-Test: from the leaks on its grid, by
    the exact test in place of MAPIE's). It cannot show that the evidence is true: that takes the trajectories
    file.
    """
    found = []
    if certificate.id != certificate.expected_id:
        found.append(Problem("id", "the content does not match the id: damaged or edited"))
    try:
        level, confidence = _held(certificate.level, certificate.confidence, certificate.audit)
    except ValueError as error:
        return (*found, Problem("audit", str(error)))
    expectation, confident = _both_forms(certificate.record_lows, level, confidence)
    groups = _groups_again(certificate, level, confidence)
    _compare(found, "expectation", certificate.expectation, expectation)
    _compare(found, "confident", certificate.confident, confident)
    _compare(found, "groups", certificate.groups, groups)
    if certificate.method == "ltt":
        _compare_tested(found, certificate)
    else:
        again = _served(
            expectation,
            confident,
            groups,
            certificate.every_group,
            certificate.level,
            certificate.confidence,
        )
        _compare(found, "served", certificate.served, again)
    if not certificate.covers_subsets and any(low < 0.0 for low in certificate.record_lows):
        found.append(Problem("record_lows", "cross-talk was counted, but the subsets are said not to be covered"))
    return tuple(found)


def _groups_again(certificate: Certificate, level: float, confidence: float | None) -> tuple[GroupOutcome, ...]:
    keys = dict.fromkeys((*(group.key for group in certificate.groups), *keys_in(certificate.every_group)))
    lows = {
        key: {group.name: group.record_lows for group in certificate.groups if group.key == key} for key in keys
    }
    return control_group_keys(lows, keys_in(certificate.every_group), level=level, confidence=confidence)


def _compare(found: list[Problem], part: str, written: object, again: object) -> None:
    if written != again:
        found.append(Problem(part, f"the certificate says {written}, its evidence gives {again}"))


def _compare_tested(found: list[Problem], certificate: Certificate) -> None:
    if certificate.confidence is None or not certificate.grid_leaks:
        found.append(Problem("grid_leaks", "Learn-then-Test without a confidence or without its evidence"))
        return
    grid = [entry.threshold for entry in certificate.grid_leaks]
    leaks = [entry.leaks for entry in certificate.grid_leaks]
    exact = control_by_fixed_sequence(
        leaks, grid, len(certificate.record_lows), level=certificate.level, confidence=certificate.confidence
    )
    served = certificate.threshold
    if served is None:
        return  # refusing is always borne out
    # MAPIE rounds a count up now and then, so it may stop earlier than the exact test, never later.
    if served not in grid or not isinstance(exact, Certified) or served > exact.threshold:
        found.append(Problem("served", f"the certificate says {served}, the exact test gives {exact}"))
