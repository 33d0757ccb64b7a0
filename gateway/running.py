"""A running gateway: its parts, and what they answer under the policy of the moment. Knows no routes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from calibration.certificate import Certificate
from gateway.clients import ANYONE, Client, Tokens, is_token
from gateway.drift.audit_file import AuditFile
from gateway.drift.monitoring import Drift
from gateway.drift.watch import Labelled
from gateway.errors import LetheError, UnknownModel, UpstreamError, UpstreamTimeout
from gateway.guard.embeddings import Embedded, Refused, embedded
from gateway.guard.given import judge_given
from gateway.guard.loop import Guard, Outcome, Released
from gateway.guard.outcomes import measurements
from gateway.guard.plan import LoopPlan
from gateway.guard.policy import Bounded, Closed, Open, Panel, ReleaseRule, ZeroEvidence
from gateway.guard.streaming import SendOut, may_stream
from gateway.http.admin import CertificateState
from gateway.http.admin_verify import GivenExchange, Judged
from gateway.http.problems import problem_body
from gateway.in_force import Served
from gateway.logs import Report
from gateway.monitoring import Monitoring
from gateway.policies import Policies
from gateway.settings import Settings
from gateway.store.records import Place
from gateway.store.store import Store
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.trace import Trace
from gateway.threads import Threads
from gateway.upstream.failing import standing_in_helps
from gateway.upstream.protocol import ChatRequest, EmbeddingRequest, Upstream
from gateway.upstream.routing import Routing

__all__ = ["Gateway"]

Told: TypeAlias = Callable[[int], None]


def _untold(revision: int) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Gateway:
    """The parts of one running gateway."""

    settings: Settings
    upstream: Routing[Place]
    store: Store
    policies: Policies
    guard: Guard
    plan: LoopPlan
    report: Report
    metrics: Metrics
    trace: Trace
    drift: Drift
    audits: AuditFile | None
    monitoring: Monitoring
    panel: Panel
    threads: Threads
    tokens: Tokens | None = None

    async def client(self, given: str) -> Client:
        """Find who sends this key or token ("" for none). Raises ``LetheError``."""
        if self.tokens is not None and is_token(given):
            return await self.policies.client_named(await self.tokens.name(given))
        return await self.policies.client(given)

    async def ask(
        self,
        request: ChatRequest,
        client: Client = ANYONE,
        *,
        watched: bool = False,
        told: Told = _untold,
        send_out: SendOut | None = None,
    ) -> Outcome:
        """Answer a request under the policy of this moment, by the client's backend if its key has one.

        A model that is not on the key's list is unknown to its client. ``watched`` requests are real traffic, by
        which drift is judged. ``told`` hears the revision by which the answer is given. ``send_out`` takes the
        content segment by segment, where the settings, the request and a certificate allow that. Raises
        ``LetheError``.
        """
        _require_listed(client, request.model)
        out = None if send_out is None else _FirstText(send_out)
        with self.trace.span("answer") as note:
            served, outcome = await self._answered(request, client, told, out)
            if out is not None:
                self.metrics.first_text("segment" if out.begun else "whole", out.after_s)
            note(**measurements(outcome))
            self._tell(outcome, served, client)
            if isinstance(outcome, Released):
                self.monitoring.offer(request, outcome.choices, served)
        if watched:
            self._watch(request, outcome, served.certificate)
        return outcome

    async def _answered(
        self, request: ChatRequest, client: Client, told: Told, out: _FirstText | None
    ) -> tuple[Served, Outcome]:
        """Ask a generator that can answer; where it fails before any answer, the next one, by that one's own rule.

        All of it together has the loop's deadline.
        """
        streamed = out is not None and self.settings.streaming == "segment" and may_stream(request)
        deadline = asyncio.get_running_loop().time() + self.plan.deadline_s
        failed: list[Upstream] = []
        while True:
            async with self.policies.serving(request.model, client, failed=failed, streamed=streamed) as served:
                told(served.policy.revision)
                try:
                    outcome = await self.guard.answer(
                        served.upstream,
                        request,
                        served.policy,
                        served.rule,
                        deadline=deadline,
                        send_out=out if served.streamed else None,
                    )
                except UpstreamError as error:
                    late = asyncio.get_running_loop().time() >= deadline or (out is not None and out.begun)
                    if late or not served.stand_ins or not standing_in_helps(error):
                        raise
                else:
                    return served, outcome
            failed.append(served.upstream)
            self.metrics.stood_in()

    async def verify(self, given: GivenExchange) -> Judged:
        """Judge an exchange by the policy of this moment, asking no model. Raises ``LetheError``."""
        model = given.model or (await self.upstream.models())[0]
        policy, rule = await self.policies.now(model)
        found = await judge_given(ChatRequest(model, given.said), given.answer, policy, rule, self.plan)
        return Judged(found, model, policy.revision)

    def _watch(self, request: ChatRequest, outcome: Outcome, certificate: Certificate | None) -> None:
        """Take a conversation that touches a topic, where a certificate promises something about it."""
        if certificate is None or outcome.opening_score is None:
            return
        self.drift.saw(certificate, outcome.opening_score)
        if self.audits is not None:
            self.audits.offer(certificate, request, outcome)

    async def label_audits(self, labels: Mapping[str, Sequence[Labelled]]) -> tuple[int, int]:
        """Take labels by certificate; says how many were new, and how many are of certificates not in force.

        Raises ``InvalidInput``.
        """
        certificates = {one.id: one for one in await self.policies.certificates()}
        new = sum(self.drift.audited(certificates[id_], labels[id_]) for id_ in labels if id_ in certificates)
        return new, sum(len(labels[id_]) for id_ in labels.keys() - certificates.keys())

    async def embed(self, request: EmbeddingRequest, client: Client = ANYONE) -> Embedded:
        """Embed under the policy of this moment, by the client's backend if its key has one, by the deadline."""
        _require_listed(client, request.model)
        async with self.policies.serving(request.model, client) as served:
            screen = served.policy.screen if self.settings.embeddings == "refuse" else None
            try:
                async with asyncio.timeout(self.plan.deadline_s):
                    made = await embedded(served.upstream, request, screen, most_chars=self.plan.most_prompt_chars)
            except TimeoutError:
                raise UpstreamTimeout("the model did not answer before the deadline", phase="read") from None
        self.report(
            "embedded",
            {
                "outcome": made.reason if isinstance(made, Refused) else "released",
                "inputs": len(request.inputs),
                "revision": served.policy.revision,
                "key": client.key,
            },
        )
        return made

    def _tell(self, outcome: Outcome, served: Served, client: Client) -> None:
        self.metrics.policy(
            revision=served.policy.revision,
            active_topics=len(served.policy.topics),
            certified=isinstance(served.rule, Bounded),
        )
        self.report(
            "answered",
            {
                "outcome": "released" if isinstance(outcome, Released) else outcome.reason,
                "rule": type(served.rule).__name__.lower(),
                "revision": served.policy.revision,
                "rounds": outcome.rounds,
                "generations": outcome.generations,
                "key": client.key,
            },
        )

    async def models(self, client: Client) -> tuple[str, ...]:
        """Name what the client can ask for: all models, those on its list, or the one that its key is for."""
        if client.backend is not None:
            return (client.backend,)
        return tuple(model for model in await self.upstream.models() if client.may_ask_for(model))

    async def readiness(self) -> Mapping[str, str]:
        """Name each thing that answers depend on, and what is wrong with it (empty: nothing)."""
        found = {"store": "", "upstream": "", "certificate": "", "verifiers": self.threads.problem()}
        models: tuple[str, ...] = ()
        try:
            models = await self.upstream.models()
        except LetheError as error:
            found["upstream"] = str(error)
        try:
            rules = [(await self.policies.now(model))[1] for model in models]
            closed = [rule.reason for rule in rules if isinstance(rule, Closed)]
            found["certificate"] = closed[0] if rules and len(closed) == len(rules) else ""
        except LetheError as error:
            found["store"] = str(problem_body(error)["error"]["message"])
        return found

    async def certificate_states(self) -> Mapping[str, CertificateState]:
        """Say for the operator, of each model, which certificate covers it and whether answers go out."""
        try:
            return {model: _state((await self.policies.now(model))[1]) for model in await self.upstream.models()}
        except LetheError as error:
            return {"": CertificateState(None, f"not checked: {problem_body(error)['error']['message']}")}


class _FirstText:
    """Sends on, and remembers when the first text went out, which no other generator's answer can follow."""

    def __init__(self, send_out: SendOut) -> None:
        self._send_out = send_out
        self._asked = time.perf_counter()
        self._begun_s: float | None = None

    @property
    def begun(self) -> bool:
        """Say whether anything has gone out."""
        return self._begun_s is not None

    @property
    def after_s(self) -> float:
        """Give the seconds to the first text, or up to now where there was none."""
        return time.perf_counter() - self._asked if self._begun_s is None else self._begun_s

    def __call__(self, text: str) -> None:
        if self._begun_s is None:
            self._begun_s = time.perf_counter() - self._asked
        self._send_out(text)


def _require_listed(client: Client, model: str) -> None:
    if not client.may_ask_for(model):
        raise UnknownModel("there is no such model; GET /v1/models lists them", param="model")


def _state(rule: ReleaseRule) -> CertificateState:
    match rule:
        case Bounded(_, certificate_id):
            return CertificateState(certificate_id, "in force")
        case Closed(reason):
            return CertificateState(None, reason)
        case ZeroEvidence(reason):
            return CertificateState(None, f"{reason}; what has no trace goes out, with no promise")
        case Open():
            return CertificateState(None, "not needed: no topic is active")
