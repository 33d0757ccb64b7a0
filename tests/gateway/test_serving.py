"""A web application on a port."""

from __future__ import annotations

import asyncio
import socket

import uvloop

from gateway.serving import listening_socket, run_fast


def test_a_connection_sends_at_once_what_is_written():
    """An answer goes out as head and body; held back, the body would wait for the head's receipt."""
    with listening_socket("127.0.0.1", 0) as bound, socket.create_connection(bound.getsockname()):
        accepted, _ = bound.accept()
        with accepted:
            held_back = accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 0
    assert held_back is False


def test_serving_runs_on_the_event_loop_written_in_c():
    """The default one costs a fifth more for each answer."""
    loops: list[asyncio.AbstractEventLoop] = []

    async def look() -> None:
        loops.append(asyncio.get_running_loop())

    run_fast(look())
    assert [isinstance(loop, uvloop.Loop) for loop in loops] == [True]
