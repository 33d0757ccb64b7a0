"""How the servers behind the gateway stand, for Prometheus: asked whenever the values are scraped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

__all__ = ["ServerStanding", "UpstreamStandings"]

_STATES: Final = {"closed": 0, "half-open": 1, "open": 2}


@dataclass(frozen=True, slots=True)
class ServerStanding:
    """One server at one moment. ``retries`` and ``refused`` count since it was configured."""

    name: str
    breaker: str
    running: int
    waiting: int
    retries: int
    refused: int


class UpstreamStandings(Collector):
    """Asks ``ask`` for every server, the configured ones and those of backends: none, until it is set."""

    def __init__(self) -> None:
        self.ask: Callable[[], Iterable[ServerStanding]] = tuple

    def collect(self) -> Iterator[Metric]:
        """Write one family for each number."""
        breaker = GaugeMetricFamily(
            "lethe_upstream_breaker", "0 closed, 1 half-open, 2 open: not asked.", labels=["upstream"]
        )
        running = GaugeMetricFamily("lethe_upstream_running", "Requests at the server now.", labels=["upstream"])
        waiting = GaugeMetricFamily("lethe_upstream_waiting", "Requests in its queue.", labels=["upstream"])
        retries = CounterMetricFamily("lethe_upstream_retries", "Further attempts.", labels=["upstream"])
        refused = CounterMetricFamily(
            "lethe_upstream_refused", "Requests for which its queue had no room.", labels=["upstream"]
        )
        for one in self.ask():
            breaker.add_metric([one.name], _STATES[one.breaker])
            running.add_metric([one.name], one.running)
            waiting.add_metric([one.name], one.waiting)
            retries.add_metric([one.name], one.retries)
            refused.add_metric([one.name], one.refused)
        return iter((breaker, running, waiting, retries, refused))

    def describe(self) -> Iterator[Metric]:
        """Name nothing beforehand: which servers there are is known when asked."""
        return iter(())
