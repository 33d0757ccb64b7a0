"""An unlearning certificate in plain words. Knows no method: it says what the certificate says."""

from __future__ import annotations

from unlearners.bags import BAGGED
from unlearners.certificate import DataSeen, Limited, Remaining, UnlearningCertificate, Unlimited
from unlearners.counted import counted
from unlearners.promise import NothingPromised, promise_words

__all__ = ["DIALOGUE", "UNIT", "data_words", "explain", "noun_of"]

UNIT = "unit"
"""The parameter that says what the data are made of, where they are not rows."""
DIALOGUE = "dialogue"

OF_TOKENS = "low-rank updates"
"""How the parameter ``model`` begins where a unit has tokens and no features."""


def explain(certificate: UnlearningCertificate) -> str:
    """Say what is promised, about which data, under which assumptions, what is left and what it cost."""
    return "\n".join([*_promised(certificate), *_assumed(certificate), *_spent(certificate)]) + "\n"


def noun_of(certificate: UnlearningCertificate) -> str:
    """Return what one of the data is called: a row, a dialogue, or a unit of several."""
    if BAGGED in certificate.assumptions:
        return "unit"
    return DIALOGUE if certificate.parameters.get(UNIT) == DIALOGUE else "row"


def data_words(certificate: UnlearningCertificate, data: DataSeen) -> str:
    """Say how many data of what size there are, and their digest, in the certificate's own nouns."""
    noun = noun_of(certificate)
    tokens = noun == DIALOGUE or str(certificate.parameters.get("model")).startswith(OF_TOKENS)
    size = f"up to {counted(data.features, 'token')}" if tokens else counted(data.features, "feature")
    return f"{counted(data.rows, noun)} of {size} with digest {data.sha256[:16]}"


def _promised(certificate: UnlearningCertificate) -> list[str]:
    noun = noun_of(certificate)
    gone = sum(len(one.rows) for one in certificate.served)
    return [
        f"Method: {certificate.method}",
        promise_words(certificate.promise, noun),
        f"Data: {data_words(certificate, certificate.data)}",
        f"Forgotten: {counted(gone, noun)} in {counted(len(certificate.served), 'request')}",
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
    noun = noun_of(certificate)
    return [
        f"Remaining: {_remaining(certificate.remaining, noun)}",
        f"Spent on unlearning: {counted(spent, 'gradient evaluation')}, one for each {noun}{share}",
        f"Seed: {seed}",
        f"Certificate: {certificate.id}, {certificate.created}",
    ]


def _remaining(remaining: Remaining, noun: str) -> str:
    match remaining:
        case Unlimited(note):
            return f"any number of requests; {note}"
        case Limited(rows, afterwards):
            return f"{rows} more {noun}" + ("" if rows == 1 else "s") + f"; then {afterwards}"
