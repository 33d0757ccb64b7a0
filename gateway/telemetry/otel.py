"""OpenTelemetry spans with the GenAI conventions. Content is never an attribute; needs the extra `otel`.

Of the conventions (status: development) these are used: the span name ``{operation} {model}``, the kind
client for calls of the model, ``gen_ai.operation.name``, ``gen_ai.request.model``, ``gen_ai.usage.*``,
``error.type``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer

from gateway.telemetry.trace import Note, SpanName, Value

__all__ = ["OtelTrace"]

_NAMES: Final[Mapping[SpanName, str]] = {"answer": "lethe answer", "generate": "chat", "judge": "lethe judge"}
_ATTRIBUTES: Final = {
    "model": "gen_ai.request.model",
    "prompt_tokens": "gen_ai.usage.input_tokens",
    "completion_tokens": "gen_ai.usage.output_tokens",
}
"""What has a name in the conventions; everything else goes by ``lethe.…``."""


class OtelTrace:
    """Writes every span of a trace to a tracer, as children of the one around them."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    @contextmanager
    def span(self, name: SpanName, **known: Value) -> Iterator[Note]:
        """Cover the block with a span. See ``Trace``."""
        kind = SpanKind.CLIENT if name == "generate" else SpanKind.INTERNAL
        title = f"{_NAMES[name]} {known['model']}" if name == "generate" and "model" in known else _NAMES[name]
        with self._tracer.start_as_current_span(
            title, kind=kind, attributes=_named(name, known), record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield lambda **found: span.set_attributes(_named(name, found))
            except BaseException as error:  # its message may quote a conversation, its kind does not
                span.set_attribute("error.type", type(error).__name__)
                span.set_status(Status(StatusCode.ERROR))
                raise


def _named(name: SpanName, values: Mapping[str, Value]) -> dict[str, Value]:
    operation = {"gen_ai.operation.name": "chat"} if name == "generate" else {}
    return {**operation, **{_ATTRIBUTES.get(key, f"lethe.{key}"): value for key, value in values.items()}}
