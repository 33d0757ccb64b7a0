"""The composition root: settings to parts to a web application. The only place where the parts meet."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from fastapi import Depends, FastAPI, Request
from pydantic import SecretStr

import gateway
from gateway.errors import InvalidInput, LetheError, Unauthenticated
from gateway.guard.loop import Guard, Outcome, Released
from gateway.guard.policy import Bounded, Closed, Panel, ReleaseRule, ZeroEvidence
from gateway.guard.trajectory import LoopPlan
from gateway.http.admin import CertificateState, admin_router
from gateway.http.answers import answers_router
from gateway.http.health import health_router
from gateway.http.middleware import BodyLimit, RequestId
from gateway.http.models import models_router
from gateway.http.problems import install_problem_handlers, problem_body
from gateway.logs import Report, keep_silent
from gateway.policies import Exceptions, Policies
from gateway.settings import Settings
from gateway.store.records import Fallback, PolicyRecord
from gateway.store.store import Store
from gateway.upstream.openai import OpenAIUpstream, Timeouts
from gateway.upstream.protocol import Capabilities, ChatRequest, Upstream
from verifiers.claims import Claims
from verifiers.facts import Facts
from verifiers.lexical import Lexical
from verifiers.protocol import Verifier
from verifiers.verbatim import Verbatim

__all__ = ["Gateway", "create_app", "loop_plan", "open_gateway", "open_upstream", "verifier_panel"]

_VERIFIERS: Final[Mapping[str, type[Lexical] | type[Facts] | type[Claims] | type[Verbatim]]] = {
    "lexical": Lexical,
    "facts": Facts,
    "verbatim": Verbatim,
    "claims": Claims,
}


@dataclass(frozen=True, slots=True)
class Gateway:
    """The parts of one running gateway."""

    settings: Settings
    upstream: Upstream
    store: Store
    policies: Policies
    guard: Guard
    plan: LoopPlan
    report: Report

    async def ask(self, request: ChatRequest) -> Outcome:
        """Answer a request under the policy of this moment."""
        policy, rule = await self.policies.now(request.model)
        outcome = await self.guard.answer(request, policy, rule)
        self.report(
            "answered",
            {
                "outcome": "released" if isinstance(outcome, Released) else outcome.reason,
                "rule": type(rule).__name__.lower(),
                "revision": policy.revision,
                "rounds": outcome.rounds,
                "generations": outcome.generations,
            },
        )
        return outcome

    async def readiness(self) -> Mapping[str, str]:
        """Name each thing that answers depend on, and what is wrong with it (empty: nothing)."""
        found = {"store": "", "upstream": "", "certificate": ""}
        models: tuple[str, ...] = ()
        try:
            models = await self.upstream.models()
        except LetheError as error:
            found["upstream"] = str(error)
        try:
            rules = await self._rules(models)
            closed = [rule.reason for rule in rules if isinstance(rule, Closed)]
            found["certificate"] = closed[0] if rules and len(closed) == len(rules) else ""
        except LetheError as error:
            found["store"] = str(problem_body(error)["error"]["message"])
        return found

    async def _rules(self, models: Sequence[str]) -> list[ReleaseRule]:
        return [(await self.policies.now(model))[1] for model in models]

    async def certificate_state(self, record: PolicyRecord) -> CertificateState:
        """Say for the operator which certificate is active, and whether answers go out under it."""
        id_ = None if record.certificate is None else str(record.certificate.get("id"))
        try:
            rules = await self._rules(await self.upstream.models())
        except LetheError as error:
            return CertificateState(id_, f"not checked: {problem_body(error)['error']['message']}")
        if any(isinstance(rule, Bounded) for rule in rules):
            return CertificateState(id_, "in force")
        for rule in rules:
            if isinstance(rule, Closed):
                return CertificateState(id_, rule.reason)
            if isinstance(rule, ZeroEvidence):
                return CertificateState(id_, f"{rule.reason}; what has no trace goes out, with no promise")
        return CertificateState(id_, "not needed: no topic is active")


@asynccontextmanager
async def open_gateway(
    settings: Settings,
    *,
    upstream: Upstream | None = None,
    report: Report = keep_silent,
    create: bool = True,
) -> AsyncIterator[Gateway]:
    """Open the store and the model, and close them in the end. ``upstream`` replaces the configured one.

    ``create`` begins a database where there is none.
    """
    async with AsyncExitStack() as stack:
        store = await Store.open(settings.database, create=create)
        stack.push_async_callback(store.aclose)
        model = upstream or open_upstream(settings)
        stack.push_async_callback(model.aclose)
        plan = loop_plan(settings)
        exceptions = Exceptions(settings.without_certificate, settings.strictest_threshold)
        policies = Policies(
            store,
            model,
            verifier_panel(settings),
            plan,
            exceptions,
            verify_timeout_s=settings.verify_timeout_s,
        )
        fallback = Fallback(settings.fallback, settings.fallback_text)
        yield Gateway(settings, model, store, policies, Guard(model, plan, fallback), plan, report)


def create_app(parts: Gateway) -> FastAPI:
    """Put the parts behind their routes."""
    settings = parts.settings
    app = FastAPI(title="Lethe", version=gateway.__version__, docs_url=None, redoc_url=None)
    client = [Depends(_client_key(settings))]
    app.include_router(
        answers_router(parts.ask, keep_alive_s=settings.keep_alive_s, disclosed=settings.disclose),
        dependencies=client,
    )
    app.include_router(models_router(parts.upstream), dependencies=client)
    app.include_router(health_router(parts.readiness))
    app.include_router(
        admin_router(parts.store, admin_key=_secret(settings.admin_key), certificate_check=parts.certificate_state)
    )
    install_problem_handlers(app, parts.report)
    app.add_middleware(BodyLimit, limit_bytes=settings.max_body_bytes)
    app.add_middleware(RequestId)
    return app


def open_upstream(settings: Settings) -> Upstream:
    """Connect to the configured model. Raises ``InvalidInput`` if there is none, or it cannot be loaded."""
    if settings.upstream_url is not None:
        return OpenAIUpstream(
            settings.upstream_url,
            api_key=_secret(settings.upstream_key),
            timeouts=Timeouts(
                connect_s=settings.connect_timeout_s,
                read_s=settings.read_timeout_s,
                write_s=settings.write_timeout_s,
                pool_s=settings.pool_timeout_s,
            ),
            capabilities=Capabilities(
                several_choices=settings.upstream_several_choices,
                banned_words=settings.upstream_bad_words,
            ),
        )
    if settings.model_dir is not None:
        # torch is an optional extra, and the serving path must not load it for a remote model.
        try:
            from gateway.upstream.transformers import Batching, TransformersUpstream
        except ImportError as error:
            raise InvalidInput(
                f"a model in this process needs the extra `local`, which is not installed ({error}): "
                "pip install 'lethe-gateway[local]'"
            ) from error
        return TransformersUpstream(
            settings.model_dir,
            name=settings.model_name or settings.model_dir.name,
            threads=settings.model_threads,
            batching=Batching(rows=settings.max_batch),
        )
    raise InvalidInput("no model to stand before: set LETHE_UPSTREAM_URL, or LETHE_MODEL_DIR")


def verifier_panel(settings: Settings) -> Panel:
    """Build the configured verifiers."""

    def named(names: tuple[str, ...]) -> tuple[Verifier, ...]:
        return tuple(_VERIFIERS[name]() for name in names)

    screened = tuple(name for name in settings.screened_verifiers if name not in settings.verifiers)
    return Panel(cheap=named(settings.verifiers), screened=named(screened))


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


def _client_key(settings: Settings) -> Callable[[Request], None]:
    expected = _secret(settings.api_key)

    def check(request: Request) -> None:
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if expected is not None and not secrets.compare_digest(given.encode(), expected.encode()):
            raise Unauthenticated("the API key is missing or wrong; send it as a bearer token")

    return check


def _secret(value: SecretStr | None) -> str | None:
    return value.get_secret_value() if value is not None else None
