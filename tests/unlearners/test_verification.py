"""Certificates of methods that this version cannot recompute."""

from dataclasses import replace

import pytest

from unlearners.certificate import DataSeen, UnlearningCertificate, Unlimited, sealed
from unlearners.promise import ExactRetrain, Indistinguishable, NothingPromised
from unlearners.verification import verify

UNKNOWN = sealed(
    UnlearningCertificate(
        "", "2026-01-31T12:00:00+00:00", "magic", NothingPromised("a heuristic"), DataSeen("00", 3, 2), {}, (), (),
        Unlimited("none is promised"), 0, 0, None,
    )
)  # fmt: skip


def test_nothing_promised_by_an_unknown_method_is_sound():
    """There is nothing to compute."""
    assert () == verify(UNKNOWN)


@pytest.mark.parametrize("promise", [Indistinguishable(1.0, 1e-5, "deletion", "tight"), ExactRetrain(3, 0.0)])
def test_a_promise_of_an_unknown_method_is_a_problem(promise):
    """Not silently sound."""
    (problem,) = verify(sealed(replace(UNKNOWN, promise=promise)))
    assert "the promise of the method 'magic' cannot be computed again" in problem
