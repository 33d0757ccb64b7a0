"""An unlearning certificate in plain words. Knows no method: it says what the certificate says."""

from __future__ import annotations

from unlearners.certificate import Limited, Remaining, UnlearningCertificate, Unlimited
from unlearners.promise import NothingPromised, promise_words

__all__ = ["explain"]


def explain(certificate: UnlearningCertificate) -> str:
    """Say what is promised, about which data, under which assumptions, what is left and what it cost."""
    return "\n".join([*_promised(certificate), *_assumed(certificate), *_spent(certificate)]) + "\n"


def _promised(certificate: UnlearningCertificate) -> list[str]:
    data = certificate.data
    rows = sum(len(one.rows) for one in certificate.served)
    return [
        f"Method: {certificate.method}",
        promise_words(certificate.promise),
        f"Data: {data.rows} rows of {data.features} features, digest {data.sha256[:16]}",
        f"Forgotten: {rows} rows in {len(certificate.served)} requests",
    ]


def _assumed(certificate: UnlearningCertificate) -> list[str]:
    if isinstance(certificate.promise, NothingPromised) or not certificate.assumptions:
        return []
    return ["The promise holds if:", *(f"  - {one}" for one in certificate.assumptions)]


def _spent(certificate: UnlearningCertificate) -> list[str]:
    spent, training = certificate.gradients_spent, certificate.training_gradients
    share = f" ({100 * spent / training:.2f} % of the training's {training})" if training else ""
    seed = (
        "not named here; whoever knows it can take the noise off"
        if certificate.seed is None
        else str(certificate.seed)
    )
    return [
        f"Remaining: {_remaining(certificate.remaining)}",
        f"Spent on unlearning: {spent} per-sample gradient evaluations{share}",
        f"Seed: {seed}",
        f"Certificate: {certificate.id}, {certificate.created}",
    ]


def _remaining(remaining: Remaining) -> str:
    match remaining:
        case Unlimited(note):
            return f"any number of requests; {note}"
        case Limited(rows, afterwards):
            return f"{rows} more rows; then {afterwards}"
