"""A bettor's wealth against a null hypothesis: pots that bet, and a reserve that feeds them. Knows no data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Wealth", "after_bet", "reserve"]

_LARGE = 1e100
"""Pots are scaled down beyond this, so that a long drift does not overflow."""


def reserve(bets: int) -> float:
    """Return how much of the first unit of money is not in the pots after so many bets.

    What it loses at a bet goes into the pots. So there is always fresh money for a change that comes late: a
    bettor who stakes all at once has lost nearly all of it by then.
    """
    return 1.0 / (1.0 + math.log1p(bets))


@dataclass(frozen=True, slots=True)
class Wealth:
    """Starts at 1. ``pots`` are in units of exp(``log_scale``); ``log_peak`` is the highest log wealth so far."""

    pots: tuple[float, ...]
    bets: int = 0
    log_scale: float = 0.0
    log_peak: float = 0.0

    @property
    def log(self) -> float:
        """The natural logarithm of all the money there is."""
        return self.log_scale + math.log(sum(self.pots) + reserve(self.bets) * math.exp(-self.log_scale))

    def crossed(self, delta: float) -> bool:
        """Say whether it ever reached 1 / delta: has probability delta at most if all bets were fair (Ville)."""
        return self.log_peak >= -math.log(delta)


def after_bet(wealth: Wealth, factors: Sequence[float], jump: float = 0.0) -> Wealth:
    """Let each pot grow by its factor, after fresh money came in and a share ``jump`` was spread evenly.

    The wealth is a nonnegative supermartingale where each factor is nonnegative and has conditional
    expectation at most 1 given the past.
    """
    bets = wealth.bets + 1
    share = 1.0 / len(wealth.pots)
    fresh = (reserve(wealth.bets) - reserve(bets)) * math.exp(-wealth.log_scale) * share
    spread = jump * share * (sum(wealth.pots) + fresh / share)
    pots = tuple(
        [
            ((1.0 - jump) * (pot + fresh) + spread) * factor
            for pot, factor in zip(wealth.pots, factors, strict=True)
        ]
    )
    log_scale = wealth.log_scale
    if max(pots) > _LARGE:
        pots = tuple(pot / _LARGE for pot in pots)
        log_scale += math.log(_LARGE)
    after = Wealth(pots, bets, log_scale, wealth.log_peak)
    return after if after.log <= after.log_peak else Wealth(pots, bets, log_scale, after.log)
