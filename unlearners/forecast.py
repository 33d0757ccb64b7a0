"""What the next request will get and cost, by a certificate. Knows each method's accountant, no weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from unlearners.certificate import Limited, UnlearningCertificate
from unlearners.counted import counted
from unlearners.explanation import noun_of
from unlearners.langevin import certificate as langevin
from unlearners.langevin.plan import plan
from unlearners.pcmu import certificate as pcmu
from unlearners.promise import ExactRetrain, Indistinguishable
from unlearners.protocol import ForgetRequest, Refused

__all__ = ["forecast"]

TOGETHER = 10
"""How many are also tried in one request, to show what asking together costs."""


def forecast(certificate: UnlearningCertificate) -> tuple[str, ...]:
    """Say what each further deletion gets, what it costs and how many there can be; nothing for the heuristics."""
    return _BY_METHOD.get(certificate.method, _nothing)(certificate)


def _nothing(certificate: UnlearningCertificate) -> tuple[str, ...]:
    return ()


def _langevin(certificate: UnlearningCertificate) -> tuple[str, ...]:
    settings, process = langevin.process_of(certificate)
    noun, rows = noun_of(certificate), certificate.data.rows
    gone = {row for one in certificate.served for row in one.rows}
    left = [row for row in range(rows) if row not in gone]
    told = [
        f"Each deletion gets (epsilon, delta) = ({settings.epsilon:g}, {settings.delta:.3g}) against retraining "
        f"without it, however many {noun}s were deleted before:"
    ]
    for many in (1, TOGETHER):
        if many >= len(left):
            continue
        try:
            (planned,) = plan(settings, process, certificate.served, [ForgetRequest(tuple(left[:many]))])
            share = planned.epochs / settings.training_epochs
            epochs, gradients = counted(planned.epochs, "epoch"), planned.epochs * rows
            cost = f"{epochs} ({share:.0%} of the training), {gradients} gradients"
        except Refused as refused:
            cost = f"refused: {refused}"
        told.append(f"  {counted(many, noun)} in the next request: {cost}")
    return tuple(told)


def _pcmu(certificate: UnlearningCertificate) -> tuple[str, ...]:
    noun, left = noun_of(certificate), certificate.remaining
    if not isinstance(left, Limited) or left.rows < 1:
        return (f"No deletion is covered: the budget is 0 {noun}s, and every request will be refused.",)
    match certificate.promise:
        case Indistinguishable(epsilon, delta):
            gets = (
                f"(epsilon, delta) = ({epsilon:g}, {delta:.3g}) against retraining without all that were forgotten"
            )
        case ExactRetrain():
            gets = "the very weights of retraining"
        case _:
            gets = "nothing"
    return (
        f"{counted(left.rows, f'more {noun}')} can be deleted, in one request or several, at no cost: "
        f"each gets {gets}.",
        "The first request beyond that is refused: retrain then.",
    )


_BY_METHOD: Mapping[str, Callable[[UnlearningCertificate], tuple[str, ...]]] = {
    langevin.METHOD: _langevin,
    pcmu.METHOD: _pcmu,
}
