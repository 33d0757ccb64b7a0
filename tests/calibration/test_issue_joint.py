"""Certificates of a joint choice: bound to what was chosen, and borne out by the exact test."""

from __future__ import annotations

from dataclasses import replace

import pytest

from calibration.certificate import Applies, Certificate, Mismatch, applies_to, sealed
from calibration.explanation import explain
from calibration.issue import verify
from calibration.issue_joint import issue_joint_certificate
from calibration.joint import JointChoice, Limits
from calibration.ltt import reached_by_mapie
from calibration.outcome import Certified, Infeasible
from calibration.trajectories import Bindings, Recording

from .samples import BINDINGS, CREATED, recording

OTHER = replace(BINDINGS, refinement="unaware-1")
LIMITS = Limits(0.1, 0.15, 0.6)


def issued(limits: Limits = LIMITS, **options: object) -> Certificate:
    """A certificate from two strategies' recordings."""
    recordings = {
        "revise": recording(400, 200),
        "unaware": Recording(OTHER, recording(400, 200, seed=1).trajectories),
    }
    chosen = {"confidence": 0.95, "rounds": (1, 2, 3), "seed": 0, "created": CREATED} | options
    return issue_joint_certificate(recordings, limits, **chosen)  # type: ignore[arg-type]


CERTIFICATE = issued()


@pytest.mark.parametrize(
    "certificate", [CERTIFICATE, issued(reached=reached_by_mapie), issued(Limits(0.01, 0.15))]
)
def test_it_comes_back_as_it_was_and_bears_itself_out(certificate: Certificate) -> None:
    """By either engine, feasible or not."""
    assert Certificate.from_json(certificate.to_json()) == certificate
    assert verify(certificate) == ()


def test_it_binds_the_chosen_strategy_and_rounds() -> None:
    """Another strategy, or one more round, and it does not apply."""
    choice = CERTIFICATE.joint
    assert isinstance(choice, JointChoice)
    where = choice.chosen.configuration
    bound = {"revise": BINDINGS, "unaware": OTHER}[where.strategy]
    now: Bindings = replace(bound, rounds=where.rounds, prompts="")
    assert applies_to(CERTIFICATE, now) == Applies(where.threshold)
    assert applies_to(CERTIFICATE, replace(now, rounds=where.rounds + 1)) == Mismatch(("rounds",))
    assert applies_to(CERTIFICATE, replace(now, refinement="else")) == Mismatch(("refinement",))
    assert CERTIFICATE.covers_subsets
    assert not CERTIFICATE.may_tighten


def test_the_promise_is_the_tested_one_and_the_figures_are_of_the_chosen_rounds() -> None:
    """Two thirds of the units tested; all are in the figures."""
    assert isinstance(CERTIFICATE.served, Certified)
    assert isinstance(CERTIFICATE.joint, JointChoice)
    assert CERTIFICATE.served == CERTIFICATE.joint.outcome
    assert CERTIFICATE.served.n == 267
    assert CERTIFICATE.figures is not None
    assert CERTIFICATE.figures.forget_generations.prompts == 400
    assert CERTIFICATE.figures.forget_generations.always == CERTIFICATE.joint.chosen.configuration.rounds
    assert "at most 15 % of benign prompts lose their first answer, at most 60 % of forget" in explain(CERTIFICATE)


def test_where_nothing_passes_nothing_is_served() -> None:
    """With the reason; there is no evidence to show."""
    certificate = issued(Limits(0.01, 0.15))
    assert isinstance(certificate.served, Infeasible)
    assert certificate.joint is None
    assert certificate.figures is None


def test_evidence_that_does_not_bear_the_promise_out_is_noticed() -> None:
    """More leaks than pass, a threshold off the evidence, another level, or none at all."""
    choice, served = CERTIFICATE.joint, CERTIFICATE.served
    assert isinstance(choice, JointChoice)
    assert isinstance(served, Certified)
    worse = replace(choice.passed[0], leaks=60)
    dear = replace(choice.chosen, generations=9.0)
    for changed, parts in (
        ({"joint": replace(choice, passed=(worse, *choice.passed[1:]))}, {"joint"}),
        ({"joint": replace(choice, passed=(replace(choice.chosen, changed=90),))}, {"joint"}),
        ({"joint": replace(choice, passed=(replace(choice.chosen, refused=266),))}, {"joint"}),
        ({"joint": replace(choice, passed=(*choice.passed, worse))}, {"joint"}),
        ({"joint": replace(choice, passed=(dear,))}, {"joint"}),
        ({"served": replace(served, threshold=1.0)}, {"served"}),
        ({"level": 0.2}, {"joint", "expectation", "confident"}),
        ({"joint": None}, {"joint"}),
    ):
        forged = sealed(replace(CERTIFICATE, **changed))  # type: ignore[arg-type]
        assert {problem.part for problem in verify(forged)} == parts
