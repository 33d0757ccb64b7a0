"""Metrics count spans by how they ended."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.telemetry.metrics import Metrics


def value(metrics, name, **labels):
    """Read one sample of the exposition."""
    for family in text_string_to_metric_families(metrics.exposition().decode()):
        for sample in family.samples:
            if sample.name == name and sample.labels == labels:
                return sample.value
    return None


def test_an_answer_is_counted_by_its_outcome():
    """With its rounds, generations and tokens."""
    metrics = Metrics()
    with metrics.span("answer") as note:
        note(outcome="released", rounds=2, generations=3, answer_prompt_tokens=5, loop_completion_tokens=7)
    assert 1 == value(metrics, "lethe_answers_total", outcome="released")
    assert 1 == value(metrics, "lethe_answer_seconds_count", outcome="released")
    assert (2, 3) == (value(metrics, "lethe_rounds_sum"), value(metrics, "lethe_generations_total"))
    assert 5 == value(metrics, "lethe_tokens_total", of="answer", kind="prompt")
    assert 7 == value(metrics, "lethe_tokens_total", of="loop", kind="completion")


@pytest.mark.parametrize(
    ("error", "outcome"), [(ValueError("secret"), "failed"), (asyncio.CancelledError(), "cancelled")]
)
def test_an_exception_is_counted_and_goes_on(error, outcome):
    """Its message is nowhere."""
    metrics = Metrics()
    with pytest.raises(type(error)), metrics.span("answer", outcome="released"):
        raise error
    assert 1 == value(metrics, "lethe_answers_total", outcome=outcome)
    assert None is value(metrics, "lethe_answers_total", outcome="released")
    assert b"secret" not in metrics.exposition()


@pytest.mark.parametrize("error", [ValueError, asyncio.CancelledError])
def test_requests_in_progress_are_counted_while_they_are(error):
    """What a cluster scales by comes back to nothing, however a request ends; calls of the model do not count."""
    metrics = Metrics()
    seen = []
    with suppress(error), metrics.span("answer"), metrics.span("answer"), metrics.span("generate"):
        seen.append(value(metrics, "lethe_answers_in_progress"))
        raise error
    assert [2, 0] == [*seen, value(metrics, "lethe_answers_in_progress")]


def test_calls_of_the_model_and_verdicts_have_their_own_times():
    """A failed call and an abstention stand apart."""
    metrics = Metrics()
    with metrics.span("generate", round=1):
        pass
    with pytest.raises(ConnectionResetError), metrics.span("generate", round=2):
        raise ConnectionResetError
    with metrics.span("judge") as note:
        note(abstained=True)
    with metrics.span("judge") as note:
        note(abstained=False)
    assert 1 == value(metrics, "lethe_upstream_seconds_count", result="done")
    assert 1 == value(metrics, "lethe_upstream_seconds_count", result="failed")
    assert 2 == value(metrics, "lethe_verifier_seconds_count")
    assert 1 == value(metrics, "lethe_verifier_abstentions_total")


def test_two_gateways_do_not_share_their_numbers():
    """Each has a registry of its own."""
    first, second = Metrics(), Metrics()
    first.policy(revision=4, active_topics=2, certified=True)
    assert (4, 2, 1) == tuple(
        value(first, name)
        for name in ("lethe_policy_revision", "lethe_active_topics", "lethe_certificate_in_force")
    )
    assert 0 == value(second, "lethe_policy_revision")
