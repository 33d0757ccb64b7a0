"""From requests a day to generations, tokens, accelerators and gateways. Knows no queue and measures nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["Demand", "GatewayCost", "ModelServer", "Need", "need"]

_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Demand:
    """What is asked: ``touching`` is the share of requests that touch a topic, ``peak`` the busiest hour's ratio
    to the mean, ``rounds`` the mean generations for a request that touches one."""

    requests_per_day: float
    touching: float
    rounds: float
    prompt_tokens: float
    answer_tokens: float
    peak: float = 2.0

    @property
    def generations(self) -> float:
        """Mean generations for a request."""
        return 1 + self.touching * (self.rounds - 1)

    @property
    def peak_per_s(self) -> float:
        """Requests a second in the busiest hour."""
        return self.requests_per_day * self.peak / _DAY_S


@dataclass(frozen=True, slots=True)
class GatewayCost:
    """CPU seconds of one core: a request that touches nothing, one that touches a topic, each further round."""

    plain_s: float
    touching_s: float
    round_s: float

    def per_request_s(self, demand: Demand) -> float:
        """CPU seconds for a request of the mix, one generation and its verification included."""
        touching = self.touching_s + self.round_s * (demand.rounds - 1)
        return (1 - demand.touching) * self.plain_s + demand.touching * touching


@dataclass(frozen=True, slots=True)
class ModelServer:
    """One accelerator's answer tokens a second, all its requests together. An assumption, not a measurement."""

    answer_tokens_per_s: float


@dataclass(frozen=True, slots=True)
class Need:
    """What the busiest hour needs, none of it used beyond ``utilisation``."""

    generations_per_day: float
    answer_tokens_per_s: float
    accelerators: int
    gateway_processes: int
    database_connections: int
    database_reads_per_s: float


def need(
    demand: Demand, cost: GatewayCost, server: ModelServer, *, utilisation: float = 0.7, connections: int = 5
) -> Need:
    """Size each part by the work that reaches it, each gateway process with one core.

    Every process holds up to ``connections`` to PostgreSQL and asks for the revision four times a second.
    """
    tokens_per_s = demand.peak_per_s * demand.generations * demand.answer_tokens
    processes = math.ceil(demand.peak_per_s * cost.per_request_s(demand) / utilisation)
    return Need(
        demand.requests_per_day * demand.generations,
        tokens_per_s,
        math.ceil(tokens_per_s / server.answer_tokens_per_s / utilisation),
        processes,
        processes * connections,
        processes * 4.0,
    )
