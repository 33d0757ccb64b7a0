"""The baselines' accountants (D2D, LU) and the comparison: published values, brute force, refusals."""

import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from unlearners.langevin.accounting import Infeasible, Process
from unlearners.langevin.comparison import Accounted, NotFeasible, Question, compare
from unlearners.langevin.delete_to_descent import (
    Descent,
    sequential_steps,
    single_request_sigma,
    steps_between_requests,
)
from unlearners.langevin.full_batch import Ledger, lu_epochs

N = 11982
M = N * 1e-6
L = 0.730874 / 4 + M
MNIST = Descent(N, 784, M, L)
LU = Process(N, N, M, L, 0.03)
PUBLISHED = Question(
    rows=N,
    features=784,
    lam=1e-6,
    sigma=0.03,
    epsilon=1,
    delta=1 / N,
    requests=100,
    batches=(128, N),
    full_batch_smoothness=L,
)


def test_the_published_descent_to_delete_comes_out():
    """I = 66, K_1 = 90, in total 9118."""
    steps = sequential_steps(MNIST, 100, 1, 1 / N)
    assert (66, 90, 9118) == (steps_between_requests(MNIST, 1, 1 / N), steps[0], sum(steps))


@pytest.mark.parametrize("steps", [1, 10, 66])
def test_descent_to_delete_needs_the_noise_of_its_formula(steps):
    """Computed again without logarithms; more steps need less."""
    gamma = (L - M) / (L + M)
    log = math.log(N)
    gap = math.sqrt(log + 1) - math.sqrt(log)
    expected = 4 * math.sqrt(2) * gamma**steps / (M * N * (1 - gamma**steps) * gap)
    assert single_request_sigma(MNIST, steps, 1, 1 / N) == pytest.approx(expected)


def test_the_published_lu_comes_out():
    """Ten requests at once, in total 8739."""
    assert 8739 == sum(lu_epochs(LU, 100, 10, 1, 1 / N))


def brute_lu(process, batches, epsilon, delta):
    """Account by the recursion as it is written, counting K up, and minimising over the order afresh."""
    decay = process.step * process.convexity

    def first(order, rows):
        return 4 * order * rows**2 / (process.convexity * process.sigma**2 * process.rows**2)

    def divergence(order, taken):
        damped = math.exp(-decay * taken[-1] / order)
        if len(taken) == 1:
            return damped * first(order, batches[0])
        before = first(2 * order, batches[len(taken) - 1]) + divergence(2 * order, taken[:-1])
        return damped * (order - 0.5) / (order - 1) * before

    def reached(taken):
        def at(log_order):
            order = 1 + math.exp(log_order)
            return divergence(order, taken) + math.log(1 / delta) / (order - 1)

        starts = [-2 + 0.5 * i for i in range(24)]
        best = min(starts, key=at)
        return min(at(best), minimize_scalar(at, bounds=(best - 0.5, best + 0.5), method="bounded").fun)

    taken = []
    for _ in batches:
        taken.append(1)
        while reached(taken) > epsilon:
            taken[-1] += 1
    return tuple(taken)


@pytest.mark.parametrize(("requests", "at_once", "batches"), [(4, 1, (1,) * 4), (7, 3, (3, 3, 1)), (2, 2, (2,))])
def test_lu_is_the_recursion_by_brute_force(requests, at_once, batches):
    """A second implementation, the last batch smaller where the requests do not divide."""
    process = Process(500, 500, 0.05, 0.3, 0.05)
    assert brute_lu(process, batches, 1, 1e-3) == lu_epochs(process, requests, at_once, 1, 1e-3)


def test_lu_goes_on_for_thousands_of_requests():
    """Orders doubled thousands of times do not overflow, and older batches never lessen the divergence."""
    divergences = [
        Ledger(LU, [1] * before, [1000] * before).log_divergence(1, np.array([0.0, 3.0]))
        for before in (2000, 4000)
    ]
    assert np.isfinite(divergences).all()
    assert (divergences[1] >= divergences[0]).all()


def test_a_loss_that_is_only_convex_has_no_baseline():
    """Both need m > 0; the noisy descent does not."""
    accounts = compare(replace(PUBLISHED, lam=0.0, full_batch_smoothness=None, lu_batches=(10,)))
    assert isinstance(accounts.d2d, NotFeasible)
    assert isinstance(accounts.lu[10], NotFeasible)
    assert isinstance(accounts.pnsgd[128], Accounted)


def test_the_comparison_gives_each_its_smoothness():
    """The whole data's L is for the full-batch methods alone."""
    accounts = compare(PUBLISHED)
    assert 9118 == accounts.d2d.total
    assert 8739 == accounts.lu[10].total
    assert 100 == accounts.pnsgd[128].total
    assert (L, L, 0.25 + M) == tuple(
        one.details["smoothness"] for one in (accounts.d2d, accounts.lu[10], accounts.pnsgd[N])
    )


def test_an_impossible_batch_is_infeasible_alone():
    """The other sizes are answered."""
    accounts = compare(replace(PUBLISHED, batches=(N + 1, 128), lu_batches=()))
    assert isinstance(accounts.pnsgd[N + 1], NotFeasible)
    assert 100 == accounts.pnsgd[128].total


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rows": 0}, "rows"),
        ({"requests": 0}, "requests"),
        ({"requests": N + 1}, "cannot each"),
        ({"lam": -1.0}, "lam"),
        ({"epsilon": 0.0}, "epsilon"),
        ({"delta": 1.0}, "delta"),
        ({"smoothness": 0.001}, "smoothness"),
        ({"full_batch_smoothness": 0.001}, "smoothness"),
    ],
)
def test_a_question_that_cannot_be_is_refused(change, words):
    """The message names what is wrong."""
    with pytest.raises(ValueError, match=words):
        replace(PUBLISHED, **change)


def test_descents_that_cannot_be_are_refused():
    """No rows, or no convexity."""
    with pytest.raises(Infeasible, match="strongly convex"):
        replace(MNIST, convexity=0.0)
    with pytest.raises(ValueError, match="at least one row"):
        replace(MNIST, rows=0)
    with pytest.raises(ValueError, match="at least one step"):
        single_request_sigma(MNIST, 0, 1, 1e-3)
    with pytest.raises(ValueError, match="all rows"):
        lu_epochs(replace(LU, batch=10), 5, 1, 1, 1e-3)
    with pytest.raises(Infeasible, match="between 1 and the 5"):
        lu_epochs(LU, 5, 6, 1, 1e-3)


def test_the_accountant_loads_without_torch():
    """It is arithmetic."""
    code = (
        "import sys, unlearners.langevin.comparison, unlearners.langevin.unlearner; print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "False" == done.stdout.strip()
