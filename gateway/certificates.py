"""Certificates as files and in the store: read, write, activate. Knows no statistics."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from calibration.certificate import Certificate
from calibration.explanation import in_one_sentence
from calibration.issue import verify
from gateway.errors import InvalidInput, NotFound
from gateway.store.store import Store

__all__ = [
    "activate_certificate",
    "activate_stored",
    "certificate_kept",
    "read_certificate",
    "require_servable",
    "stored_certificate",
    "write_certificate",
]


def read_certificate(path: Path) -> Certificate:
    """Read a certificate file. Raises ``InvalidInput`` if it is missing, damaged or edited."""
    try:
        return Certificate.from_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidInput(f"cannot read the certificate {path}: {error.strerror}") from error
    except ValueError as error:
        raise InvalidInput(f"{path}: {error}") from error


def stored_certificate(body: Mapping[str, Any]) -> Certificate:
    """Read a certificate as the store keeps it. Raises ``InvalidInput`` if it is damaged or edited."""
    try:
        return Certificate.from_json(json.dumps(body))
    except ValueError as error:
        raise InvalidInput(f"a certificate of the store cannot be read: {error}") from error


def write_certificate(certificate: Certificate, path: Path) -> None:
    """Write it whole or not at all: a file that stood there before stays until the new one is complete."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_text(certificate.to_json(), encoding="utf-8")
        os.replace(partial, path)
    except OSError as error:
        raise InvalidInput(f"cannot write {path}: {error.strerror}") from error


def require_servable(certificate: Certificate) -> None:
    """Refuse one that does not follow from its evidence, or lets nothing out. Raises ``InvalidInput``."""
    if problems := verify(certificate):
        raise InvalidInput(f"certificate {certificate.id} is not sound ({problems[0].part}); calibrate again")
    if certificate.threshold is None:
        raise InvalidInput(f"certificate {certificate.id} lets nothing out. {in_one_sentence(certificate)}")


async def certificate_kept(store: Store, certificate_id: str) -> Certificate:
    """Read one that the store has, in force or not. Raises ``NotFound``, and ``InvalidInput`` if it is damaged."""
    for kept in await store.certificates():
        if kept.id == certificate_id:
            return stored_certificate(kept.body)
    raise NotFound("there is no certificate with this id; `lethe certificate list` names those there are")


async def activate_stored(store: Store, certificate_id: str) -> int:
    """Put one in force that the store has. Raises ``NotFound``, and ``InvalidInput`` as ``require_servable``."""
    require_servable(await certificate_kept(store, certificate_id))
    return await store.activate_certificate(certificate_id)


async def activate_certificate(store: Store, certificate: Certificate) -> int:
    """Keep it in the store and put it in force. Returns the policy's new revision."""
    await store.put_certificate(certificate.id, json.loads(certificate.to_json()))
    return await store.activate_certificate(certificate.id)
