"""Traces: nobody, several, and OpenTelemetry."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from gateway.telemetry.metrics import Metrics
from gateway.telemetry.otel import OtelTrace
from gateway.telemetry.trace import UNTRACED, together


@pytest.fixture
def exported():
    """An OpenTelemetry trace and what it exported."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return OtelTrace(provider.get_tracer("lethe")), exporter


def test_nobody_is_told_where_nobody_listens():
    """A trace of no parts is the silent one."""
    assert UNTRACED is together()
    with UNTRACED.span("answer") as note:
        note(outcome="released")


def test_spans_nest_and_carry_the_conventions_names(exported):
    """The call of the model is a client span within the answer."""
    trace, exporter = exported
    with trace.span("answer") as note:
        with trace.span("generate", model="m", round=1) as generated:
            generated(prompt_tokens=3, completion_tokens=4)
        note(outcome="released")
    inner, outer = exporter.get_finished_spans()
    assert ("chat m", "lethe answer") == (inner.name, outer.name)
    assert outer.context.span_id == inner.parent.span_id
    assert {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "m",
        "gen_ai.usage.input_tokens": 3,
        "gen_ai.usage.output_tokens": 4,
        "lethe.round": 1,
    } == dict(inner.attributes)
    assert {"lethe.outcome": "released"} == dict(outer.attributes)


def test_an_exception_leaves_its_kind_and_not_its_message(exported):
    """What it says may quote a conversation."""
    trace, exporter = exported
    with pytest.raises(ValueError, match="secret"), trace.span("judge"):
        raise ValueError("secret")
    (span,) = exporter.get_finished_spans()
    assert ("ValueError", StatusCode.ERROR, ()) == (
        span.attributes["error.type"],
        span.status.status_code,
        span.events,
    )
    assert None is span.status.description


def test_several_are_told_the_same(exported):
    """Metrics and spans come from one trace."""
    trace, exporter = exported
    metrics = Metrics()
    with together(metrics, trace).span("answer") as note:
        note(outcome="blocked")
    assert b'lethe_answers_total{outcome="blocked"} 1.0' in metrics.exposition()
    assert "blocked" == exporter.get_finished_spans()[0].attributes["lethe.outcome"]
