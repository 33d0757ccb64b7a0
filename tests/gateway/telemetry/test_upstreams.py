"""How servers stand, in the text that Prometheus reads."""

from __future__ import annotations

from gateway.telemetry.metrics import Metrics
from gateway.telemetry.upstreams import ServerStanding


def test_every_number_of_every_server_is_told_as_it_is_when_asked():
    """By the server's name; a reload that brings other servers needs no restart of the metrics."""
    metrics, standing = Metrics(), [ServerStanding("a", "open", 1, 2, 3, 4)]
    metrics.upstreams(lambda: standing)
    shown = metrics.exposition().decode()
    told = {line for line in shown.splitlines() if line.startswith("lethe_upstream_") and "{upstream=" in line}
    assert {
        'lethe_upstream_breaker{upstream="a"} 2.0',
        'lethe_upstream_running{upstream="a"} 1.0',
        'lethe_upstream_waiting{upstream="a"} 2.0',
        'lethe_upstream_retries_total{upstream="a"} 3.0',
        'lethe_upstream_refused_total{upstream="a"} 4.0',
    } == told
    standing[:] = [ServerStanding("b", "half-open", 0, 0, 0, 0)]
    shown = metrics.exposition().decode()
    assert (True, False) == ('lethe_upstream_breaker{upstream="b"} 1.0' in shown, 'upstream="a"' in shown)
