"""The composition root: settings to parts to a web application. The only place where the parts meet."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from random import SystemRandom
from secrets import randbits
from typing import TypeAlias

from fastapi import Depends, FastAPI
from pydantic import SecretStr

import gateway
from calibration.certificate import Certificate
from gateway.clients import ANYONE, Client
from gateway.drift.audit_file import AuditFile, keeping_audits
from gateway.drift.monitoring import MONITORS, Drift, Reactions
from gateway.drift.state import state_path
from gateway.drift.watch import Labelled
from gateway.errors import InvalidInput, LetheError, UnknownModel
from gateway.guard.embeddings import Embedded, Refused, embedded
from gateway.guard.given import judge_given
from gateway.guard.loop import Guard, Outcome, Released
from gateway.guard.outcomes import measurements
from gateway.guard.policy import Bounded, Closed, Open, ReleaseRule, ZeroEvidence
from gateway.guard.trajectory import LoopPlan
from gateway.http.admin import CertificateState, admin_router
from gateway.http.admin_verify import GivenExchange, Judged, verify_router
from gateway.http.answers import answers_router
from gateway.http.audits import audits_router
from gateway.http.clients import client_check, present_client
from gateway.http.documented import ADMIN, ANSWERING, BEARER, LISTING, METERED, failures
from gateway.http.embeddings import embeddings_router
from gateway.http.health import health_router
from gateway.http.metrics import metrics_router
from gateway.http.middleware import BodyLimit, RequestId
from gateway.http.models import models_router
from gateway.http.problems import install_problem_handlers, problem_body
from gateway.http.visits import Visits, admit, present_visit
from gateway.limits import Meters
from gateway.logs import Report, keep_silent
from gateway.opening import Backends, open_upstream
from gateway.panel import open_panel
from gateway.policies import Exceptions, Policies, Served
from gateway.settings import Settings
from gateway.store.records import Fallback, Place
from gateway.store.store import Store
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.trace import Trace, together
from gateway.upstream.protocol import ChatRequest, EmbeddingRequest, Upstream
from gateway.upstream.routing import Opener, Routing

__all__ = ["Gateway", "create_app", "loop_plan", "open_gateway"]


Told: TypeAlias = Callable[[int], None]


def _untold(revision: int) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Gateway:
    """The parts of one running gateway."""

    settings: Settings
    upstream: Routing[Place]
    store: Store
    policies: Policies
    guard: Guard
    plan: LoopPlan
    report: Report
    metrics: Metrics
    trace: Trace
    drift: Drift
    audits: AuditFile | None

    async def ask(
        self, request: ChatRequest, client: Client = ANYONE, *, watched: bool = False, told: Told = _untold
    ) -> Outcome:
        """Answer a request under the policy of this moment, by the client's backend if its key has one.

        A model that is not on the key's list is unknown to its client. ``watched`` requests are real traffic, by
        which drift is judged. ``told`` hears the revision by which the answer is given. Raises ``LetheError``.
        """
        _require_listed(client, request.model)
        pinned = client.backend is not None
        with self.trace.span("answer") as note:
            async with self.policies.serving(client.backend or request.model, pinned=pinned) as served:
                told(served.policy.revision)
                outcome = await self.guard.answer(served.upstream, request, served.policy, served.rule)
            note(**measurements(outcome))
            self._tell(outcome, served, client)
        if watched:
            self._watch(request, outcome, served.certificate)
        return outcome

    async def verify(self, given: GivenExchange) -> Judged:
        """Judge an exchange by the policy of this moment, asking no model. Raises ``LetheError``."""
        model = given.model or (await self.upstream.models())[0]
        policy, rule = await self.policies.now(model)
        found = await judge_given(ChatRequest(model, given.said), given.answer, policy, rule, self.plan)
        return Judged(found, model, policy.revision)

    def _watch(self, request: ChatRequest, outcome: Outcome, certificate: Certificate | None) -> None:
        """Take a conversation that touches a topic, where a certificate promises something about it."""
        if certificate is None or outcome.opening_score is None:
            return
        self.drift.saw(certificate, outcome.opening_score)
        if self.audits is not None:
            self.audits.offer(certificate, request, outcome)

    async def label_audits(self, labels: Mapping[str, Sequence[Labelled]]) -> tuple[int, int]:
        """Take labels by certificate; says how many were new, and how many are of certificates not in force.

        Raises ``InvalidInput``.
        """
        certificates = {one.id: one for one in await self.policies.certificates()}
        new = sum(self.drift.audited(certificates[id_], labels[id_]) for id_ in labels if id_ in certificates)
        return new, sum(len(labels[id_]) for id_ in labels.keys() - certificates.keys())

    async def embed(self, request: EmbeddingRequest, client: Client = ANYONE) -> Embedded:
        """Embed under the policy of this moment, by the client's backend if its key has one."""
        _require_listed(client, request.model)
        pinned = client.backend is not None
        async with self.policies.serving(client.backend or request.model, pinned=pinned) as served:
            screen = served.policy.screen if self.settings.embeddings == "refuse" else None
            made = await embedded(served.upstream, request, screen, most_chars=self.plan.most_prompt_chars)
        self.report(
            "embedded",
            {
                "outcome": made.reason if isinstance(made, Refused) else "released",
                "inputs": len(request.inputs),
                "revision": served.policy.revision,
                "key": client.key,
            },
        )
        return made

    def _tell(self, outcome: Outcome, served: Served, client: Client) -> None:
        self.metrics.policy(
            revision=served.policy.revision,
            active_topics=len(served.policy.topics),
            certified=isinstance(served.rule, Bounded),
        )
        self.report(
            "answered",
            {
                "outcome": "released" if isinstance(outcome, Released) else outcome.reason,
                "rule": type(served.rule).__name__.lower(),
                "revision": served.policy.revision,
                "rounds": outcome.rounds,
                "generations": outcome.generations,
                "key": client.key,
            },
        )

    async def models(self, client: Client) -> tuple[str, ...]:
        """Name what the client can ask for: all models, those on its list, or the one that its key is for."""
        if client.backend is not None:
            return (client.backend,)
        return tuple(model for model in await self.upstream.models() if client.may_ask_for(model))

    async def readiness(self) -> Mapping[str, str]:
        """Name each thing that answers depend on, and what is wrong with it (empty: nothing)."""
        found = {"store": "", "upstream": "", "certificate": ""}
        models: tuple[str, ...] = ()
        try:
            models = await self.upstream.models()
        except LetheError as error:
            found["upstream"] = str(error)
        try:
            rules = [(await self.policies.now(model))[1] for model in models]
            closed = [rule.reason for rule in rules if isinstance(rule, Closed)]
            found["certificate"] = closed[0] if rules and len(closed) == len(rules) else ""
        except LetheError as error:
            found["store"] = str(problem_body(error)["error"]["message"])
        return found

    async def certificate_states(self) -> Mapping[str, CertificateState]:
        """Say for the operator, of each model, which certificate covers it and whether answers go out."""
        try:
            return {model: _state((await self.policies.now(model))[1]) for model in await self.upstream.models()}
        except LetheError as error:
            return {"": CertificateState(None, f"not checked: {problem_body(error)['error']['message']}")}


def _require_listed(client: Client, model: str) -> None:
    if not client.may_ask_for(model):
        raise UnknownModel("there is no such model; GET /v1/models lists them", param="model")


def _state(rule: ReleaseRule) -> CertificateState:
    match rule:
        case Bounded(_, certificate_id):
            return CertificateState(certificate_id, "in force")
        case Closed(reason):
            return CertificateState(None, reason)
        case ZeroEvidence(reason):
            return CertificateState(None, f"{reason}; what has no trace goes out, with no promise")
        case Open():
            return CertificateState(None, "not needed: no topic is active")


@asynccontextmanager
async def open_gateway(
    settings: Settings,
    *,
    upstream: Upstream | None = None,
    opener: Opener[Place] | None = None,
    report: Report = keep_silent,
    create: bool = True,
) -> AsyncIterator[Gateway]:
    """Open the store and the models, and close them in the end. ``upstream`` replaces the configured one.

    Backends are opened from the first request on, or by ``gateway.upstream.settled``, by ``opener`` where it is
    given. ``create`` begins a database where there is none.
    """
    async with AsyncExitStack() as stack:
        store = await Store.open(settings.database, create=create, who="admin")
        stack.push_async_callback(store.aclose)
        routing = Routing(upstream or open_upstream(settings), opener or Backends(settings))
        stack.push_async_callback(routing.aclose)
        plan = loop_plan(settings)
        drift = Drift(_reactions(settings), state_path(store.path), seed=lambda: randbits(63), report=report)
        stack.callback(drift.save)
        policies = Policies(
            store,
            routing,
            stack.enter_context(open_panel(settings)),
            plan,
            Exceptions(settings.without_certificate, settings.strictest_threshold),
            verify_timeout_s=settings.verify_timeout_s,
            api_key=_secret(settings.api_key),
            drift=drift,
        )
        metrics = Metrics()
        for name in MONITORS:
            metrics.drift(name, partial(drift.log_wealth, name), partial(drift.alarm, name))
        trace = together(metrics, stack.enter_context(_exporting())) if settings.otel else metrics
        guard = Guard(
            plan,
            Fallback(settings.fallback, settings.fallback_text),
            trace,
            finish=settings.fallback_finish_reason,
        )
        audits = None
        if settings.audit_file is not None:
            chance = SystemRandom().random  # who could guess which answers are drawn could lie in the others
            audits = stack.enter_context(keeping_audits(settings.audit_file, drift, chance=chance, report=report))
        yield Gateway(settings, routing, store, policies, guard, plan, report, metrics, trace, drift, audits)


def _reactions(settings: Settings) -> Reactions:
    return Reactions(
        settings.drift_delta, settings.drift_on_scores, settings.drift_on_audits, settings.audit_probability
    )


def _exporting() -> AbstractContextManager[Trace]:
    # The exporter is an optional extra that brings an HTTP client of its own.
    try:
        from gateway.telemetry.exporting import exporting
    except ImportError as error:
        raise InvalidInput(
            f"LETHE_OTEL needs the extra `otel` ({error}): pip install 'lethe-gateway[otel]'"
        ) from error
    return exporting(gateway.__version__)


def create_app(parts: Gateway) -> FastAPI:
    """Put the parts behind their routes."""
    settings = parts.settings
    app = FastAPI(title="Lethe", version=gateway.__version__, docs_url=None, redoc_url=None)
    client = [BEARER, Depends(client_check(parts.policies.client))]
    admitted = [*client, Depends(admit)]

    async def ask(request: ChatRequest) -> Outcome:
        visit = present_visit()

        def told(revision: int) -> None:
            visit.revision = revision if settings.disclose else None

        outcome = await parts.ask(request, present_client(), watched=True, told=told)
        # What the client reads as usage, and not what the loop cost: the limits must not count its rounds aloud.
        visit.spend(outcome.usage.prompt_tokens + outcome.usage.completion_tokens)
        return outcome

    async def embed(request: EmbeddingRequest) -> Embedded:
        made = await parts.embed(request, present_client())
        present_visit().spend(0 if isinstance(made, Refused) else made.prompt_tokens)
        return made

    app.include_router(
        answers_router(ask, keep_alive_s=settings.keep_alive_s, disclosed=settings.disclose),
        dependencies=admitted,
        responses=failures(ANSWERING),
    )
    app.include_router(embeddings_router(embed), dependencies=admitted, responses=failures(ANSWERING))
    app.include_router(models_router(parts.models), dependencies=client, responses=failures(LISTING))
    app.include_router(health_router(parts.readiness, parts.upstream.problems, parts.drift.notes))
    app.include_router(
        metrics_router(parts.metrics, key=_secret(settings.metrics_key)),
        dependencies=[BEARER],
        responses=failures(METERED),
    )
    app.include_router(
        admin_router(
            parts.store,
            admin_key=_secret(settings.admin_key),
            certificate_states=parts.certificate_states,
            problems=parts.upstream.problems,
            revision=lambda: parts.policies.revision,
        ),
        dependencies=[BEARER],
        responses=failures(ADMIN),
    )
    # It asks the default model's name of the upstream, so it can fail as that does.
    app.include_router(
        verify_router(parts.verify, admin_key=_secret(settings.admin_key)), responses=failures({*ADMIN, *LISTING})
    )
    app.include_router(
        audits_router(parts.label_audits, parts.drift.notes, admin_key=_secret(settings.admin_key)),
        dependencies=[BEARER],
        responses=failures(ADMIN),
    )
    install_problem_handlers(app, parts.report)
    app.add_middleware(Visits, meters=Meters(time.monotonic))
    app.add_middleware(BodyLimit, limit_bytes=settings.max_body_bytes)
    app.add_middleware(RequestId)
    return app


def loop_plan(settings: Settings) -> LoopPlan:
    """Take the loop's shape from the settings."""
    return LoopPlan(
        rounds=settings.rounds,
        strategies=settings.strategies,
        candidates_per_round=settings.candidates_per_round,
        decoding=settings.decoding,
        deadline_s=settings.deadline_s,
        most_prompt_chars=settings.max_prompt_chars,
    )


def _secret(value: SecretStr | None) -> str | None:
    return value.get_secret_value() if value is not None else None
