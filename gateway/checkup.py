"""A deployment looked at from end to end: what is right, what is not, and what to do. Changes nothing in it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias

import httpx

from gateway.canary import streams, withheld
from gateway.certificates import stored_certificate
from gateway.errors import LetheError, UpstreamError
from gateway.guard.policy import Closed, Open, Panel, ZeroEvidence
from gateway.guard.private import sealed, why_sealed
from gateway.opening import Backends, open_upstream
from gateway.panel import open_panel
from gateway.parts import loop_plan
from gateway.policies import Exceptions, Policies
from gateway.settings import Settings
from gateway.store.chain import Broken, Chained, Whole, checked, entry_of
from gateway.store.store import Store
from gateway.upstream.protocol import Upstream
from gateway.upstream.routing import Routing
from gateway.upstream.several import Several

__all__ = ["Finding", "State", "examined"]

State: TypeAlias = Literal["ok", "warning", "failed", "skipped"]

_AHEAD: Final = timedelta(minutes=2)
"""How far clocks may differ before it is worth a word."""
_SHORTEST_KEY: Final = 16


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at, what was found, and what to do where it is not right. Holds no secret."""

    name: str
    state: State
    found: str
    advice: str = ""


async def examined(settings: Settings, now: datetime) -> AsyncIterator[Finding]:
    """Look at everything that the settings name, one thing after the other. ``now`` is the time in UTC."""
    yield _keys(settings)
    panel = None
    try:
        with open_panel(settings) as panel:
            named = ", ".join((*settings.verifiers, *settings.screened_verifiers, *settings.doubted_verifiers))
            yield Finding("verifiers", "ok", f"all of them load: {named}")
            async for finding in _store(settings, panel, now):
                yield finding
    except LetheError as error:
        yield Finding("verifiers", "failed", str(error), "correct the setting, or install what is missing")
        yield Finding("store", "skipped", "the verifiers do not load")
    async for finding in _upstream(settings):
        yield finding
    yield await _canary(settings)


def _keys(settings: Settings) -> Finding:
    if settings.admin_key is None:
        advice = "set LETHE_ADMIN_KEY to a long random text, as `openssl rand -hex 24` writes"
        return Finding("keys", "warning", "no admin key is set: the admin API is closed", advice)
    given = {"LETHE_ADMIN_KEY": settings.admin_key, "LETHE_API_KEY": settings.api_key}
    short = [n for n, key in given.items() if key is not None and len(key.get_secret_value()) < _SHORTEST_KEY]
    if short:
        advice = "take a long random text, as `openssl rand -hex 24` writes"
        return Finding("keys", "warning", f"{', '.join(short)} can be guessed: fewer than 16 characters", advice)
    return Finding("keys", "ok", "an admin key is set")


async def _store(settings: Settings, panel: Panel, now: datetime) -> AsyncIterator[Finding]:
    try:
        store = await Store.open(settings.database, create=False, grace_s=settings.database_grace_s, who="doctor")
    except LetheError as error:
        advice = "check LETHE_DATABASE and who may read it; `lethe serve` and `lethe topics add` begin one"
        yield Finding("store", "failed", str(error), advice)
        return
    try:
        topics = await store.topics()
        active = sum(topic.active for topic in topics)
        yield Finding("store", "ok", f"{store.shown}: newest schema, {len(topics)} topics, {active} active")
        revision, rows = await store.audit()
        yield await _chain(store, revision, rows)
        yield _clock(rows, await store.active_certificates(), now)
        shut = sealed(panel.key, topics)
        if shut:
            advice = "set LETHE_PRIVATE_KEY_FILE to the file that they were hashed with, or hash them again"
            yield Finding("private topics", "failed", why_sealed(panel.key, shut), advice)
        else:
            yield Finding("private topics", "ok", "the key opens all that are active, or there are none")
        yield await _certificate(settings, store, panel)
    except LetheError as error:
        yield Finding("store", "failed", str(error), "check that nothing locks or damages the database")
    finally:
        await store.aclose()


async def _chain(store: Store, revision: int, rows: Sequence[Chained]) -> Finding:
    advice = "find out who wrote to the database; compare with an export (`lethe audit verify --file`)"
    match checked(rows, revision=revision):
        case Broken(what):
            return Finding("audit log", "failed", what, advice)
        case Whole(count, head):
            missed = await store.unlogged()
            if missed is not None:
                return Finding("audit log", "failed", missed, advice)
            return Finding("audit log", "ok", f"whole, {count} rows, head {head}")


def _clock(rows: Sequence[Chained], certificates: Sequence[dict[str, object]], now: datetime) -> Finding:
    """Nothing that was written down can be from the future."""
    written: list[str] = [str(body.get("created", "")) for body in certificates]
    if rows:
        with suppress(ValueError):
            written.append(str(entry_of(rows[-1]).get("at", "")))
    for text in written:
        with suppress(ValueError, TypeError):
            if datetime.fromisoformat(text) > now + _AHEAD:
                return Finding(
                    "clock",
                    "failed",
                    f"it shows {now:%Y-%m-%dT%H:%M:%SZ}, before {text}",
                    "set this machine's clock",
                )
    return Finding("clock", "ok", f"it shows {now:%Y-%m-%dT%H:%M:%SZ}, after all that was written down")


async def _certificate(settings: Settings, store: Store, panel: Panel) -> Finding:
    """Ask for the rule of every model, as a gateway would now. Without drift: that is a running gateway's."""
    name = "certificate"
    try:
        for body in await store.active_certificates():
            stored_certificate(body)
        routing = Routing(open_upstream(settings), Backends(settings))
    except LetheError as error:
        return Finding(name, "failed", str(error), "see the upstream's finding, or activate another certificate")
    try:
        exceptions = Exceptions(settings.without_certificate, settings.strictest_threshold)
        policies = Policies(
            store, routing, panel, loop_plan(settings), exceptions, verify_timeout_s=settings.verify_timeout_s
        )
        rules = {model: (await policies.now(model))[1] for model in await routing.models()}
    except UpstreamError:
        return Finding(name, "skipped", "the upstream does not say which models there are")
    except LetheError as error:
        return Finding(name, "failed", str(error), "see the other findings")
    finally:
        await routing.aclose()
    closed = [f"{model}: {rule.reason}" for model, rule in rules.items() if isinstance(rule, Closed)]
    if closed:
        advice = "nothing but the fallback goes out there; `lethe calibrate`, then `lethe certificate activate`"
        return Finding(name, "failed", "; ".join(closed), advice)
    if loose := [model for model, rule in rules.items() if isinstance(rule, ZeroEvidence)]:
        advice = "what has no trace goes out there, with no promise; calibrate for one"
        return Finding(name, "warning", f"none applies to {', '.join(loose)}", advice)
    if all(isinstance(rule, Open) for rule in rules.values()):
        return Finding(name, "ok", "none is needed: no topic is active")
    return Finding(name, "ok", f"one applies to {', '.join(rules)}")


async def _upstream(settings: Settings) -> AsyncIterator[Finding]:
    try:
        upstream = open_upstream(settings)
    except LetheError as error:
        yield Finding("upstream", "failed", str(error), "name a server or a checkpoint that is there")
        yield Finding("streaming", "skipped", "there is no upstream")
        return
    usable = False
    models: tuple[str, ...] = ()
    try:
        if isinstance(upstream, Several):
            for server in upstream.servers:
                finding = await _server(server.name, server.upstream, server.models)
                usable |= finding.state == "ok"
                yield finding
        models = await upstream.models()
        usable = usable or not isinstance(upstream, Several)
        if not isinstance(upstream, Several):
            yield Finding("upstream", "ok", f"it is loaded: {', '.join(models)}")
    except LetheError as error:
        if not isinstance(upstream, Several):
            yield Finding("upstream", "failed", str(error), "see its own log")
    if not (usable and models):
        await upstream.aclose()
        yield Finding("streaming", "skipped", "no server answers with a model to ask")
        return
    yield await _streaming(settings, upstream, models[0])


async def _server(name: str, upstream: Upstream, models: Mapping[str, str]) -> Finding:
    what = f"upstream {name}"
    try:
        listed = await upstream.models()
    except LetheError as error:
        advice = "start it, correct its url or its key, and see whether this machine may reach it"
        return Finding(what, "failed", str(error), advice)
    missing = sorted(set(models.values()) - set(listed))
    if missing:
        advice = f"it lists {', '.join(listed) or 'none'}: correct `models`, or load them there"
        return Finding(what, "failed", f"it does not list {', '.join(missing)}", advice)
    return Finding(what, "ok", f"it answers and lists {', '.join(models.values() or listed) or 'no model'}")


async def _streaming(settings: Settings, upstream: Upstream, model: str) -> Finding:
    try:
        wrong = await streams(settings, upstream, model)
    except (LetheError, httpx.HTTPError) as error:
        wrong = str(error) or type(error).__name__
    if wrong:
        advice = f"ask {model} at its server itself; where that works, see the timeouts"
        return Finding("streaming", "failed", f"a stream from {model}: {wrong}", advice)
    return Finding("streaming", "ok", f"a stream from {model} came whole")


async def _canary(settings: Settings) -> Finding:
    try:
        wrong = await withheld(settings)
    except (LetheError, httpx.HTTPError) as error:
        wrong = str(error) or type(error).__name__
    if wrong:
        advice = "do not put this gateway into service; `facts` and `lexical` belong to LETHE_VERIFIERS"
        return Finding("canary", "failed", wrong, advice)
    return Finding("canary", "ok", "a made-up topic was withheld, whole and streamed")
