"""Servers as the settings want them: each behind its queue and breaker, those of the same weights in one pool."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Final, TypeVar

from gateway.errors import InvalidInput
from gateway.settings import Settings, revealed
from gateway.settings_upstreams import BadWords, UpstreamSettings
from gateway.upstream.breaker import Breaker
from gateway.upstream.exchange import Timeouts
from gateway.upstream.gate import Gate
from gateway.upstream.openai import OpenAIUpstream
from gateway.upstream.pool import Patience, Pool
from gateway.upstream.protocol import Capabilities
from gateway.upstream.server import Server
from gateway.upstream.several import Several

__all__ = ["ONLY", "configured_servers", "key_from", "server_capabilities", "server_pool"]

ONLY: Final = "default"
"""What the server of LETHE_UPSTREAM_URL is called."""

T = TypeVar("T")


def configured_servers(settings: Settings, environment: Mapping[str, str] = os.environ) -> Several | None:
    """Make ready to talk to the configured servers; None where none is. Nothing is connected yet.

    Raises ``InvalidInput`` where a server's key is not in ``environment``.
    """
    if settings.upstream_url is not None:
        only = UpstreamSettings(name=ONLY, url=settings.upstream_url)
        return Several([_pool(settings, [(only, revealed(settings.upstream_key))])])
    if not settings.upstreams:
        return None
    alike: dict[str, list[tuple[UpstreamSettings, str | None]]] = {}
    for one in settings.upstreams:
        key = f"weights {one.weights}" if one.weights is not None else f"name {one.name}"
        alike.setdefault(key, []).append((one, key_from(environment, one.key_env)))
    return Several([_pool(settings, group) for group in alike.values()])


def server_pool(settings: Settings, name: str, url: str, key: str | None) -> Pool:
    """Make ready to talk to one server, of which the settings say nothing in particular."""
    return _pool(settings, [(UpstreamSettings.model_construct(name=name, url=url), key)])


def server_capabilities(settings: Settings) -> Capabilities:
    """Take a server to do what the settings say that servers do."""
    return _capabilities(settings.upstream_several_choices, settings.upstream_bad_words)


def key_from(environment: Mapping[str, str], name: str | None) -> str | None:
    """Read a server's key. Raises ``InvalidInput`` where the variable is not set."""
    if name is None:
        return None
    if key := environment.get(name):
        return key
    raise InvalidInput(f"the environment variable {name}, which should hold its key, is not set")


def _pool(settings: Settings, group: list[tuple[UpstreamSettings, str | None]]) -> Pool:
    """Retry as often as any of them may be."""
    retries = max(_given(one.retries, settings.upstream_retries) for one, _ in group)
    servers = [_server(settings, one, key) for one, key in group]
    return Pool(servers, weights=group[0][0].weights, patience=Patience(retries, settings.upstream_retry_after_s))


def _server(settings: Settings, one: UpstreamSettings, key: str | None) -> Server:
    connections = _given(one.connections, settings.upstream_connections)
    upstream = OpenAIUpstream(
        one.url,
        api_key=key,
        timeouts=Timeouts(
            connect_s=_given(one.connect_timeout_s, settings.connect_timeout_s),
            read_s=_given(one.read_timeout_s, settings.longest_read_s),
            write_s=_given(one.write_timeout_s, settings.write_timeout_s),
            pool_s=_given(one.pool_timeout_s, settings.pool_timeout_s),
        ),
        capabilities=_capabilities(
            _given(one.several_choices, settings.upstream_several_choices),
            _given(one.bad_words, settings.upstream_bad_words),
        ),
        connections=connections,
        most_bytes=settings.max_answer_bytes,
    )
    waiting = _given(one.waiting, settings.upstream_waiting)
    gate = Gate(connections, waiting, _given(one.pool_timeout_s, settings.pool_timeout_s))
    breaker = Breaker(settings.breaker_failures, settings.breaker_pause_s, time.monotonic)
    return Server(one.name, upstream, gate=gate, breaker=breaker, models=one.models)


def _capabilities(several_choices: bool, bad_words: BadWords) -> Capabilities:
    return Capabilities(
        several_choices=several_choices,
        banned_words=bad_words is not False,
        every_spelling=bad_words == "every_spelling",
    )


def _given(own: T | None, otherwise: T) -> T:
    return otherwise if own is None else own
