"""A queue before a model that answers some at once; a request may come back for more. Knows no gateway."""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass

import numpy as np

__all__ = ["Arrivals", "Waits", "erlang_wait_s", "simulate"]


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Requests a second (Poisson), the share that comes back, and how many generations such a one takes."""

    per_s: float
    touching: float
    rounds: int


@dataclass(frozen=True, slots=True)
class Waits:
    """Seconds from request to answer."""

    mean_s: float
    median_s: float
    p95_s: float
    p99_s: float


def simulate(
    arrivals: Arrivals, *, slots: int, service_s: float, constant: bool, requests: int, rng: np.random.Generator
) -> Waits:
    """Play ``requests`` arrivals, first come first served, each generation in one of ``slots``.

    A generation takes ``service_s``, always (``constant``) or in the mean (exponential). The first tenth of the
    requests fills the queue and is not counted.
    """
    begun = np.cumsum(rng.exponential(1 / arrivals.per_s, requests))
    left = np.where(rng.random(requests) < arrivals.touching, arrivals.rounds, 1)
    ended = np.zeros(requests)
    events = [(float(at), 0, number) for number, at in enumerate(begun)]  # 0: asks, 1: a generation is done
    waiting: deque[int] = deque()
    free = slots
    while events:
        now, kind, number = heapq.heappop(events)
        if kind == 1:
            free += 1
            left[number] -= 1
            ended[number] = now
        if kind == 0 or left[number] > 0:
            waiting.append(number)
        while free and waiting:
            free -= 1
            takes_s = service_s if constant else float(rng.exponential(service_s))
            heapq.heappush(events, (now + takes_s, 1, waiting.popleft()))
    return waits((ended - begun)[requests // 10 :])


def waits(seconds: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Waits:
    """Summarise; seconds: shape (n,)."""
    median, p95, p99 = np.quantile(seconds, (0.5, 0.95, 0.99))
    return Waits(float(seconds.mean()), float(median), float(p95), float(p99))


def erlang_wait_s(per_s: float, slots: int, service_s: float) -> float:
    """Mean wait before service in M/M/c (Erlang C), seconds. Raises ``ValueError`` where it never ends."""
    offered = per_s * service_s
    if offered >= slots:
        raise ValueError(f"{offered:.1f} slots are needed, and there are {slots}")
    term, below = 1.0, 1.0  # offered**k / k! and its sum, from k = 0
    for k in range(1, slots):
        term *= offered / k
        below += term
    last = term * offered / slots * slots / (slots - offered)
    return last / (below + last) * service_s / (slots - offered)
