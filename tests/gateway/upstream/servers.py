"""Servers for tests: scripted, behind real queues and breakers, on a clock that tests turn."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.upstream.breaker import Breaker
from gateway.upstream.gate import Gate
from gateway.upstream.protocol import ChatRequest
from gateway.upstream.scripted import ScriptedUpstream
from gateway.upstream.server import Server

ASK = ChatRequest("m", ({"role": "user", "content": "hi"},))


class Clock:
    """Shows what it is set to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


def server(
    name: str,
    script,
    *,
    models: Mapping[str, str] | None = None,
    failures: int = 3,
    running: int = 10,
    waiting: int = 10,
    clock: Clock | None = None,
    **options: object,
) -> Server:
    """Make one that answers by the script."""
    upstream = ScriptedUpstream(script, model=name, version=name, **options)
    gate = Gate(running, waiting, wait_s=0.05)
    return Server(name, upstream, gate=gate, breaker=Breaker(failures, 15.0, clock or Clock()), models=models)
