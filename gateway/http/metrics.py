"""GET /metrics: numbers for Prometheus, for whoever has the key where one is set."""

from __future__ import annotations

from fastapi import APIRouter, Response

from gateway.telemetry.metrics import CONTENT_TYPE, Metrics

__all__ = ["metrics_router"]


def metrics_router(metrics: Metrics) -> APIRouter:
    """Serve the metrics. They tell how much is forgotten, never what."""
    router = APIRouter()

    @router.get("/metrics", response_class=Response)
    def exposition() -> Response:
        """Write all metrics."""
        return Response(metrics.exposition(), headers={"content-type": CONTENT_TYPE})

    return router
