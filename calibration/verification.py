"""Computing a certificate again from its own evidence. Knows no trajectories, so not whether that is true."""

from __future__ import annotations

from dataclasses import dataclass

from calibration.certificate import Certificate
from calibration.few_labels import control_with_few_labels
from calibration.fixed_sequence import Constraint, control_by_fixed_sequence, reached_exactly
from calibration.forms import both_forms, held_terms, served_form
from calibration.groups import GroupOutcome, control_group_keys, keys_in
from calibration.outcome import Certified
from calibration.ranks import miss_probability

__all__ = ["Problem", "verify"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing in a certificate that its own evidence does not bear out."""

    part: str
    explanation: str


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
        level, confidence = held_terms(certificate.level, certificate.confidence, certificate.audit)
    except ValueError as error:
        return (*found, Problem("audit", str(error)))
    expectation, confident = both_forms(certificate.record_lows, level, confidence)
    groups = _groups_again(certificate, level, confidence)
    _compare(found, "expectation", certificate.expectation, expectation)
    _compare(found, "confident", certificate.confident, confident)
    _compare(found, "groups", certificate.groups, groups)
    if certificate.method == "ltt":
        _compare_tested(found, certificate)
    elif certificate.method == "joint":
        _compare_jointly(found, certificate)
    elif certificate.method == "few_labels":
        _compare_few_labels(found, certificate)
    else:
        again = served_form(
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


def _compare_few_labels(found: list[Problem], certificate: Certificate) -> None:
    counts, confidence = certificate.few_labels, certificate.confidence
    if counts is None or confidence is None:
        found.append(Problem("few_labels", "few people's labels without their counts, or without a confidence"))
        return
    if counts.judged != len(certificate.record_lows):
        found.append(Problem("few_labels", "the judged units are not as many as the record lows"))
    again = control_with_few_labels(counts, level=certificate.level, confidence=confidence)
    _compare(found, "served", certificate.served, again)


def _compare_jointly(found: list[Problem], certificate: Certificate) -> None:
    choice = certificate.joint
    if choice is None or certificate.confidence is None:
        if isinstance(certificate.served, Certified):
            found.append(Problem("joint", "a joint choice without its evidence, or without a confidence"))
        return
    constraints = [
        Constraint(tuple(p.leaks for p in choice.passed), choice.outcome.n, choice.limits.leaks),
        Constraint(tuple(p.changed for p in choice.passed), choice.benign, choice.limits.changed),
    ]
    if choice.limits.refused is not None:
        refused = tuple(p.refused for p in choice.passed)
        constraints.append(Constraint(refused, choice.outcome.n, choice.limits.refused))
    if reached_exactly(constraints, miss_probability(certificate.confidence)) < len(choice.passed):
        found.append(Problem("joint", "the exact test does not pass all the configurations that are said to pass"))
    chosen = choice.chosen
    promised = Certified(
        chosen.configuration.threshold,
        chosen.leaks,
        choice.outcome.n,
        choice.limits.leaks,
        certificate.confidence,
    )
    _compare(found, "served", certificate.served, promised)
    if chosen not in choice.passed or choice.limits.leaks != certificate.level:
        found.append(Problem("joint", "what was chosen is not among what passed, or at another level"))
