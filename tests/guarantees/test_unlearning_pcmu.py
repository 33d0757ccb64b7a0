"""PCMU's promises against enumeration, an adversary who picks the deletions, and the optimal attacker."""

from __future__ import annotations

from itertools import combinations
from math import exp

import numpy as np
import pytest
from scipy.stats import binom, multinomial

from unlearners.bags import Bags
from unlearners.data import Dataset
from unlearners.pcmu.accounting import deletion_shift, majority_budget, sampled_epsilon
from unlearners.pcmu.bag_task import BagTask
from unlearners.pcmu.codes import code_probabilities, radius, smoothed_codes
from unlearners.pcmu.descent import descend, trajectory
from unlearners.pcmu.exact import exact_budget
from unlearners.pcmu.sampling import sampled_codes
from unlearners.pcmu.settings import PcmuSettings
from unlearners.pcmu.task import PcmuTask
from unlearners.pcmu.tasks import LinearTask
from unlearners.pcmu.unlearner import Pcmu

from .conftest import Note
from .harness import SURE, check_kept

pytestmark = pytest.mark.guarantee

MAJORITY = PcmuSettings("majority", sigma=0.02, threshold=0.02, steps=2, rate=0.1)


def problem(seed: int, rows: int, features: int = 2, spread: float = 0.3) -> LinearTask:
    """Draw two noisy classes around opposite directions of equal components."""
    rng = np.random.default_rng(seed)
    labels = np.concatenate([[0, 1], rng.integers(0, 2, rows - 2)])
    points = (2 * labels - 1)[:, None] + spread * rng.standard_normal((rows, features))
    return LinearTask(Dataset(points, labels, ("a", "b")).with_unit_rows())


def codes_without(task: PcmuTask, settings: PcmuSettings, gone: tuple[int, ...]) -> bytes:
    """Train without some rows and return every code."""
    alive = np.ones(task.data.rows, dtype=np.bool_)
    alive[list(gone)] = False
    return trajectory(task, settings, alive, 0)[1].tobytes()


def changes(task: PcmuTask, settings: PcmuSettings, deleted: int) -> bool:
    """Say whether some deletion of exactly so many rows changes a code, by trying them all."""
    whole = codes_without(task, settings, ())
    rows = range(task.data.rows)
    return any(codes_without(task, settings, gone) != whole for gone in combinations(rows, deleted))


def test_no_deletion_within_the_budget_changes_a_code(note: Note) -> None:
    """Every deletion of up to B' rows is tried, in 40 problems, most with a budget above 0."""
    budgets, tried, wrong = [], 0, 0
    for seed in range(40):
        task = problem(seed, rows=20)
        budget = Pcmu(task, MAJORITY).budget(Pcmu(task, MAJORITY).train(seed=0))
        budgets.append(budget)
        for deleted in range(1, budget + 1):
            tried += 1
            wrong += changes(task, MAJORITY, deleted)
    note("PCMU majority, all deletions within the budget", wrong, tried, 0.0)
    assert 0 == wrong
    assert sum(budget >= 1 for budget in budgets) >= 20
    assert max(budgets) >= 2


def test_the_exact_budget_is_what_enumeration_finds() -> None:
    """No deletion of that many rows changes a code, and some deletion of one more does; B' is never more."""
    settings = PcmuSettings("majority", sigma=0.1, threshold=0.1, steps=3, rate=0.5)
    exact = []
    for seed in range(30):
        task = problem(seed, rows=12, spread=0.8)
        found = exact_budget(task, settings, 0)
        exact.append(found)
        assert not any(changes(task, settings, deleted) for deleted in range(1, found + 1))
        assert found == 11 or changes(task, settings, found + 1)
        assert Pcmu(task, settings).budget(Pcmu(task, settings).train(seed=0)) <= found
    assert {0, 1, 2} <= set(exact)


def worst_deletions(task: LinearTask, settings: PcmuSettings, deleted: int) -> list[tuple[int, ...]]:
    """Pick rows as an adversary who sees all: the extreme ones on each side, by step and coordinate."""
    alive = np.ones(task.data.rows, dtype=np.bool_)
    weights, picked = task.start(0), []
    for step in descend(task, settings, weights, alive, seed=0):
        order = np.argsort(task.gradients(weights), axis=0)
        for column in range(task.size):
            picked += [tuple(order[:deleted, column]), tuple(order[-deleted:, column])]
        weights = step.weights
    return picked


def test_an_adversary_changes_no_code_within_the_budget_and_some_beyond_it() -> None:
    """300 rows, deletions picked by their gradients: nothing up to B', a change one row beyond the exact one."""
    for seed in range(10):
        task = problem(seed, rows=300, spread=1.0)
        whole = codes_without(task, MAJORITY, ())
        budget = Pcmu(task, MAJORITY).budget(Pcmu(task, MAJORITY).train(seed=0))
        assert budget >= 10
        for gone in worst_deletions(task, MAJORITY, budget):
            assert codes_without(task, MAJORITY, gone) == whole
        beyond = exact_budget(task, MAJORITY, 0) + 1
        assert any(codes_without(task, MAJORITY, g) != whole for g in worst_deletions(task, MAJORITY, beyond))


def opposed(rows: int, against: int, clip: float = 1e-3) -> LinearTask:
    """One feature; all rows pull one way with gradient M except ``against``, which pull the other way."""
    labels = np.array([0] * against + [1] * (rows - against))
    return LinearTask(Dataset(np.ones((rows, 1)), labels, ("no", "yes")), clip=clip)


def test_a_budget_from_a_radius_twice_too_large_is_caught() -> None:
    """On the data where 2kM/n is reached, doubling R' promises a deletion that changes a code."""
    clip, rows = 1e-3, 40
    task = opposed(rows, against=12, clip=clip)
    gradient = task.mean_gradient(task.start(0), np.ones(rows, dtype=np.bool_))
    # -(28 - 12)/40 M = -.4 M; without all twelve it is -M: place τ* between, nearer to where it is
    settings = PcmuSettings("majority", sigma=1e-7, threshold=0.6 * clip, steps=1, rate=0.1)
    margin = float(radius(gradient, settings.threshold, settings.sigma)[0])
    whole = codes_without(task, settings, ())

    def unchanged(deleted: int) -> bool:
        return codes_without(task, settings, tuple(range(deleted))) == whole

    budget = majority_budget(margin, rows, clip)
    assert budget >= 3
    assert unchanged(budget)
    assert not unchanged(majority_budget(2 * margin, rows, clip))


def test_radii_found_by_sampling_hold_with_their_confidence(note: Note) -> None:
    """A training misses if any decided code is not the smoothed one or any radius exceeds the exact one."""
    level, reps, misses, positive = 0.05, 2000, 0, 0
    rng = np.random.default_rng(5)
    for _ in range(reps):
        gradient = rng.uniform(-2, 2, 3)
        found = sampled_codes(gradient, 1.0, 1.0, draws=200, failure=level, steps=1, rng=rng)
        decided = found.radii > 0
        wrong = (found.codes != smoothed_codes(gradient, 1.0, 1.0)) | (found.radii > radius(gradient, 1.0, 1.0))
        misses += bool((decided & wrong).any())
        positive += int(decided.sum())
    note("PCMU radii by sampling", misses, reps, level)
    check_kept(misses, reps, level)
    assert positive >= reps


ROWS, STEPS, DELTA = 20, 30, 0.01
CLIP = 1e-3


def law_of_counts(gradient: float, sigma: float, threshold: float) -> np.ndarray:
    """Return the law of how often each code is drawn in all steps, which is all there is to see here."""
    chances = code_probabilities(np.array(gradient), threshold, sigma)
    counts = [(i, j, STEPS - i - j) for i in range(STEPS + 1) for j in range(STEPS + 1 - i)]
    return multinomial(STEPS, chances).pmf(counts)


def best_advantage(sigma: float, threshold: float, epsilon: float, deleted: int = 1) -> float:
    """Return the optimal attacker's P(S) - e^ε P'(S), the worse of both directions, without and with the rows."""
    task = opposed(ROWS, against=deleted, clip=CLIP)
    everyone = np.ones(ROWS, dtype=np.bool_)
    laws = []
    for alive in (everyone, np.arange(ROWS) >= deleted):
        laws.append(law_of_counts(float(task.mean_gradient(task.start(0), alive)[0]), sigma, threshold))
    forth, back = (np.maximum(p - exp(epsilon) * q, 0).sum() for p, q in (laws, laws[::-1]))
    return float(max(forth, back))


@pytest.mark.parametrize("share", [0.0, 0.5, 0.95, 2.0])
@pytest.mark.parametrize("epsilon", [0.25, 1.0, 3.0])
def test_the_optimal_attacker_does_not_beat_the_sampled_promise(share: float, epsilon: float) -> None:
    """On the data where the shift is reached, for several thresholds in the unit of one gradient.

    A quarter of the noise is caught where the threshold lies between the two means (elsewhere codes hide much).
    """
    sigma = 1e-6
    while sampled_epsilon(1, DELTA, rows=ROWS, steps=STEPS, clip=CLIP, sigma=sigma) > epsilon:
        sigma *= 1.01
    threshold = share * CLIP
    assert best_advantage(sigma, threshold, epsilon) <= DELTA
    assert best_advantage(sigma, threshold, 0.0) > DELTA
    if share == 0.95:
        assert best_advantage(sigma / 4, threshold, epsilon) > DELTA


def test_the_shipped_training_draws_the_codes_of_that_law() -> None:
    """So that the enumeration above is about the code that runs: 600 trainings, their number of -1."""
    task = opposed(ROWS, against=1, clip=CLIP)
    settings = PcmuSettings("sampled", sigma=2e-3, threshold=1e-3, steps=STEPS, rate=1e-3)
    everyone = np.ones(ROWS, dtype=np.bool_)
    gradient = task.mean_gradient(task.start(0), everyone)
    chance = code_probabilities(gradient, settings.threshold, settings.sigma)[0, 0]
    seen = sum(int((trajectory(task, settings, everyone, seed)[1] == -1).sum()) for seed in range(600))
    assert 2 * min(binom.cdf(seen, 600 * STEPS, chance), binom.sf(seen - 1, 600 * STEPS, chance)) >= SURE


def test_the_shift_of_a_mean_is_reached_and_not_exceeded() -> None:
    """2kM/n on the opposed data to rounding; never more on random gradients of norm at most M."""
    task = opposed(ROWS, against=3, clip=CLIP)
    start, everyone = task.start(0), np.ones(ROWS, dtype=np.bool_)
    moved = task.mean_gradient(start, everyone) - task.mean_gradient(start, np.arange(ROWS) >= 3)
    assert pytest.approx(deletion_shift(3, ROWS, CLIP)) == abs(moved[0])
    rng = np.random.default_rng(1)
    for _ in range(500):
        rows = rng.standard_normal((9, 4))
        rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1)
        deleted = int(rng.integers(1, 9))
        assert np.linalg.norm(rows.mean(0) - rows[deleted:].mean(0)) <= deletion_shift(deleted, 9, 1.0)


def spoken(seed: int, units: int = 20) -> BagTask:
    """Draw units of one to four tokens, and a public head that none of them has made."""
    rng = np.random.default_rng(seed)
    of = np.repeat(np.arange(units), rng.integers(1, 5, units))
    labels = rng.integers(0, 2, len(of))
    features = np.stack([2.0 * labels - 1, np.ones(len(of))], axis=1) + 0.2 * rng.standard_normal((len(of), 2))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    data = Bags(features, labels, of, 2, tuple(map(str, range(units))))
    return BagTask(data, 0.3 * rng.standard_normal((2, 2)), clip=0.3)


def test_a_head_on_units_covers_no_deletion_that_changes_a_code(note: Note) -> None:
    """Every deletion of up to B' whole units is tried; where the exact budget is small, enumeration finds it."""
    settings = PcmuSettings("majority", sigma=0.05, threshold=0.05, steps=2, rate=0.1)
    tried, wrong, budgets, exact = 0, 0, [], []
    for seed in range(24):
        task = spoken(seed)
        budgets.append(Pcmu(task, settings).budget(Pcmu(task, settings).train(seed=0)))
        exact.append(exact_budget(task, settings, 0))
        for deleted in range(1, budgets[-1] + 1):
            tried += 1
            wrong += changes(task, settings, deleted)
        assert budgets[-1] <= exact[-1]
        if exact[-1] <= 1:
            assert changes(task, settings, exact[-1] + 1)
            assert not any(changes(task, settings, deleted) for deleted in range(1, exact[-1] + 1))
    note("PCMU head on units, all deletions within the budget", wrong, tried, 0.0)
    assert 0 == wrong
    assert sum(budget >= 1 for budget in budgets) >= 8
    assert min(exact) == 0
