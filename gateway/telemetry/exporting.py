"""Sending traces to a collector, as the standard OTEL_… variables say. Needs the extra `otel`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from gateway.telemetry.otel import OtelTrace

__all__ = ["exporting"]


@contextmanager
def exporting(version: str) -> Iterator[OtelTrace]:
    """Give a trace whose spans are sent in batches; what is left is sent when the block ends."""
    provider = TracerProvider(resource=Resource.create({"service.name": "lethe", "service.version": version}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    try:
        yield OtelTrace(provider.get_tracer("lethe", version))
    finally:
        provider.shutdown()
