"""Serves by what is in force, following the store: a toggle counts from the next request on. Knows no HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final, Literal, Protocol

from calibration.certificate import Certificate
from calibration.trajectories import Bindings
from gateway.clients import ANYONE, Client, KeyRing, key_digest
from gateway.drift.monitoring import Drift
from gateway.errors import InvalidInput, UpstreamUnreachable
from gateway.guard.plan import LoopPlan
from gateway.guard.policy import (
    NONE_ACTIVE,
    Bounded,
    Closed,
    Open,
    Panel,
    Policy,
    ReleaseRule,
    ZeroEvidence,
    decide_rule,
)
from gateway.guard.watching import watching
from gateway.in_force import Case, InForce, Served, Sets, Subject, judges_alike, readable, under
from gateway.store.records import Place, PolicyRecord
from gateway.threads import apart
from gateway.upstream.protocol import Upstream
from gateway.upstream.routing import Routing, Wanted, generator_fingerprint

__all__ = ["Exceptions", "Policies", "Revisions"]

_MOST_SERVED: Final = 256
_MOST_PREPARED: Final = 16


@dataclass(frozen=True, slots=True)
class Exceptions:
    """What the operator decided beside the certificate: see the settings of the same names."""

    without_certificate: Literal["fallback", "zero-evidence"] = "fallback"
    strictest_threshold: float | None = None


@dataclass(slots=True)
class _Reads:
    """How often the store was read by all who share it: whoever read counts a write as seen for the others too."""

    count: int = 0


class Revisions(Protocol):
    """Where the policy is kept."""

    async def snapshot(self) -> PolicyRecord:
        """Give it as it is now. Raises ``StoreError``."""
        ...

    def revision_changed(self) -> bool:
        """Say whether it could be another than when it was last asked for."""
        ...


class Policies:
    """Makes a new policy whenever any process has written to the store; a request keeps the one it got.

    ``before`` is what served by other settings until now, and may go on serving requests that it has.
    """

    def __init__(
        self,
        store: Revisions,
        routing: Routing[Place],
        panel: Panel,
        plan: LoopPlan,
        exceptions: Exceptions,
        *,
        verify_timeout_s: float,
        api_key: str | None = None,
        anyone: bool = True,
        drift: Drift | None = None,
        before: Policies | None = None,
    ) -> None:
        self._reads: _Reads = _Reads() if before is None else before._reads
        self._read_at = -1
        self._store = store
        self._routing = routing
        self._panel = panel
        self._plan = plan
        self._exceptions = exceptions
        self._verify_timeout_s = verify_timeout_s
        self._drift = drift
        self._api_key_digest = None if api_key is None else key_digest(api_key)
        self._anyone = anyone
        self._reading = asyncio.Lock()
        self._preparing = asyncio.Lock()
        self._now: InForce | None = None
        self._looked = False

    @asynccontextmanager
    async def serving(
        self,
        model: str,
        client: Client = ANYONE,
        *,
        failed: Collection[Upstream] = (),
        streamed: bool = False,
    ) -> AsyncIterator[Served]:
        """Give what this client's request for ``model`` needs, as the store has it now, and keep it open inside.

        Where the client's key has a backend, that one answers, and without it no other model does. Those that
        ``failed`` already are not given again. ``streamed`` asks for the rule of answers that go out segment by
        segment, where there is one. Raises ``StoreError`` where the store cannot be asked,
        ``UpstreamUnreachable`` where the backend has gone, or all have failed.
        """
        in_force = await self._in_force()
        with self._routing.held(in_force.fleet):
            if client.backend is not None and client.backend not in in_force.fleet.backends:
                raise UpstreamUnreachable("the model of this key is not available")
            asked = client.backend or model
            left = [one for one in in_force.fleet.standing(asked) if one not in failed]
            if not left:
                raise UpstreamUnreachable("the model is not available")
            case = Case(asked, left[0], in_force.active(client))
            served = await (self._streaming if streamed else self._whole)(in_force, case)
            if client.fallback is not None:
                served = replace(served, policy=replace(served.policy, fallback=client.fallback))
            yield served if len(left) == 1 else replace(served, stand_ins=len(left) - 1)

    async def _whole(self, in_force: InForce, case: Case) -> Served:
        return self._after_drift(await self._served(in_force, case))

    async def _streaming(self, in_force: InForce, case: Case) -> Served:
        """Stream where nothing is forgotten or a certificate covers it; else an answer is verified whole."""
        whole = await self._whole(in_force, case)
        found = await self._whole(in_force, replace(case, streamed=True))
        as_lax = isinstance(found.rule, ZeroEvidence) and isinstance(whole.rule, ZeroEvidence)
        return found if as_lax or isinstance(found.rule, Open | Bounded) else whole

    def _after_drift(self, served: Served) -> Served:
        """Let an alarm count from the next request on."""
        if self._drift is None or served.certificate is None or not isinstance(served.rule, Bounded):
            return served
        rule = self._drift.rule(served.certificate, served.rule)
        return served if rule is served.rule else replace(served, rule=rule)

    async def certificates(self) -> tuple[Certificate, ...]:
        """Give the certificates in force, as the store has them now. Raises ``StoreError``."""
        return (await self._in_force()).certificates

    async def now(self, model: str) -> tuple[Policy, ReleaseRule]:
        """Give the policy as it is now, and the rule for answers of ``model``: for onlookers."""
        async with self.serving(model) as served:
            return served.policy, served.rule

    async def client(self, key: str) -> Client:
        """Find who sends this key ("" for none). Raises ``Unauthenticated``, and ``StoreError``."""
        return (await self._in_force()).keys.client(key)

    async def client_named(self, name: str) -> Client:
        """Give whom the key of this name stands for. Raises ``Unauthenticated``, and ``StoreError``."""
        return (await self._in_force()).keys.named(name)

    async def follow(self) -> int:
        """Serve by the newest policy from now on, and give its revision. Raises ``StoreError``."""
        return (await self._in_force()).record.revision

    @property
    def revision(self) -> int | None:
        """The revision that this process serves by; None before its first request, or where reading failed."""
        return None if self._now is None else self._now.record.revision

    async def settled(self) -> Mapping[str, str]:
        """Wait until every backend is open or cannot be, and say of each why it is not ("" where it is)."""
        await self._in_force()
        await self._routing.settled()
        return self._routing.problems()

    @asynccontextmanager
    async def for_calibration(self, model: str, *, streamed: bool = False) -> AsyncIterator[Subject]:
        """Give the active topics and the models as they are now, and keep these open inside the block.

        Its judges take the time that they need: a verdict that comes too late while serving lets nothing out;
        one that was cut off while calibrating would hide what comes after it.
        """
        await self.settled()
        in_force = await self._in_force()
        with self._routing.held(in_force.fleet) as fleet:
            record = in_force.record
            panel, unusable = under(self._panel, record.verifier_modes)
            if unusable is not None:
                raise InvalidInput(unusable)
            active = in_force.active_for_some
            policy = await apart(
                Policy.prepare, record.revision, in_force.topics(active), panel, verify_timeout_s=None
            )
            if policy.sealed is not None:
                raise InvalidInput(policy.sealed)
            policy = replace(policy, routes=in_force.routes(model, active))
            asked = fleet.serving(model)
            bindings = self.bindings(asked, policy, model, streamed=streamed)
            needed = PolicyRecord(
                record.revision,
                tuple(topic for topic in in_force.topics(active) if topic.active),
                backends=record.backends,
                verifier_modes=record.verifier_modes,
            )
            yield Subject(asked, policy, bindings, needed, self._panel.learned)

    def bindings(self, asked: Upstream, policy: Policy, model: str, *, streamed: bool = False) -> Bindings:
        """Name everything that a certificate for ``model`` under ``policy`` depends on, the prompts aside."""
        plan = replace(self._plan, streamed=streamed)
        return Bindings(
            generator=generator_fingerprint(asked, model, policy.routes),
            verifier=policy.verifier,
            topics=policy.fingerprints,
            refinement=plan.refinement_fingerprint(asked.capabilities),
            decoding=plan.decoding_fingerprint,
            rounds=plan.rounds,
            streamed=streamed,
        )

    async def _in_force(self) -> InForce:
        """Follow the store and the fleet. Does not wait after the last look: what it gives is the newest."""
        now = self._now
        if now is None or self._outdated():
            async with self._reading:
                now = self._now
                if now is None or self._outdated():
                    self._now = None  # a read that fails must not leave the old policy in force
                    self._now = now = await self._read(now)
        if now.fleet is not self._routing.fleet:
            self._now = now = replace(now, fleet=self._routing.fleet, served={})
        return now

    def _outdated(self) -> bool:
        """Say whether the store may have changed. Looks at it once in a turn of the event loop.

        Whatever runs in one turn was asked for before it began, so a write that somebody had acknowledged before
        asking is seen.
        """
        if self._reads.count != self._read_at:
            return True
        if not self._looked:
            if self._store.revision_changed():
                return True
            self._looked = True
            asyncio.get_running_loop().call_soon(self._look_again)
        return False

    def _look_again(self) -> None:
        self._looked = False

    async def _read(self, before: InForce | None) -> InForce:
        record = await self._store.snapshot()
        self._reads.count += 1
        self._read_at = self._reads.count
        self._routing.follow({one.name: Wanted(one.place, one.fingerprint) for one in record.backends})
        certificates, unreadable = readable(record.certificates)
        if self._drift is not None:
            self._drift.follow(certificates)
        panel, unusable = under(self._panel, record.verifier_modes)
        prepared: dict[Sets, Policy] = {}
        if before is not None and judges_alike(before.record, record):
            prepared = {sets: replace(p, revision=record.revision) for sets, p in before.prepared.items()}
            watched = before.watching
        else:
            watched = watching(record.topics, panel, verify_timeout_s=self._verify_timeout_s)
        keys = KeyRing(record.keys, self._api_key_digest, self._anyone)
        fleet = self._routing.fleet
        return InForce(record, certificates, unreadable or unusable, keys, fleet, panel, watched, prepared)

    async def _served(self, in_force: InForce, case: Case) -> Served:
        served = in_force.served.get(case)
        if served is None:
            served = replace(await self._decided(in_force, case), streamed=case.streamed)
            if len(in_force.served) < _MOST_SERVED:  # the model's name is the client's to invent
                in_force.served[case] = served
        return served

    async def _decided(self, in_force: InForce, case: Case) -> Served:
        """Decide by this generator's own fingerprint: no certificate of another one's carries over."""
        model, asked, active = case.model, case.asked, case.active
        asked.fingerprint(model)  # raises for a model that there is not
        if not active:
            policy = Policy(in_force.record.revision, {}, {}, None)
            return Served(asked, policy, Open(), watching=in_force.watching)
        certificate, otherwise = self._certificate(in_force, case)
        indexed = in_force.indexed(certificate, active)
        policy = replace(await self._prepared(in_force, active, indexed), routes=in_force.routes(model, indexed))
        if in_force.shut is not None:
            return Served(asked, policy, Closed(in_force.shut))
        rule = decide_rule(
            policy,
            certificate,
            self.bindings(asked, policy, model, streamed=case.streamed),
            without_certificate=self._exceptions.without_certificate,
            strictest=self._exceptions.strictest_threshold,
            otherwise=otherwise,
        )
        return Served(asked, policy, rule, certificate if isinstance(rule, Bounded) else None, in_force.watching)

    def _certificate(self, in_force: InForce, case: Case) -> tuple[Certificate | None, str]:
        """Find the newest certificate that was made of this generator, or say why there is none.

        A single certificate is given even so: how it does not fit says more.
        """
        certificates = [one for one in in_force.certificates if one.bindings.streamed is case.streamed]
        for certificate in certificates:
            routes = in_force.routes(case.model, in_force.indexed(certificate, case.active))
            if generator_fingerprint(case.asked, case.model, routes) == certificate.bindings.generator:
                return certificate, ""
        if len(certificates) < 2:
            return next(iter(certificates), None), NONE_ACTIVE
        words = (
            f"none of the {len(certificates)} active certificates is for this model: calibrate with its --model"
        )
        return None, words

    async def _prepared(self, in_force: InForce, active: frozenset[str], indexed: frozenset[str]) -> Policy:
        """Build a policy's indexes, which may take a while, outside the event loop and once."""
        async with self._preparing:
            known = in_force.prepared.get((active, indexed))
            if known is not None:
                return known
            record = in_force.record
            policy = await apart(
                Policy.prepare,
                record.revision,
                in_force.topics(active),
                in_force.panel,
                calibrated=indexed,
                verify_timeout_s=self._verify_timeout_s,
            )
            if len(in_force.prepared) >= _MOST_PREPARED:
                in_force.prepared.pop(next(iter(in_force.prepared)))
            in_force.prepared[active, indexed] = policy
            return policy
