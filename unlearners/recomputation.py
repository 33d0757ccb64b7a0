"""A certificate held field by field against the one that its own numbers call for. Knows no method."""

from __future__ import annotations

import math
from collections.abc import Sequence

from unlearners.certificate import Parameter, Served, UnlearningCertificate
from unlearners.protocol import ForgetRequest
from unlearners.requests import check_rows

__all__ = ["WEIGHTS", "differences", "served_problems"]

WEIGHTS = "weights"
"""The parameter that holds the digest of the published weights; see ``unlearners.weights``."""

DERIVED = ("promise", "seed", "assumptions", "served", "remaining", "gradients_spent", "training_gradients")

SENTENCES = {
    "promise": "the promise is not the one that the parameters aim at",
    "seed": "its seed stands in it, by which the noise that it rests on can be taken off",
    "assumptions": "the assumptions are not those that the promise rests on",
    "served": "the requests are not written as they are served",
    "remaining": "the remaining budget is wrong",
    "gradients_spent": "the gradient evaluations do not follow from the epochs",
    "training_gradients": "the training's gradient evaluations do not follow from its settings",
}


def differences(found: UnlearningCertificate, expected: UnlearningCertificate) -> tuple[str, ...]:
    """Return what disagrees, a sentence each. The digests of data, start and weights follow from nothing here."""
    problems = [SENTENCES[name] for name in DERIVED if getattr(found, name) != getattr(expected, name)]
    names = sorted({*found.parameters, *expected.parameters} - {WEIGHTS})
    for name in names:
        problems += _parameter(name, found.parameters.get(name), expected.parameters.get(name))
    return tuple(problems)


def _parameter(name: str, found: Parameter | None, expected: Parameter | None) -> list[str]:
    if expected is None:
        return [f"the parameter {name!r} is none of this method's"]
    if found is None:
        return [f"the parameter {name!r} is missing: it should be {expected!r}"]
    if isinstance(found, int | float) and isinstance(expected, float) and not isinstance(found, bool):
        same = math.isclose(found, expected, rel_tol=1e-9)
    else:
        same = type(found) is type(expected) and found == expected
    return [] if same else [f"{name} should be {expected!r}, not {found!r}"]


def served_problems(rows: int, served: Sequence[Served], *, whole_epochs: bool) -> tuple[str, ...]:
    """Return what cannot be about the requests: a row that is not there or gone already, a part of an epoch."""
    problems = []
    try:
        check_rows(rows, (), [ForgetRequest(one.rows) for one in served])
    except ValueError as error:
        problems.append(f"the requests cannot be: {error}")
    if whole_epochs and any(one.epochs < 1 or one.epochs != int(one.epochs) for one in served):
        problems.append("a request takes a whole number of epochs, at least one")
    return tuple(problems)
