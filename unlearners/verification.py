"""Checks of an unlearning certificate against its own numbers. Knows each method's accountant, no weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

from unlearners.certificate import UnlearningCertificate
from unlearners.langevin import certificate as langevin_certificate
from unlearners.pcmu import certificate as pcmu_certificate
from unlearners.promise import NothingPromised
from unlearners.weights import check_weights

__all__ = ["Recompute", "verify", "verify_in"]

Recompute: TypeAlias = Callable[[UnlearningCertificate], tuple[str, ...]]
"""Computes a method's promise again from ``parameters`` and ``served``, and returns what disagrees."""

RECOMPUTE: Mapping[str, Recompute] = {
    langevin_certificate.METHOD: langevin_certificate.recompute,
    pcmu_certificate.METHOD: pcmu_certificate.recompute,
}
"""By method. A certificate of a method that is not here may promise nothing."""


def verify(certificate: UnlearningCertificate) -> tuple[str, ...]:
    """Return the problems found, none for a sound certificate. Never raises for one that was decoded."""
    problems = []
    if certificate.id != certificate.expected_id:
        problems.append(f"the id {certificate.id!r} does not match the content: damaged or edited")
    try:
        problems += RECOMPUTE.get(certificate.method, _unknown)(certificate)
    except (ArithmeticError, KeyError, TypeError, ValueError) as error:
        problems.append(f"the promise cannot be computed again: {error}")
    return tuple(problems)


def verify_in(certificate: UnlearningCertificate, directory: Path) -> tuple[str, ...]:
    """Return the problems found with a certificate and the weights in its directory, a run's or a checkpoint."""
    return (*verify(certificate), *check_weights(certificate, directory))


def _unknown(certificate: UnlearningCertificate) -> tuple[str, ...]:
    if isinstance(certificate.promise, NothingPromised):
        return ()
    return (f"the promise of the method {certificate.method!r} cannot be computed again by this version",)
