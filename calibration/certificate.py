"""The certificate: what was promised, about which prompts, on what evidence. Knows no prompts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias, cast, get_args

from calibration.answered import Figures
from calibration.certificate_parts import (
    audit_in,
    few_labels_in,
    figures_in,
    group_in,
    group_out,
    joint_in,
    lows_in,
    lows_out,
    outcome_in,
    outcome_out,
    surrender_in,
)
from calibration.few_labels import FewLabels
from calibration.fields import field, list_of, object_in, optional
from calibration.groups import GroupOutcome
from calibration.joint import JointChoice
from calibration.oracle_error import Audit
from calibration.outcome import Certified, Outcome
from calibration.release import Surrender
from calibration.surrender import SurrenderChoice
from calibration.trajectories import Bindings
from calibration.trajectory_file import bindings_in

__all__ = [
    "SCHEMA",
    "Applicability",
    "Applies",
    "Certificate",
    "GridLeaks",
    "Method",
    "Mismatch",
    "applies_to",
    "sealed",
]

SCHEMA = "lethe.certificate/1"

Method: TypeAlias = Literal["record_low", "ltt", "joint", "few_labels"]

_OPTIONAL = ("surrender", "tries", "audit", "joint", "few_labels")


@dataclass(frozen=True, slots=True)
class GridLeaks:
    """How many units leaked at one threshold of Learn-then-Test's grid."""

    threshold: float
    leaks: int


@dataclass(frozen=True, slots=True)
class Certificate:
    """What calibrating ended in, with all that anybody needs to compute it again.

    ``served`` is the outcome that decides what goes out. ``expectation`` and ``confident`` are the two
    record-low forms over all units (``confident`` is None without a confidence), ``groups`` those of each
    group alone. ``record_lows`` are numbers only, one per unit, ascending; ``grid_leaks`` is
    Learn-then-Test's evidence, empty for the record-low method. ``figures`` are None where nothing is
    released. ``id`` is a digest of the rest: it shows that a file was damaged or edited by hand, not who
    issued it.

    ``every_group`` names one key, or several with commas between. The last five are None, and not written,
    where they do not apply: ``surrender`` is when serving gives up early, ``tries`` makes sessions of up to so
    many prompts the units, and ``audit`` is the error of the judge whose labels these are; all outcomes but
    ``served`` are then about its labels, at the stricter level that it is held to.
    ``joint`` and ``few_labels`` are the evidence of the methods of these names; with the latter, too, all but
    ``served`` is about the judge's labels.
    """

    id: str
    created: str
    method: Method
    level: float
    confidence: float | None
    every_group: str | None
    covers_subsets: bool
    served: Outcome
    expectation: Outcome
    confident: Outcome | None
    groups: tuple[GroupOutcome, ...]
    figures: Figures | None
    bindings: Bindings
    record_lows: tuple[float, ...]
    grid_leaks: tuple[GridLeaks, ...]
    surrender: SurrenderChoice | None = None
    tries: int | None = None
    audit: Audit | None = None
    joint: JointChoice | None = None
    few_labels: FewLabels | None = None

    def __post_init__(self) -> None:
        if datetime.fromisoformat(self.created).utcoffset() != timedelta(0):
            raise ValueError(
                f"'created' must be a time in UTC, such as 2026-01-31T12:00:00Z, not {self.created!r}"
            )

    @property
    def threshold(self) -> float | None:
        """Release only what scores strictly below; None where nothing may be released."""
        return self.served.threshold if isinstance(self.served, Certified) else None

    @property
    def may_tighten(self) -> bool:
        """Say whether every stricter threshold is covered too; a method along a grid covers only what it tests."""
        return self.method == "record_low"

    def to_json(self) -> str:
        """Encode as JSON text, newline included."""
        return json.dumps(_content(self), indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Certificate:
        """Decode. A ``ValueError`` says what is wrong and what to do."""
        try:
            source = object_in(text)
            _check_schema(source)
            certificate = _decoded(source)
            _check_digest(source)
        except ValueError as error:
            raise ValueError(f"not a usable certificate: {error}; restore the file or calibrate again") from None
        return certificate

    @property
    def expected_id(self) -> str:
        """The id that the content calls for."""
        return _digest(_content(self))


@dataclass(frozen=True, slots=True)
class Applies:
    """The promise holds for what is being served, when only what scores below ``threshold`` goes out.

    ``surrender`` says when to give up early: it saves generations, and the promise holds with and without.
    """

    threshold: float
    surrender: Surrender | None = None


@dataclass(frozen=True, slots=True)
class Mismatch:
    """It does not; ``parts`` names what differs. Nothing may be released under this certificate."""

    parts: tuple[str, ...]


Applicability: TypeAlias = Applies | Mismatch


def applies_to(certificate: Certificate, now: Bindings) -> Applicability:
    """Compare what the certificate binds with what is being served now.

    Generator, verifier, streaming, refinement and decoding must be the same. Fewer rounds than calibrated are
    allowed, since the promise holds for every smaller budget. The active topics must be the calibrated ones, or
    some of them where the certificate covers subsets; never none, and never one of another fingerprint. An
    infeasible certificate applies to nothing (part ``threshold``). ``now.prompts`` is not compared.
    """
    bound = certificate.bindings
    differs = {
        "threshold": certificate.threshold is None,
        "generator": now.generator != bound.generator,
        "verifier": now.verifier != bound.verifier,
        "streaming": now.streamed != bound.streamed,
        "refinement": now.refinement != bound.refinement,
        "decoding": now.decoding != bound.decoding,
        "rounds": now.rounds > bound.rounds,
        "topics": not _topics_covered(certificate, now),
    }
    parts = tuple(part for part, different in differs.items() if different)
    if parts or certificate.threshold is None:
        return Mismatch(parts)
    choice = certificate.surrender
    return Applies(certificate.threshold, None if choice is None else choice.surrender)


def _topics_covered(certificate: Certificate, now: Bindings) -> bool:
    calibrated = certificate.bindings.topics.items()
    if not now.topics:
        return False
    if certificate.covers_subsets:
        return now.topics.items() <= calibrated
    return now.topics.items() == calibrated


def sealed(certificate: Certificate) -> Certificate:
    """Return the certificate with the id that its content calls for."""
    return replace(certificate, id=certificate.expected_id)


def _digest(content: Mapping[str, object]) -> str:
    rest = {name: value for name, value in content.items() if name != "id"}
    canonical = json.dumps(rest, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def _check_schema(source: Mapping[str, object]) -> None:
    schema = field(source, "schema", str)
    if schema != SCHEMA:
        raise ValueError(f"this version reads {SCHEMA!r}, the file says {schema!r}")


def _check_digest(source: Mapping[str, object]) -> None:
    if source["id"] != _digest(source):
        raise ValueError(f"its content does not match its id {source['id']!r}, so it was damaged or edited")


def _content(certificate: Certificate) -> dict[str, object]:
    content: dict[str, Any] = {
        "schema": SCHEMA,
        **asdict(certificate),
        "served": outcome_out(certificate.served),
        "expectation": outcome_out(certificate.expectation),
        "confident": None if certificate.confident is None else outcome_out(certificate.confident),
        "groups": [group_out(group) for group in certificate.groups],
        "record_lows": lows_out(certificate.record_lows),
        "grid_leaks": [asdict(entry) for entry in certificate.grid_leaks],
    }
    if not certificate.bindings.streamed:
        del content["bindings"]["streamed"]
    # Later additions are written only where they say something, so that older certificates keep their ids.
    return {name: value for name, value in content.items() if name not in _OPTIONAL or value is not None}


def _decoded(source: Mapping[str, object]) -> Certificate:
    figures: dict[str, object] | None = optional(source, "figures", dict)
    confident: dict[str, object] | None = optional(source, "confident", dict)
    surrender: dict[str, object] | None = optional(source, "surrender", dict)
    audit: dict[str, object] | None = optional(source, "audit", dict)
    joint: dict[str, object] | None = optional(source, "joint", dict)
    few: dict[str, object] | None = optional(source, "few_labels", dict)
    return Certificate(
        id=field(source, "id", str),
        created=field(source, "created", str),
        method=_method(field(source, "method", str)),
        level=field(source, "level", float),
        confidence=optional(source, "confidence", float),
        every_group=optional(source, "every_group", str),
        covers_subsets=field(source, "covers_subsets", bool),
        served=outcome_in(field(source, "served", dict)),
        expectation=outcome_in(field(source, "expectation", dict)),
        confident=None if confident is None else outcome_in(confident),
        groups=tuple(map(group_in, list_of(source, "groups", dict))),
        figures=None if figures is None else figures_in(figures),
        bindings=bindings_in(field(source, "bindings", dict)),
        record_lows=lows_in(source),
        grid_leaks=tuple(map(_grid_leaks, list_of(source, "grid_leaks", dict))),
        surrender=None if surrender is None else surrender_in(surrender),
        tries=optional(source, "tries", int),
        audit=None if audit is None else audit_in(audit),
        joint=None if joint is None else joint_in(joint),
        few_labels=None if few is None else few_labels_in(few),
    )


def _method(name: str) -> Method:
    if name not in get_args(Method):
        raise ValueError(f"the method {name!r} is unknown to this version")
    return cast(Method, name)


def _grid_leaks(source: Mapping[str, object]) -> GridLeaks:
    return GridLeaks(field(source, "threshold", float), field(source, "leaks", int))
