"""Langevin unlearning: the best membership attacker never beats (ε, δ), and one with half the noise is caught.

The attacker sees one number, the published weight of a one-dimensional model, and is as strong as can be: rows
pull with the full gradient in one direction, the forgotten row comes last in its epoch, sigma is the least that
the accountant allows, and the attacker is told the start and all noise before the last request's, which the bound
does not count on. Where the loss is linear the weights are Gaussian, so that the attack is exact.
"""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import beta, norm

from unlearners.bags import Bags
from unlearners.langevin.accounting import Process, next_distance, sigma_for
from unlearners.langevin.descent import (
    bag_batches,
    batches,
    descend,
    initial_weights,
    noisy_rule,
    with_alive,
)
from unlearners.langevin.plan import plan
from unlearners.langevin.settings import LangevinSettings
from unlearners.losses import Logistic, Multinomial
from unlearners.protocol import ForgetRequest

from .harness import SURE

pytestmark = pytest.mark.guarantee

EPSILON, DELTA = 2.0, 1e-3
RUNS = 60_000
ROWS, TRAINING = 8, 25


class Pull:
    """The loss -s of the score s, for every row: the largest gradient that M = 1 allows, in one direction."""

    name = "pull"
    outputs = 1
    smoothness = 0.25
    gradient_bound = 1.0
    clips_freely = True

    def residuals(self, scores, labels):
        """Return -1 for label 0, and +1 for label 1."""
        return np.broadcast_to((2.0 * labels - 1.0)[:, None, None], scores.shape)

    def predictions(self, scores):
        """Predict nothing."""
        return np.zeros(scores.shape[:2], dtype=np.int64)


def settings(batch, bound, adjacency, m, sigma=1.0):
    """Return the settings of a small problem."""
    return LangevinSettings(EPSILON, DELTA, sigma, batch, m, TRAINING, 1e4, adjacency=adjacency, bound=bound)


def tightest(case, process, requests=1, rows=1):
    """Return the settings with the least sigma at which one epoch serves each request."""
    sigma = sigma_for(
        process,
        EPSILON,
        DELTA,
        1,
        adjacency=case.adjacency,
        bound=case.bound,
        requests=requests,
        training_epochs=TRAINING,
    )
    return replace(case, sigma=sigma * rows * (1 + 1e-9))


def simulate(loss, process, phases, seed, runs=RUNS, told=True):
    """Run many copies at once: phases of (rows left, labels in place, epochs) one after another.

    ``told``: the start and all noise but that of the last phase are zero, which is what they are worth to an
    attacker who was told them.
    """
    rng = np.random.default_rng(seed)
    weights = np.zeros((runs, 1, 1)) if told else initial_weights(process, (runs, 1, 1), rng)
    for number, (alive, own_labels, epochs) in enumerate(phases):
        rule = noisy_rule(process)
        if told and number < len(phases) - 1:
            rule = replace(rule, noise=0.0)
        cut = with_alive(batches(np.ones((ROWS, 1)), own_labels, np.arange(ROWS), process.batch), alive)
        for moved in descend(weights, cut, loss, rule, (rng for _ in range(epochs))):
            weights = moved
    return weights[:, 0, 0]


def bounds(hits, runs):
    """Return Clopper-Pearson bounds of a rate, each missing with half of SURE."""
    low = beta.ppf(SURE / 2, hits, runs - hits + 1) if hits else 0.0
    high = beta.isf(SURE / 2, hits + 1, runs - hits) if hits < runs else 1.0
    return low, high


def surely_beaten(served, retrained):
    """Say whether an attacker surely exceeds (ε, δ): thresholds chosen on one half, counted on the other."""
    half = RUNS // 2
    for one, other in ((served, retrained), (retrained, served)):
        for sign in (1, -1):
            cuts = np.quantile(sign * one[:half], np.linspace(0.5, 0.9995, 60))
            gains = [
                np.mean(sign * one[:half] > c) - np.exp(EPSILON) * np.mean(sign * other[:half] > c) for c in cuts
            ]
            cut = cuts[int(np.argmax(gains))]
            low, _ = bounds(int(np.sum(sign * one[half:] > cut)), RUNS - half)
            _, high = bounds(int(np.sum(sign * other[half:] > cut)), RUNS - half)
            if low - np.exp(EPSILON) * high > DELTA:
                return True
    return False


def hockey_stick(gap, deviation):
    """Return the least δ at ε for two Gaussians of one deviation: the exact power of the best attacker."""
    mu = gap / deviation
    return norm.cdf(mu / 2 - EPSILON / mu) - np.exp(EPSILON) * norm.cdf(-mu / 2 - EPSILON / mu)


def worlds(case, process, requests, adjacency):
    """Return the phases of the served model and of the retrained one; the last phases are of equal length."""
    planned = plan(case, process, (), requests)
    alive, labels = np.ones(ROWS, dtype=bool), np.zeros(ROWS, dtype=np.int64)
    served = [(alive, labels, TRAINING)]
    for one in planned:
        alive, labels = alive.copy(), labels.copy()
        if adjacency == "deletion":
            alive[list(one.rows)] = False
        else:
            labels[list(one.rows)] = 1
        served.append((alive, labels, one.epochs))
    before = TRAINING + sum(one.epochs for one in planned[:-1])
    return served, [(alive, labels, before), (alive, labels, planned[-1].epochs)]


CASES = [
    pytest.param(settings(8, "tight", "deletion", 0.1), ((7,),), id="full batch"),
    pytest.param(settings(4, "tight", "deletion", 0.1), ((7,),), id="mini-batches"),
    pytest.param(settings(4, "published", "deletion", 0.1), ((7,),), id="mini-batches, published"),
    pytest.param(settings(8, "tight", "replacement", 0.1), ((7,),), id="replacement"),
    pytest.param(settings(4, "tight", "deletion", 0.1), ((7,), (6,), (5,)), id="three in turn"),
    pytest.param(settings(4, "tight", "deletion", 0.1), ((6, 7),), id="two at once"),
    pytest.param(settings(4, "tight", "deletion", 0.0), ((7,),), id="only convex"),
]


def prepared(case, rows, loss):
    """Return the settings with the least sigma for these requests, and the process."""
    process = case.process(ROWS, loss)
    case = tightest(case, process, len(rows), len(rows[0]))
    return case, replace(process, sigma=case.sigma)


@pytest.mark.parametrize(("case", "rows"), CASES)
@pytest.mark.parametrize("loss", [Pull(), Logistic()], ids=["pull", "logistic"])
@pytest.mark.parametrize("told", [True, False], ids=["told the past", "not told"])
def test_the_best_attacker_does_not_beat_the_promise(case, rows, loss, told):
    """Served against retrained, at the least noise that the accountant allows."""
    case, process = prepared(case, rows, loss)
    served, retrained = worlds(case, process, [ForgetRequest(one) for one in rows], case.adjacency)
    one, other = (
        simulate(loss, process, phases, seed, told=told) for seed, phases in enumerate((served, retrained))
    )
    assert not surely_beaten(one, other)


@pytest.mark.parametrize(("case", "rows"), [c for c in CASES if "published" not in c.id])
def test_half_the_noise_is_caught(case, rows):
    """The same harness, the same plan, half of the sigma that it was made for."""
    case, process = prepared(case, rows, Pull())
    served, retrained = worlds(case, process, [ForgetRequest(one) for one in rows], case.adjacency)
    half = replace(process, sigma=process.sigma / 2)
    one, other = (simulate(Pull(), half, phases, seed) for seed, phases in enumerate((served, retrained)))
    assert surely_beaten(one, other)


@pytest.mark.parametrize(("case", "rows"), CASES)
def test_the_exact_attack_on_gaussians_stays_below_delta(case, rows):
    """By the weights' exact distributions; where the noise is halved it does not, so that little is wasted."""
    case, process = prepared(case, rows, Pull())
    served, retrained = worlds(case, process, [ForgetRequest(one) for one in rows], case.adjacency)
    gap = abs(noiseless_end(process, served) - noiseless_end(process, retrained))
    assert hockey_stick(gap, exact_deviation(process, served[-1][2])) <= DELTA
    if case.bound == "tight":
        assert hockey_stick(gap, exact_deviation(process, served[-1][2]) / 2) > DELTA


def noiseless_end(process, phases):
    """Return the mean of the last weight."""
    return float(simulate(Pull(), replace(process, sigma=1e-12), phases, 0, runs=1)[0])


def exact_deviation(process, epochs):
    """Return the deviation of the weight that the last phase's steps make."""
    c = 1 - process.step * process.convexity
    steps = epochs * process.steps_per_epoch
    return np.sqrt(2 * process.step * process.sigma**2 * sum(c ** (2 * k) for k in range(steps)))


@pytest.mark.parametrize(("batch", "adjacency"), [(8, "deletion"), (4, "deletion"), (8, "replacement")])
def test_the_distance_accounted_for_is_reached(batch, adjacency):
    """The tight W∞ bound is no larger than what the worst row does, after a long training."""
    process = Process(ROWS, batch, 0.1, 0.35, 1e-12)
    alive, labels = np.ones(ROWS, dtype=bool), np.zeros(ROWS, dtype=np.int64)
    changed, other = alive.copy(), labels.copy()
    if adjacency == "deletion":
        changed[7] = False
    else:
        other[7] = 1
    ends = [noiseless_end(process, [(rows, own, 100)]) for rows, own in ((alive, labels), (changed, other))]
    accounted = next_distance(process, adjacency, "tight", rows=1)
    assert abs(ends[0] - ends[1]) == pytest.approx(accounted, rel=1e-6)


UNITS_TRAINING = 4
PUBLIC = np.array([[[8.0], [-8.0]]])
"""A head that is sure of the first token: only the odd unit pulls, with almost all that √2 allows."""


def said_by(others: int) -> Bags:
    """Eight units of one to four tokens; the last says the second token only, the others the first."""
    sizes = (2, 4, 1, 3, 2, 4, 1, 3)
    units = np.repeat(np.arange(ROWS), sizes)
    labels = np.where(units == ROWS - 1, 1, others)
    return Bags(np.ones((len(units), 1)), labels, units, 2, tuple("abcdefgh"))


def simulate_units(process: Process, phases: list[tuple[np.ndarray, int]], seed: int) -> np.ndarray:
    """Run many heads on units, told all noise but the last phase's; return the difference of the two weights."""
    rng = np.random.default_rng(seed)
    weights = np.repeat(PUBLIC, RUNS, axis=0)
    data = said_by(0)
    for number, (alive, epochs) in enumerate(phases):
        rule = noisy_rule(process, PUBLIC)
        if number < len(phases) - 1:
            rule = replace(rule, noise=0.0)
        cut = with_alive(bag_batches(data, np.arange(ROWS), process.batch), alive)
        for moved in descend(weights, cut, Multinomial(2), rule, (rng for _ in range(epochs))):
            weights = moved
    return weights[:, 0, 0] - weights[:, 1, 0]


@pytest.mark.parametrize("batch", [8, 4])
@pytest.mark.parametrize("m", [0.1, 0.0])
def test_the_best_attacker_does_not_beat_the_promise_for_a_unit_of_a_public_head(batch, m):
    """A whole unit of tokens deleted from a softmax head near public weights; a quarter of the noise is caught."""
    case = replace(settings(batch, "tight", "deletion", m), training_epochs=UNITS_TRAINING)
    process = case.process(ROWS, Multinomial(2))
    sigma = sigma_for(
        process, EPSILON, DELTA, 1, adjacency="deletion", bound="tight", training_epochs=UNITS_TRAINING
    )
    everyone = np.ones(ROWS, dtype=bool)
    left = np.arange(ROWS) < ROWS - 1
    served, retrained = [(everyone, UNITS_TRAINING), (left, 1)], [(left, UNITS_TRAINING), (left, 1)]
    for share, beaten in ((1.0, False), (0.25, True)):
        noisy = replace(process, sigma=share * sigma)
        one, other = (simulate_units(noisy, phases, seed) for seed, phases in enumerate((served, retrained)))
        assert beaten == surely_beaten(one, other)


def test_a_units_gradient_stays_within_what_is_accounted():
    """√2, reached in the limit, however many tokens; and the mean's Hessian stays below ½."""
    rng = np.random.default_rng(0)
    largest = 0.0
    for _ in range(300):
        tokens = int(rng.integers(1, 6))
        features = rng.standard_normal((tokens, 3))
        features /= np.linalg.norm(features, axis=1, keepdims=True) * rng.uniform(1, 2, (tokens, 1))
        weights = rng.standard_normal((1, 4, 3)) * 10.0 ** rng.uniform(-1, 2)
        data = Bags(features, rng.integers(0, 4, tokens), np.zeros(tokens, int), 4, ("u",))
        step = random_step(rng)
        one, near = (unit_gradient(data, w) for w in (weights, weights + step))
        largest = max(largest, float(np.linalg.norm(one)))
        assert np.linalg.norm(near - one) <= 0.5 * np.linalg.norm(step) * (1 + 1e-6)
        assert np.sum((near - one) * step) >= -1e-12
    assert 1.2 <= largest <= 2**0.5


def random_step(rng):
    """Return a direction to look in."""
    return 10.0 ** rng.uniform(-4, 1) * rng.standard_normal((1, 4, 3))


def unit_gradient(data, weights):
    """Return one unit's gradient from the shipped step: no noise, no regulariser, η = 1."""
    process = Process(1, 1, 0.0, 0.5, 1e-12, 2**0.5, np.inf)
    rule = replace(noisy_rule(process), noise=0.0, step=1.0)
    cut = with_alive(bag_batches(data, np.zeros(1, int), 1), np.ones(1, dtype=bool))
    (moved,) = descend(weights, cut, Multinomial(4), rule, iter([None]))
    return weights - moved
