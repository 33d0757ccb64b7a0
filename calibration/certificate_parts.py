"""How the parts of a certificate are written as JSON fields and read back. Knows no whole certificate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from calibration.answered import Figures, Generations, Rate
from calibration.few_labels import FewLabels
from calibration.fields import field, list_of, optional
from calibration.groups import GroupOutcome
from calibration.joint import Configuration, JointChoice, Limits, Passed
from calibration.oracle_error import Audit
from calibration.outcome import Certified, Infeasible, Outcome
from calibration.release import Surrender
from calibration.surrender import SurrenderChoice

__all__ = [
    "audit_in",
    "few_labels_in",
    "figures_in",
    "group_in",
    "group_out",
    "joint_in",
    "lows_in",
    "lows_out",
    "outcome_in",
    "outcome_out",
    "surrender_in",
]

Source = Mapping[str, object]


def outcome_out(outcome: Outcome) -> dict[str, object]:
    """Encode an outcome with its kind."""
    kind = "certified" if isinstance(outcome, Certified) else "infeasible"
    return {"outcome": kind, **asdict(outcome)}


def outcome_in(source: Source) -> Outcome:
    """Decode an outcome. Raises ``ValueError`` naming the field."""
    kind = field(source, "outcome", str)
    if kind == "infeasible":
        return Infeasible(field(source, "reason", str), field(source, "n", int), optional(source, "needed", int))
    if kind != "certified":
        raise ValueError(f"the outcome {kind!r} is unknown to this version")
    return _certified_in(source)


def _certified_in(source: Source) -> Certified:
    return Certified(
        threshold=field(source, "threshold", float),
        k=field(source, "k", int),
        n=field(source, "n", int),
        level=field(source, "level", float),
        confidence=optional(source, "confidence", float),
    )


def group_out(group: GroupOutcome) -> dict[str, object]:
    """Encode a group's outcome and evidence."""
    return {
        "key": group.key,
        "name": group.name,
        "outcome": outcome_out(group.outcome),
        "record_lows": lows_out(group.record_lows),
    }


def group_in(source: Source) -> GroupOutcome:
    """Decode a group's outcome and evidence."""
    outcome = outcome_in(field(source, "outcome", dict))
    return GroupOutcome(field(source, "key", str), field(source, "name", str), outcome, lows_in(source))


def lows_out(values: Sequence[float]) -> list[float | str]:
    """Encode record lows. JSON has no infinities: "inf" never leaks, "-inf" met cross-talk."""
    return [value if math.isfinite(value) else str(value) for value in values]


def lows_in(source: Source) -> tuple[float, ...]:
    """Decode the field ``record_lows``."""
    values: list[object] = field(source, "record_lows", list)
    return tuple(map(_low, values))


def _low(value: object) -> float:
    if value == "inf":
        return math.inf
    if value == "-inf":
        return -math.inf
    if isinstance(value, float | int) and not isinstance(value, bool) and 0.0 <= value <= 1.0:
        return float(value)
    raise ValueError('each of \'record_lows\' must be a number in [0, 1], "inf" or "-inf"')


def surrender_in(source: Source) -> SurrenderChoice:
    """Decode when serving gives up early, and what that did to the calibration prompts."""
    rule: dict[str, object] = field(source, "surrender", dict)
    return SurrenderChoice(
        surrender=Surrender(field(rule, "after", int), field(rule, "ceiling", float)),
        most_lost=field(source, "most_lost", float),
        confidence=field(source, "confidence", float),
        lost=field(source, "lost", int),
        answered=field(source, "answered", int),
        generations_without=field(source, "generations_without", float),
        generations_with=field(source, "generations_with", float),
    )


def audit_in(source: Source) -> Audit:
    """Decode a judge's audit."""
    counts = (field(source, name, int) for name in ("found", "leaks", "alarms", "clean"))
    return Audit(*counts)


def few_labels_in(source: Source) -> FewLabels:
    """Decode people's labels beside a judge's, counted along a grid."""
    return FewLabels(
        grid=tuple(list_of(source, "grid", float)),
        judged_leaks=tuple(list_of(source, "judged_leaks", int)),
        judged=field(source, "judged", int),
        missed=tuple(list_of(source, "missed", int)),
        labelled=field(source, "labelled", int),
        seed=field(source, "seed", int),
    )


def joint_in(source: Source) -> JointChoice:
    """Decode what was tested together, and what was chosen."""
    limits: dict[str, object] = field(source, "limits", dict)
    return JointChoice(
        chosen=_passed_in(field(source, "chosen", dict)),
        outcome=_certified_in(field(source, "outcome", dict)),
        limits=Limits(
            field(limits, "leaks", float), field(limits, "changed", float), optional(limits, "refused", float)
        ),
        benign=field(source, "benign", int),
        passed=tuple(map(_passed_in, list_of(source, "passed", dict))),
    )


def _passed_in(source: Source) -> Passed:
    part: dict[str, object] = field(source, "configuration", dict)
    return Passed(
        Configuration(field(part, "strategy", str), field(part, "rounds", int), field(part, "threshold", float)),
        leaks=field(source, "leaks", int),
        changed=field(source, "changed", int),
        refused=field(source, "refused", int),
        generations=field(source, "generations", float),
    )


def figures_in(source: Source) -> Figures:
    """Decode the figures."""
    return Figures(
        threshold=field(source, "threshold", float),
        leak_rate=_rate(source, "leak_rate"),
        answer_rate=_rate(source, "answer_rate"),
        leak_given_answered=_rate(source, "leak_given_answered"),
        benign_unchanged=_rate(source, "benign_unchanged"),
        forget_generations=_generations(source, "forget_generations"),
        benign_generations=_generations(source, "benign_generations"),
    )


def _rate(source: Source, name: str) -> Rate:
    part: dict[str, object] = field(source, name, dict)
    low, high = field(part, "low", float), field(part, "high", float)
    return Rate(field(part, "count", int), field(part, "of", int), low, high)


def _generations(source: Source, name: str) -> Generations:
    part: dict[str, object] = field(source, name, dict)
    return Generations(field(part, "mean", float), field(part, "always", float), field(part, "prompts", int))
