"""Registering a backend: what is written down of a model before it is ever opened. Knows no torch, no HTTP."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from gateway.errors import InvalidInput
from gateway.store.backend_wire import BackendBody
from gateway.store.records import BackendRecord, Checkpoint, Place
from gateway.threads import apart
from gateway.upstream.checkpoint_files import checkpoint_fingerprint
from gateway.upstream.openai import OpenAIUpstream

__all__ = ["UNLEARNING_FILE", "backend_record", "place_fingerprint", "read_unlearning", "unlearning_in_brief"]

UNLEARNING_FILE: Final = "unlearning.json"
"""What `lethe unlearn` leaves in a checkpoint's directory: the certificate of what was unlearned."""


async def backend_record(body: BackendBody) -> BackendRecord:
    """Complete a backend by its fingerprint, and by the unlearning certificate that lies in its directory.

    Raises ``InvalidInput`` where there is no checkpoint, or the certificate is not JSON.
    """
    place, unlearning = body.place, body.unlearning
    if unlearning is None and isinstance(place, Checkpoint) and (place.path / UNLEARNING_FILE).is_file():
        unlearning = read_unlearning(place.path / UNLEARNING_FILE)
    return BackendRecord(body.name, place, await place_fingerprint(place), unlearning, tuple(body.topics))


async def place_fingerprint(place: Place) -> str:
    """Compute what a backend's answers depend on, without opening it. Reads every byte of a checkpoint.

    Raises ``InvalidInput`` where there is no checkpoint.
    """
    if isinstance(place, Checkpoint):
        return await apart(checkpoint_fingerprint, place.path)
    named = OpenAIUpstream(place.url)
    try:
        return named.fingerprint(place.model)
    finally:
        await named.aclose()


def read_unlearning(path: Path) -> dict[str, Any]:
    """Read an unlearning certificate as JSON; whether it is sound, `lethe certificate verify` says."""
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidInput(f"cannot read the unlearning certificate {path}: {error.strerror}") from error
    except ValueError as error:
        raise InvalidInput(f"{path} is not JSON; restore the file or unlearn again") from error
    if not isinstance(body, dict):
        raise InvalidInput(f"{path} is no certificate: it holds no JSON object")
    return body


def unlearning_in_brief(body: Mapping[str, Any] | None) -> tuple[str, str]:
    """Give the method and in a few words what is promised, as the certificate says: nothing is verified."""
    if body is None:
        return "", ""
    promise = body.get("promise")
    return str(body.get("method", "unnamed")), _promised(promise if isinstance(promise, dict) else {})


def _promised(promise: dict[str, Any]) -> str:
    match promise:
        case {
            "kind": "indistinguishable",
            "epsilon": float() | int() as epsilon,
            "delta": float() | int() as delta,
        }:
            return f"(ε, δ) = ({epsilon:g}, {delta:.3g})"
        case {"kind": "exact_retrain", "rows": int(rows)}:
            return f"weights of retraining, up to {rows} rows"
        case {"kind": "nothing"}:
            return "nothing"
        case _:
            return str(promise.get("kind", "not stated"))
