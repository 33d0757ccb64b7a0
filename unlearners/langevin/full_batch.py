"""How many epochs full-batch Langevin unlearning takes (LU, arXiv 2401.10371), a baseline. Knows no data.

S replaced rows move the divergence to ε0(alpha) = 4·alpha·S²M²/(m·sigma²·n²), and K epochs bring it down to
e^(-ηmK/alpha)·ε0(alpha); further batches of requests add by the weak triangle inequality, which doubles the
order each time. L may be the smoothness of the whole data set, since every step takes all rows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from unlearners.conversion import check_target
from unlearners.langevin.accounting import MOST_EPOCHS, Infeasible, Process

__all__ = ["Ledger", "lu_epochs"]

Floats = NDArray[np.float64]

WIDTHS = np.linspace(1e-3, 20.0, 160)
"""Where log(alpha - 1) is searched above its least useful value, before the minimum is refined."""


@dataclass(slots=True)
class Ledger:
    """The batches so far: their rows S and the epochs K that each took, oldest first."""

    process: Process
    rows: list[int] = field(default_factory=list)
    epochs: list[int] = field(default_factory=list)

    def log_divergence(self, fresh: int, log_order: Floats) -> Floats:
        """Return log of the divergence at orders 1 + e^log_order before the newest batch's own epochs.

        Unrolls ε_s(alpha) = e^(-ηmK_s/alpha)·(alpha-½)/(alpha-1)·[ε0(2·alpha) + ε_(s-1)(2·alpha)] from the newest
        batch back, in logs, so that orders doubled hundreds of times neither overflow nor cancel. The oldest
        batch is e^(-ηmK/alpha)·ε0(alpha). Shapes: (orders,) in and out, (orders, batches before) inside.
        """
        log_alpha = np.logaddexp(0, log_order)
        if not self.rows:
            return self._log_first(fresh, log_alpha)
        p = self.process
        doubled = log_alpha[:, None] + math.log(2) * np.arange(len(self.rows) + 1)
        triangle = np.log1p(0.5 * np.exp(-doubled[:, :-1]) / -np.expm1(-doubled[:, :-1]))
        damped = -p.step * p.convexity * np.array(self.epochs[::-1]) * np.exp(-doubled[:, 1:])
        damped = np.concatenate([np.zeros((len(log_order), 1)), damped], axis=1)
        rows = np.array([fresh, *self.rows[::-1]])
        factor = np.cumsum(damped, axis=1)
        factor[:, 1:] += np.cumsum(triangle, axis=1)
        factor[:, :-1] += triangle  # each batch but the oldest is split off by one more triangle
        at = np.concatenate([doubled[:, 1:], doubled[:, -1:]], axis=1)
        return np.asarray(np.logaddexp.reduce(factor + self._log_first(rows, at), axis=1))

    def _log_first(self, rows: int | NDArray[np.int64], log_alpha: Floats) -> Floats:
        p = self.process
        moved = np.log(4.0) + 2 * np.log(np.asarray(rows) * (p.clip / (p.sigma * p.rows))) - np.log(p.convexity)
        return np.asarray(log_alpha + moved)


def lu_epochs(
    process: Process, requests: int, batch_of_requests: int, epsilon: float, delta: float
) -> tuple[int, ...]:
    """Return the epochs of each batch of requests, the last perhaps smaller than ``batch_of_requests`` (S).

    ``process.batch`` must be all the rows. Raises ``Infeasible`` for a loss that is only convex.
    """
    check_target(epsilon, delta)
    if process.batch != process.rows:
        raise ValueError("full-batch unlearning takes all rows at each step")
    if process.convexity == 0:
        raise Infeasible("LU has no bound for a loss that is only convex (m = 0)")
    if not 1 <= batch_of_requests <= requests:
        raise Infeasible(f"a batch holds between 1 and the {requests} requests, got {batch_of_requests}")
    ledger = Ledger(process)
    done = 0
    while done < requests:
        rows = min(batch_of_requests, requests - done)
        epochs = _least(ledger, rows, epsilon, delta)
        ledger.rows.append(rows)
        ledger.epochs.append(epochs)
        done += rows
    return tuple(ledger.epochs)


def _least(ledger: Ledger, rows: int, epsilon: float, delta: float) -> int:
    """Return the least K of at least 1: the minimum over orders of the K that each order needs, rounded up.

    At order alpha: e^(-ηmK/alpha)·B(alpha) + log(1/δ)/(alpha-1) <= ε, so K(alpha) =
    alpha/(ηm)·log(B(alpha)/(ε - log(1/δ)/(alpha-1))), which needs alpha - 1 > log(1/δ)/ε.
    """
    decay = ledger.process.step * ledger.process.convexity
    least_order = math.log(math.log(1 / delta) / epsilon)

    def needed(width: Floats) -> Floats:
        log_order = least_order + width
        log_room = math.log(epsilon) + np.log(-np.expm1(-width))
        excess = ledger.log_divergence(rows, log_order) - log_room
        with np.errstate(over="ignore"):  # an infinite number of epochs is refused below
            return np.asarray((1 + np.exp(log_order)) / decay * excess)

    coarse = needed(WIDTHS)
    if not coarse.min() <= MOST_EPOCHS:
        raise Infeasible(f"not even {MOST_EPOCHS} epochs reach the target: more noise or more rows are needed")
    best = int(np.argmin(coarse))
    bounds = (float(WIDTHS[max(best - 1, 0)]), float(WIDTHS[min(best + 1, len(WIDTHS) - 1)]))
    fine = minimize_scalar(lambda width: float(needed(np.array([width]))[0]), bounds=bounds, method="bounded")
    return max(1, math.ceil(min(float(coarse[best]), float(fine.fun))))
