"""The policy in force: follows the store, so that a toggle counts from the next request on. Knows no HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from calibration.certificate import Certificate
from calibration.trajectories import Bindings
from gateway.certificates import stored_certificate
from gateway.errors import InvalidInput
from gateway.guard.policy import Closed, Panel, Policy, ReleaseRule, decide_rule
from gateway.guard.trajectory import LoopPlan
from gateway.store.store import Store
from gateway.upstream.protocol import Upstream

__all__ = ["Exceptions", "InForce", "Policies"]

_MOST_RULES: Final = 256


@dataclass(frozen=True, slots=True)
class Exceptions:
    """What the operator decided beside the certificate: see the settings of the same names."""

    without_certificate: Literal["fallback", "zero-evidence"] = "fallback"
    strictest_threshold: float | None = None


@dataclass(frozen=True, slots=True)
class InForce:
    """One revision of the policy with its certificate, and what has to hold for each model's answers."""

    policy: Policy
    certificate: Certificate | None
    unreadable: str | None
    rules: dict[str, ReleaseRule] = field(default_factory=dict)


class Policies:
    """Makes a new policy whenever any process has written to the store; a request keeps the one it got."""

    def __init__(
        self,
        store: Store,
        upstream: Upstream,
        panel: Panel,
        plan: LoopPlan,
        exceptions: Exceptions,
        *,
        verify_timeout_s: float,
    ) -> None:
        self._store = store
        self._upstream = upstream
        self._panel = panel
        self._plan = plan
        self._exceptions = exceptions
        self._verify_timeout_s = verify_timeout_s
        self._lock = asyncio.Lock()
        self._now: InForce | None = None

    async def now(self, model: str) -> tuple[Policy, ReleaseRule]:
        """Give the policy as the store has it now, and the rule for answers of ``model``.

        Raises ``StoreError`` where the store cannot be asked: nothing may go out then.
        """
        in_force = await self._in_force()
        rule = in_force.rules.get(model) or self._rule(in_force, model)
        if len(in_force.rules) < _MOST_RULES:  # the model's name is the client's to invent
            in_force.rules[model] = rule
        return in_force.policy, rule

    async def for_calibration(self) -> Policy:
        """Give the policy of the active topics alone, whose judges take the time that they need.

        A verdict that comes too late while serving lets nothing out; one that was cut off while calibrating
        would hide what comes after it.
        """
        record = await self._store.policy()
        return await asyncio.to_thread(
            Policy.prepare, record.revision, record.topics, self._panel, verify_timeout_s=None
        )

    def bindings(self, policy: Policy, model: str, prompts: str = "") -> Bindings:
        """Name everything that a certificate for ``model`` under ``policy`` depends on."""
        return Bindings(
            generator=self._upstream.fingerprint(model),
            verifier=self._panel.fingerprint,
            topics=policy.fingerprints,
            refinement=self._plan.refinement_fingerprint(self._upstream.capabilities),
            decoding=self._plan.decoding_fingerprint,
            rounds=self._plan.rounds,
            prompts=prompts,
        )

    async def _in_force(self) -> InForce:
        if self._now is None or self._store.revision_changed():
            async with self._lock:
                if self._now is None or self._store.revision_changed():
                    self._now = None  # a read that fails must not leave the old policy in force
                    self._now = await self._read()
        return self._now

    async def _read(self) -> InForce:
        record = await self._store.snapshot()
        certificate, unreadable = _certificate(record.certificate)
        # Indexes of many topics take a while to build; requests that wait for them wait outside the loop.
        policy = await asyncio.to_thread(
            Policy.prepare,
            record.revision,
            record.topics,
            self._panel,
            calibrated=certificate.bindings.topics if certificate else (),
            verify_timeout_s=self._verify_timeout_s,
        )
        return InForce(policy, certificate, unreadable)

    def _rule(self, in_force: InForce, model: str) -> ReleaseRule:
        if in_force.unreadable is not None and in_force.policy.topics:
            return Closed(in_force.unreadable)
        return decide_rule(
            in_force.policy,
            in_force.certificate,
            self.bindings(in_force.policy, model),
            without_certificate=self._exceptions.without_certificate,
            strictest=self._exceptions.strictest_threshold,
        )


def _certificate(body: Mapping[str, Any] | None) -> tuple[Certificate | None, str | None]:
    """Read a stored certificate; one that cannot be read closes the gateway, whatever the exceptions say."""
    if body is None:
        return None, None
    try:
        return stored_certificate(body), None
    except InvalidInput as error:
        return None, str(error)
