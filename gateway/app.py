"""The composition root: settings to parts to a web application. The only place where the parts meet."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from random import SystemRandom
from secrets import randbits

from fastapi import APIRouter, Depends, FastAPI
from fastapi.routing import APIRoute
from pydantic import SecretStr

import gateway
from gateway.calibrating import Wish
from gateway.clients import Tokens
from gateway.drift.audit_file import keeping_audits
from gateway.drift.monitoring import MONITORS, Drift, Reactions
from gateway.drift.state import state_path
from gateway.errors import InvalidInput
from gateway.guard.embeddings import Embedded, Refused
from gateway.guard.loop import Guard, Outcome
from gateway.guard.plan import LoopPlan
from gateway.guard.policy import Panel
from gateway.guard.private import sealed, why_sealed
from gateway.guard.streaming import SendOut
from gateway.http.admin import admin_router
from gateway.http.admin_calibrations import CalibrationBody, calibrations_router
from gateway.http.admin_lock import by_role, finding_admins
from gateway.http.admin_verify import verify_router
from gateway.http.answers import answers_router
from gateway.http.audits import audits_router
from gateway.http.clients import client_check, present_client
from gateway.http.documented import ADMIN, ANSWERING, BEARER, LISTING, METERED, failures
from gateway.http.embeddings import embeddings_router
from gateway.http.health import health_router
from gateway.http.metrics import metrics_router
from gateway.http.middleware import BodyLimit, RequestId
from gateway.http.models import models_router
from gateway.http.problems import install_problem_handlers
from gateway.http.visits import Visits, admit, admitting, present_visit
from gateway.jobs.asking import ask_for
from gateway.limits import Meters
from gateway.logs import Report, keep_silent
from gateway.monitoring import monitoring
from gateway.opening import Backends, open_upstream
from gateway.panel import open_panel
from gateway.policies import Exceptions, Policies
from gateway.running import Gateway
from gateway.settings import SERVER_SETTINGS, Settings
from gateway.store.acting import ACTING
from gateway.store.calibration_jobs import CalibrationJobs
from gateway.store.calibration_records import CalibrationJob
from gateway.store.records import Fallback, Place
from gateway.store.store import Store
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.trace import Trace, together
from gateway.upstream.protocol import ChatRequest, EmbeddingRequest, Upstream
from gateway.upstream.routing import Opener, Routing

_OF_SERVERS = SERVER_SETTINGS | {"longest_read_s"}
"""Where one of these is another, the configured servers are opened anew."""

__all__ = ["create_app", "loop_plan", "open_gateway", "reconfigured"]


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
    given. ``create`` begins a database where there is none. Raises ``InvalidInput`` for active private topics that
    the configured key does not open.
    """
    async with AsyncExitStack() as stack:
        store = await Store.open(settings.database, create=create, grace_s=settings.database_grace_s, who="admin")
        stack.push_async_callback(store.aclose)
        routing = Routing(upstream or open_upstream(settings), opener or Backends(settings))
        stack.push_async_callback(routing.aclose)
        plan = loop_plan(settings)
        drift_file = settings.drift_file or state_path(store.database.path)
        drift = Drift(_reactions(settings), drift_file, seed=lambda: randbits(63), report=report)
        stack.callback(drift.save)
        panel = stack.enter_context(open_panel(settings))
        if shut := sealed(panel.key, await store.topics()):
            raise InvalidInput(why_sealed(panel.key, shut))
        policies = _policies(settings, store, routing, panel, drift)
        metrics = Metrics()
        metrics.upstreams(routing.standings)
        for name in MONITORS:
            metrics.drift(name, partial(drift.log_wealth, name), partial(drift.alarm, name))
        trace = together(metrics, stack.enter_context(_exporting())) if settings.otel else metrics
        guard = _guard(settings, trace)
        audits = None
        if settings.audit_file is not None:
            chance = SystemRandom().random  # who could guess which answers are drawn could lie in the others
            audits = stack.enter_context(keeping_audits(settings.audit_file, drift, chance=chance, report=report))
        monitored = await stack.enter_async_context(
            monitoring(metrics, report, most_chars=settings.max_prompt_chars)
        )
        tokens = await stack.enter_async_context(_identities(settings)) if settings.oidc_issuer else None
        yield Gateway(
            settings,
            routing,
            store,
            policies,
            guard,
            plan,
            report,
            metrics,
            trace,
            drift,
            audits,
            monitored,
            panel,
            tokens,
        )


def reconfigured(parts: Gateway, settings: Settings) -> Gateway:
    """Give the same gateway with other settings, as far as these take effect in a running one (``HOT``).

    The one before answers the requests that it has; its servers are closed when the last of them has ended.
    Raises ``InvalidInput`` where a server's key is not in the environment; then nothing has changed.
    """
    if any(getattr(settings, name) != getattr(parts.settings, name) for name in _OF_SERVERS):
        parts.upstream.replace_default(open_upstream(settings))
    policies = _policies(settings, parts.store, parts.upstream, parts.panel, parts.drift, parts.policies)
    guard = _guard(settings, parts.trace)
    return replace(parts, settings=settings, policies=policies, guard=guard, plan=loop_plan(settings))


def _policies(
    settings: Settings,
    store: Store,
    routing: Routing[Place],
    panel: Panel,
    drift: Drift,
    before: Policies | None = None,
) -> Policies:
    return Policies(
        store,
        routing,
        panel,
        loop_plan(settings),
        Exceptions(settings.without_certificate, settings.strictest_threshold),
        verify_timeout_s=settings.verify_timeout_s,
        api_key=_secret(settings.api_key),
        anyone=settings.oidc_issuer is None,
        drift=drift,
        before=before,
    )


def _guard(settings: Settings, trace: Trace) -> Guard:
    fallback = Fallback(settings.fallback, settings.fallback_text)
    return Guard(loop_plan(settings), fallback, trace, finish=settings.fallback_finish_reason)


def _reactions(settings: Settings) -> Reactions:
    return Reactions(
        settings.drift_delta, settings.drift_on_scores, settings.drift_on_audits, settings.audit_probability
    )


def _identities(settings: Settings) -> AbstractAsyncContextManager[Tokens]:
    # Verifying signatures is an optional extra that brings a library of cryptography.
    try:
        from gateway.identities import Provider, open_identities
    except ImportError as error:
        raise InvalidInput(
            f"LETHE_OIDC_ISSUER needs the extra `oidc` ({error}); "
            "in the checkout: pip install -c constraints.txt '.[oidc]'"
        ) from error
    provider = Provider(
        issuer=str(settings.oidc_issuer),
        audience=str(settings.oidc_audience),
        algorithms=settings.oidc_algorithms,
        name_claim=settings.oidc_name_claim,
    )
    return open_identities(provider, str(settings.oidc_keys), clock=time.monotonic, now=time.time)


def _exporting() -> AbstractContextManager[Trace]:
    # The exporter is an optional extra that brings an HTTP client of its own.
    try:
        from gateway.telemetry.exporting import exporting
    except ImportError as error:
        raise InvalidInput(
            f"LETHE_OTEL needs the extra `otel` ({error}); "
            "in the checkout: pip install -c constraints.txt '.[otel]'"
        ) from error
    return exporting(gateway.__version__)


class _Counting:
    """Sends on, and counts the words: about as many as tokens, of which nothing is known before the end."""

    def __init__(self, send_out: SendOut) -> None:
        self._send_out = send_out
        self.words = 0

    def __call__(self, text: str) -> None:
        self.words += len(text.split())
        self._send_out(text)


def create_app(parts: Gateway, meters: Meters | None = None) -> FastAPI:
    """Put the parts behind their routes. ``meters`` go on counting where another application counted before."""
    settings = parts.settings
    app = FastAPI(title="Lethe", version=gateway.__version__, docs_url=None, redoc_url=None)
    check = client_check(parts.client)
    client = [BEARER, Depends(check)]
    guarded = by_role(finding_admins(parts.store, _secret(settings.admin_key), parts.tokens))

    async def ask(request: ChatRequest, send_out: SendOut | None = None) -> Outcome:
        visit = present_visit()

        def told(revision: int) -> None:
            visit.revision = revision if settings.disclose else None

        out = None if send_out is None else _Counting(send_out)
        try:
            outcome = await parts.ask(request, present_client(), watched=True, told=told, send_out=out)
        except BaseException:  # such as that the client went away: what it has read by then is charged
            visit.spend(0 if out is None else out.words)
            raise
        # What the client reads as usage, and not what the loop cost: the limits must not count its rounds aloud.
        visit.spend(outcome.usage.prompt_tokens + outcome.usage.completion_tokens)
        return outcome

    async def embed(request: EmbeddingRequest) -> Embedded:
        made = await parts.embed(request, present_client())
        present_visit().spend(0 if isinstance(made, Refused) else made.prompt_tokens)
        return made

    app.include_router(
        answers_router(
            ask,
            route_class=admitting(check),
            keep_alive_s=settings.keep_alive_s,
            disclosed=settings.disclose,
        ),
        dependencies=[BEARER],
        responses=failures(ANSWERING),
    )
    app.include_router(
        embeddings_router(embed), dependencies=[*client, Depends(admit)], responses=failures(ANSWERING)
    )
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
            route_class=guarded,
            settings=settings,
            certificate_states=parts.certificate_states,
            problems=parts.upstream.problems,
            revision=lambda: parts.policies.revision,
        ),
        dependencies=[BEARER],
        responses=failures(ADMIN),
    )
    # These ask the models' names of the upstream, so they can fail as that does.
    app.include_router(verify_router(parts.verify, guarded), responses=failures({*ADMIN, *LISTING}))
    app.include_router(_calibrations(parts, guarded), responses=failures({*ADMIN, *LISTING}))
    app.include_router(
        audits_router(parts.label_audits, parts.drift.notes, guarded),
        dependencies=[BEARER],
        responses=failures(ADMIN),
    )
    install_problem_handlers(app, parts.report)
    app.add_middleware(Visits, meters=meters or Meters(time.monotonic))
    app.add_middleware(BodyLimit, limit_bytes=settings.max_body_bytes, timeout_s=settings.body_timeout_s)
    app.add_middleware(RequestId)
    return app


def _calibrations(parts: Gateway, guarded: type[APIRoute]) -> APIRouter:
    jobs = CalibrationJobs(parts.store.database)

    async def ask(body: CalibrationBody) -> CalibrationJob:
        wish = Wish(
            level=body.alpha,
            confidence=body.confidence,
            method="ltt" if body.method == "ltt" else "record_low",
            every_group=body.every_group,
            cover_subsets=body.subsets,
            tries=body.tries,
            most_lost=body.most_lost,
            streamed=body.streamed,
        )
        return await ask_for(
            parts,
            jobs,
            body.prompt_lines,
            wish,
            model=body.model,
            concurrency=body.concurrency,
            asked_by=ACTING.get() or "admin",
        )

    return calibrations_router(jobs, ask, guarded, keep_alive_s=parts.settings.keep_alive_s)


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
