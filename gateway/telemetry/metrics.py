"""Prometheus metrics: how many, how long, how it ended. Labels are few and fixed; topics go by no name."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Final, Literal, TypeVar, cast

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from gateway.telemetry.trace import Note, SpanName, Value
from gateway.telemetry.upstreams import ServerStanding, UpstreamStandings

__all__ = ["CONTENT_TYPE", "Metrics"]

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST

_REQUEST_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
_JUDGE_S: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0, 5.0)
_TOKENS: Final = tuple(
    (f"{of}_{kind}_tokens", of, kind) for of in ("answer", "loop") for kind in ("prompt", "completion")
)
M = TypeVar("M", Counter, Histogram)
_ROUNDS: Final = (1, 2, 3, 4, 5, 7, 10, 20, 50)


class Metrics:
    """Counts what a trace tells, in a registry of its own: two gateways in one process do not mix.

    An answer's ``outcome`` is ``released``, ``blocked`` (every candidate was judged too much of a leak,
    also where the loop gave up early),
    ``unjudged`` (a judge, the model or the deadline failed after the first candidate), ``uncertified``,
    ``failed`` (an error went out instead of an answer) or ``cancelled`` (the client went away).
    """

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        own = self._registry
        self._labelled: dict[tuple[Counter | Histogram, tuple[str, ...]], Counter | Histogram] = {}
        self._answers = Counter("lethe_answers", "Requests by how they ended.", ["outcome"], registry=own)
        self._in_progress = Gauge("lethe_answers_in_progress", "Requests that are being answered.", registry=own)
        self._answer_s = Histogram(
            "lethe_answer_seconds", "Request to outcome.", ["outcome"], buckets=_REQUEST_S, registry=own
        )
        self._rounds = Histogram("lethe_rounds", "Rounds for a request.", buckets=_ROUNDS, registry=own)
        self._generations = Counter("lethe_generations", "Answers drawn from models.", registry=own)
        self._tokens = Counter(
            "lethe_tokens", "Of answers by themselves, and of the loop in all.", ["of", "kind"], registry=own
        )
        self._generate_s = Histogram(
            "lethe_upstream_seconds", "One call of the model.", ["result"], buckets=_REQUEST_S, registry=own
        )
        self._judge_s = Histogram(
            "lethe_verifier_seconds", "Judging one candidate.", buckets=_JUDGE_S, registry=own
        )
        self._abstentions = Counter("lethe_verifier_abstentions", "Candidates not judged.", registry=own)
        self._revision = Gauge("lethe_policy_revision", "Revision of the policy in force.", registry=own)
        self._topics = Gauge("lethe_active_topics", "Topics being forgotten.", registry=own)
        self._standings = UpstreamStandings()
        own.register(self._standings)
        self._configuration_refused = Gauge(
            "lethe_configuration_refused", "1 where the file as it is now is not in force.", registry=own
        )
        self._standing_in = Counter("lethe_stand_ins", "Requests passed on to another model.", registry=own)
        self._in_force = Gauge("lethe_certificate_in_force", "1 where a certificate applies.", registry=own)

        self._monitored = Counter(
            "lethe_monitored",
            "Answers that went out, by what a monitored topic or verifier would have done.",
            ["kind", "id", "would"],
            registry=own,
        )
        self._not_monitored = Counter(
            "lethe_not_monitored", "Answers that went out and could not be looked at.", registry=own
        )
        self._first_text_s = Histogram(
            "lethe_first_text_seconds",
            "Request to the first text that went out, of streamed answers.",
            ["mode"],
            buckets=_REQUEST_S,
            registry=own,
        )
        self._threads_held = Gauge(
            "lethe_verifier_threads_held", "Threads of verifiers whose work does not end.", registry=own
        )
        self._drift_wealth = Gauge(
            "lethe_drift_log_wealth", "Evidence that the world changed, log.", ["monitor"], registry=own
        )
        self._drift_alarm = Gauge(
            "lethe_drift_alarm", "1 where a monitor of drift rang.", ["monitor"], registry=own
        )

    def threads(self, held: Callable[[], int]) -> None:
        """Ask how many threads of the verifiers are held whenever the values are scraped."""
        self._threads_held.set_function(held)

    def stood_in(self) -> None:
        """Count a request that goes on with another generator, the one before having failed."""
        self._standing_in.inc()

    def upstreams(self, standings: Callable[[], Iterable[ServerStanding]]) -> None:
        """Ask how the servers stand whenever the values are scraped."""
        self._standings.ask = standings

    def configuration(self, *, in_force: bool) -> None:
        """Say whether the gateway serves by its configuration file as it lies there now."""
        self._configuration_refused.set(not in_force)

    def drift(self, monitor: str, log_wealth: Callable[[], float], alarm: Callable[[], bool]) -> None:
        """Ask these whenever the values are scraped, so that requests need not tell."""
        self._drift_wealth.labels(monitor).set_function(log_wealth)
        self._drift_alarm.labels(monitor).set_function(alarm)

    def monitored(self, kind: str, id_: str, would: str) -> None:
        """Count one look. ``id_`` is a verifier's name, or the random id that the store drew for a topic."""
        self._monitored.labels(kind, id_, would).inc()

    def not_monitored(self) -> None:
        """Count an answer at which nobody looked, since too many waited or the look failed."""
        self._not_monitored.inc()

    def exposition(self) -> bytes:
        """Write all values in the text format that Prometheus scrapes."""
        return generate_latest(self._registry)

    def policy(self, *, revision: int, active_topics: int, certified: bool) -> None:
        """Note the policy that answers were last given under."""
        self._revision.set(revision)
        self._topics.set(active_topics)
        self._in_force.set(certified)

    def first_text(self, mode: Literal["whole", "segment"], seconds: float) -> None:
        """Note when the first text of a streamed answer went out."""
        self._first_text_s.labels(mode).observe(seconds)

    def span(self, name: SpanName, **known: Value) -> AbstractContextManager[Note]:
        """Count the span when it ends. See ``Trace``."""
        return _Span(self, name, known)

    def begin(self, name: SpanName) -> None:
        """Count a span that begins."""
        if name == "answer":
            self._in_progress.inc()

    def end(self, name: SpanName, ended: str, seconds: float, found: dict[str, Value]) -> None:
        """Count a span that has ``ended``: done, failed or cancelled."""
        match name:
            case "answer":
                self._in_progress.dec()
                outcome = str(found.get("outcome", "failed")) if ended == "done" else ended
                self._of(self._answers, outcome).inc()
                self._of(self._answer_s, outcome).observe(seconds)
                if ended == "done":
                    self._count_answer(found)
            case "generate":
                self._of(self._generate_s, ended).observe(seconds)
            case "judge":
                self._judge_s.observe(seconds)
                if found.get("abstained"):
                    self._abstentions.inc()

    def _count_answer(self, found: dict[str, Value]) -> None:
        self._rounds.observe(float(found.get("rounds", 0)))
        self._generations.inc(float(found.get("generations", 0)))
        for name, of, kind in _TOKENS:
            self._of(self._tokens, of, kind).inc(float(found.get(name, 0)))

    def _of(self, metric: M, *labels: str) -> M:
        """Give the metric of these labels, each looked up once: there are few."""
        known = self._labelled.get((metric, labels))
        if known is None:
            known = self._labelled[metric, labels] = metric.labels(*labels)
        return cast(M, known)


class _Span:
    """One stretch of work, on the clock. As a generator it would cost twice as much."""

    __slots__ = ("_began", "_found", "_metrics", "_name")

    def __init__(self, metrics: Metrics, name: SpanName, known: dict[str, Value]) -> None:
        self._metrics = metrics
        self._name = name
        self._found = known

    def __enter__(self) -> Note:
        self._metrics.begin(self._name)
        self._began = time.perf_counter()
        return self._found.update

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        ended = "done" if kind is None else "cancelled" if issubclass(kind, asyncio.CancelledError) else "failed"
        self._metrics.end(self._name, ended, time.perf_counter() - self._began, self._found)
