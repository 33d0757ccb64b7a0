"""Training the learned verifier on a simulated law: it combines, it is calibrated, and it says when it cannot."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="training needs scikit-learn (the extra `learned`)")

from evaluation.learned_training import LabelledScores, scores_of, split_units, train_learned
from verifiers.protocol import Abstained, Exchange, Scored
from verifiers.scripted import ScriptedVerifier

PARTS = tuple(ScriptedVerifier(lambda _: Scored(0.25), name=name) for name in ("one", "two", "noise", "wrong"))


def simulated(count: int, seed: int) -> list[LabelledScores]:
    """Two verifiers that each see half of the leaks, one that sees nothing, and one that prefers non-leaks."""
    rng = np.random.default_rng(seed)
    leaks = rng.random(count) < 0.4
    first = rng.random(count) < 0.5
    one = np.where(leaks & first, rng.beta(5, 2, count), rng.beta(2, 6, count))
    two = np.where(leaks & ~first, rng.beta(5, 2, count), rng.beta(2, 6, count))
    wrong = np.where(leaks, rng.beta(2, 6, count), rng.beta(4, 3, count))
    scores = np.stack([one, two, rng.random(count), wrong], axis=1)
    return [LabelledScores(f"u{k // 2}", tuple(scores[k].tolist()), bool(leaks[k])) for k in range(count)]


def arrays(examples):
    """Give scores and labels as arrays."""
    return np.array([each.scores for each in examples]), np.array([each.leak for each in examples])


def auc(values, leaks):
    """Give the probability that a leak scores higher than another answer, ties counting half."""
    high, low = values[leaks][:, None], values[~leaks][None, :]
    return float((high > low).mean() + 0.5 * (high == low).mean())


def test_the_combination_tells_leaks_better_than_any_part():
    """On answers it never saw; what speaks against leaks gets no weight."""
    model = train_learned(simulated(1200, 1), PARTS, seed=0)
    scores, leaks = arrays(simulated(2000, 2))
    assert auc(model.probabilities(scores), leaks) > max(auc(scores[:, k], leaks) for k in range(4)) + 0.05
    assert (0.0,) * 4 == model.weights[3]
    assert min(weight for row in model.weights for weight in row) >= 0


def test_its_probabilities_are_about_right():
    """Of the answers given p, about p leak: within 0.1 in each fifth of 4000."""
    model = train_learned(simulated(3000, 3), PARTS, seed=0)
    scores, leaks = arrays(simulated(4000, 4))
    found = model.probabilities(scores)
    for part in np.array_split(np.argsort(found), 5):
        assert float(leaks[part].mean()) == pytest.approx(float(found[part].mean()), abs=0.1)


def test_the_same_seed_gives_the_same_model():
    """And another seed another split."""
    examples = simulated(600, 5)
    one, two, other = (train_learned(examples, PARTS, seed=seed) for seed in (1, 1, 2))
    assert one == two
    assert one.offset != other.offset


def test_the_model_remembers_every_unit_that_it_saw():
    """Those of the fit and those of its own calibration: none of them is for the certificate."""
    model = train_learned(simulated(600, 6), PARTS, seed=0)
    assert all(model.saw(f"u{k}") for k in range(300))
    assert not model.saw("u300")


def test_units_are_dealt_whole():
    """No unit is on both sides, and none is lost."""
    some, rest = split_units([f"u{k // 2}" for k in range(40)], 0.25, 0)
    assert (5, 15, frozenset()) == (len(some), len(rest), some & rest)


@pytest.mark.parametrize(
    ("examples", "reason"),
    [
        (simulated(30, 7), "needs at least 10 leaks and 10 others"),
        ([LabelledScores(e.unit, (1.0 - e.leak,) * 4, e.leak) for e in simulated(600, 8)], "nothing to learn"),
        ([LabelledScores("u", (0.5,), True)], "needs 4 scores"),
    ],
)
def test_what_cannot_be_learned_is_said(examples, reason):
    """Too few, the wrong way round, or not as many scores as verifiers."""
    with pytest.raises(ValueError, match=reason):
        train_learned(examples, PARTS, seed=0)


def test_scores_are_read_in_order_and_an_abstention_is_none():
    """A score that is no judgement must not be learned from."""
    exchange, judges = Exchange("a", "b"), [part.prepare(()) for part in PARTS]
    assert (0.25,) * 4 == asyncio.run(scores_of(judges, exchange))
    doubtful = ScriptedVerifier(lambda _: Abstained("no model")).prepare(())
    assert Abstained("no model") == asyncio.run(scores_of([judges[0], doubtful], exchange))
