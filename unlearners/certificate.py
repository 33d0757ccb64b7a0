"""The unlearning certificate: what is promised about a model, or that nothing is. Knows no method."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import TypeAlias

from unlearners.fields import field, list_of, numbers_in, object_in, optional
from unlearners.promise import Promise, promise_in, promise_out

__all__ = [
    "SCHEMA",
    "DataSeen",
    "Limited",
    "Parameter",
    "Remaining",
    "Served",
    "UnlearningCertificate",
    "Unlimited",
    "keyed_digest",
    "sealed",
]

SCHEMA = "lethe.unlearning-certificate/1"

Parameter: TypeAlias = bool | int | float | str


@dataclass(frozen=True, slots=True)
class DataSeen:
    """Which data the model was trained on: rows, features, and a keyed digest of the content.

    The key is not in the certificate, so that guesses at a forgotten row cannot be held against the digest.
    """

    sha256: str
    rows: int
    features: int


@dataclass(frozen=True, slots=True)
class Served:
    """One request: the rows it forgot, and the passes over the data (epochs) that it took."""

    rows: tuple[int, ...]
    epochs: float


@dataclass(frozen=True, slots=True)
class Unlimited:
    """Every further request can be served, at the cost that ``note`` states."""

    note: str


@dataclass(frozen=True, slots=True)
class Limited:
    """So many more rows can be forgotten under the promise; what to do after that."""

    rows: int
    afterwards: str


Remaining: TypeAlias = Unlimited | Limited


@dataclass(frozen=True, slots=True)
class UnlearningCertificate:
    """What an unlearner says about the model beside it.

    ``parameters`` are the method's own numbers, enough to compute the promise again. ``assumptions`` are
    sentences; where one is false the promise is void. ``gradients_spent`` counts per-sample gradient
    evaluations as executed by the unlearning alone, ``training_gradients`` those of the training before it.
    ``seed`` is None where it was drawn and kept secret. ``id`` is a digest of the rest: it shows that a file
    was damaged or edited by hand, not who issued it.
    """

    id: str
    created: str
    method: str
    promise: Promise
    data: DataSeen
    parameters: Mapping[str, Parameter]
    assumptions: tuple[str, ...]
    served: tuple[Served, ...]
    remaining: Remaining
    gradients_spent: int
    training_gradients: int
    seed: int | None

    def __post_init__(self) -> None:
        if not self.method.strip():
            raise ValueError("a certificate names its method")
        if datetime.fromisoformat(self.created).utcoffset() != timedelta(0):
            raise ValueError(
                f"'created' must be a time in UTC, such as 2026-01-31T12:00:00Z, not {self.created!r}"
            )
        if min(self.gradients_spent, self.training_gradients) < 0:
            raise ValueError("gradient evaluations cannot be negative")

    @property
    def expected_id(self) -> str:
        """The id that the content calls for."""
        return _digest(_content(self))

    def to_json(self) -> str:
        """Encode as JSON text, newline included."""
        return json.dumps(_content(self), indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> UnlearningCertificate:
        """Decode. A ``ValueError`` says what is wrong and what to do."""
        try:
            source = object_in(text)
            _check_schema(source)
            certificate = _decoded(source)
            if certificate.id != _digest(source):
                raise ValueError(f"its content does not match its id {certificate.id!r}: damaged or edited")
        except ValueError as error:
            raise ValueError(
                f"not a usable unlearning certificate: {error}; restore the file or unlearn again"
            ) from None
        return certificate


def sealed(certificate: UnlearningCertificate) -> UnlearningCertificate:
    """Return the certificate with the id that its content calls for."""
    return replace(certificate, id=certificate.expected_id)


def keyed_digest(key: str, sha256: str) -> str:
    """Return the HMAC-SHA256 of a digest of data, which says nothing about them to whoever lacks the key."""
    return hmac.new(key.encode(), sha256.encode(), hashlib.sha256).hexdigest()


def _digest(content: Mapping[str, object]) -> str:
    rest = {name: value for name, value in content.items() if name != "id"}
    canonical = json.dumps(rest, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def _check_schema(source: Mapping[str, object]) -> None:
    schema = field(source, "schema", str)
    if schema != SCHEMA:
        raise ValueError(f"this version reads {SCHEMA!r}, the file says {schema!r}")


def _content(certificate: UnlearningCertificate) -> dict[str, object]:
    return {
        "schema": SCHEMA,
        "id": certificate.id,
        "created": certificate.created,
        "method": certificate.method,
        "promise": promise_out(certificate.promise),
        "data": asdict(certificate.data),
        "parameters": dict(certificate.parameters),
        "assumptions": list(certificate.assumptions),
        "served": [{"rows": list(one.rows), "epochs": float(one.epochs)} for one in certificate.served],
        "remaining": _remaining_out(certificate.remaining),
        "gradients_spent": certificate.gradients_spent,
        "training_gradients": certificate.training_gradients,
        "seed": certificate.seed,
    }


def _remaining_out(remaining: Remaining) -> dict[str, object]:
    match remaining:
        case Unlimited(note):
            return {"kind": "unlimited", "note": note}
        case Limited(rows, afterwards):
            return {"kind": "limited", "rows": rows, "afterwards": afterwards}


def _remaining_in(source: Mapping[str, object]) -> Remaining:
    match kind := field(source, "kind", str):
        case "unlimited":
            return Unlimited(field(source, "note", str))
        case "limited":
            return Limited(field(source, "rows", int), field(source, "afterwards", str))
    raise ValueError(f"the remaining budget {kind!r} is unknown to this version")


def _decoded(source: Mapping[str, object]) -> UnlearningCertificate:
    data: dict[str, object] = field(source, "data", dict)
    return UnlearningCertificate(
        id=field(source, "id", str),
        created=field(source, "created", str),
        method=field(source, "method", str),
        promise=promise_in(field(source, "promise", dict)),
        data=DataSeen(field(data, "sha256", str), field(data, "rows", int), field(data, "features", int)),
        parameters=_parameters(field(source, "parameters", dict)),
        assumptions=tuple(list_of(source, "assumptions", str)),
        served=tuple(map(_served, list_of(source, "served", dict))),
        remaining=_remaining_in(field(source, "remaining", dict)),
        gradients_spent=field(source, "gradients_spent", int),
        training_gradients=field(source, "training_gradients", int),
        seed=optional(source, "seed", int),
    )


def _served(source: Mapping[str, object]) -> Served:
    return Served(numbers_in(source, "rows"), field(source, "epochs", float))


def _parameters(source: Mapping[str, object]) -> dict[str, Parameter]:
    kept: dict[str, Parameter] = {}
    for name, value in source.items():
        if not isinstance(value, bool | int | float | str):
            raise ValueError(f"the parameter {name!r} must be a number, a truth value or a text")
        kept[name] = value
    return kept
