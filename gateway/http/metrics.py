"""GET /metrics: numbers for Prometheus, for whoever has the key."""

from __future__ import annotations

from fastapi import APIRouter, Response

from gateway.http.admin_lock import locked
from gateway.telemetry.metrics import CONTENT_TYPE, Metrics

__all__ = ["metrics_router"]


def metrics_router(metrics: Metrics, *, key: str | None) -> APIRouter:
    """Serve the metrics to whoever has the key. They tell how much is forgotten, never what."""
    router = APIRouter(route_class=locked(key, setting="LETHE_METRICS_KEY"))

    @router.get("/metrics", response_class=Response)
    def exposition() -> Response:
        """Write all metrics."""
        return Response(metrics.exposition(), headers={"content-type": CONTENT_TYPE})

    return router
