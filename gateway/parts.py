"""Settings to parts: a gateway opened and closed as one, and given other settings while it runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    AsyncExitStack,
    asynccontextmanager,
    nullcontext,
)
from dataclasses import replace
from functools import partial
from random import SystemRandom
from secrets import randbits

import gateway
from gateway.clients import Tokens
from gateway.drift.audit_file import AuditFile, keeping_audits
from gateway.drift.monitoring import Drift, Reactions
from gateway.drift.state import state_path
from gateway.drift.watch import MONITORS
from gateway.errors import InvalidInput
from gateway.guard.loop import Guard
from gateway.guard.plan import LoopPlan
from gateway.guard.policy import Panel
from gateway.guard.private import sealed, why_sealed
from gateway.logs import Report, keep_silent
from gateway.monitoring import monitoring
from gateway.opening import Backends, open_upstream
from gateway.panel import open_panel
from gateway.policies import Exceptions, Policies
from gateway.running import Gateway
from gateway.settings import SERVER_SETTINGS, Settings, revealed
from gateway.store.records import Fallback, Place
from gateway.store.store import Store
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.trace import Trace, together
from gateway.threads import Threads
from gateway.upstream.protocol import Upstream
from gateway.upstream.routing import Opener, Routing

_OF_SERVERS = SERVER_SETTINGS | {"longest_read_s"}
"""Where one of these is another, the configured servers are opened anew."""

__all__ = ["loop_plan", "open_gateway", "reconfigured"]


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
        threads = Threads(2 * settings.verify_timeout_s)
        asyncio.get_running_loop().set_default_executor(threads)
        panel = stack.enter_context(open_panel(settings))
        if shut := sealed(panel.key, await store.topics()):
            raise InvalidInput(why_sealed(panel.key, shut))
        policies = _policies(settings, store, routing, panel, drift)
        metrics = _metrics(routing, drift)
        metrics.threads(threads.held)
        trace = together(metrics, stack.enter_context(_exporting())) if settings.otel else metrics
        guard = _guard(settings, trace)
        audits = stack.enter_context(_auditing(settings, drift, report))
        watching = monitoring(metrics, report, most_chars=settings.max_prompt_chars)
        monitored = await stack.enter_async_context(watching)
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
            threads,
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
        api_key=revealed(settings.api_key),
        anyone=settings.oidc_issuer is None,
        drift=drift,
        before=before,
    )


def _guard(settings: Settings, trace: Trace) -> Guard:
    fallback = Fallback(settings.fallback, settings.fallback_text)
    return Guard(loop_plan(settings), fallback, trace, finish=settings.fallback_finish_reason)


def _metrics(routing: Routing[Place], drift: Drift) -> Metrics:
    metrics = Metrics()
    metrics.upstreams(routing.standings)
    for name in MONITORS:
        metrics.drift(name, partial(drift.log_wealth, name), partial(drift.alarm, name))
    return metrics


def _auditing(settings: Settings, drift: Drift, report: Report) -> AbstractContextManager[AuditFile | None]:
    if settings.audit_file is None:
        return nullcontext()
    chance = SystemRandom().random  # who could guess which answers are drawn could lie in the others
    return keeping_audits(settings.audit_file, drift, chance=chance, report=report)


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


def loop_plan(settings: Settings) -> LoopPlan:
    """Take the loop's shape from the settings."""
    return LoopPlan(
        rounds=settings.rounds,
        strategies=settings.strategies,
        candidates_per_round=settings.candidates_per_round,
        decoding=settings.decoding,
        deadline_s=settings.deadline_s,
        most_prompt_chars=settings.max_prompt_chars,
        logprobs=settings.logprobs == "verify",
    )
