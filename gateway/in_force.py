"""What is in force: one revision of the store over one fleet of models. Knows no store and serves nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from calibration.certificate import Certificate
from calibration.trajectories import Bindings
from gateway.certificates import stored_certificate
from gateway.clients import ANYONE, Client, KeyRing, client_of
from gateway.errors import InvalidInput
from gateway.guard.policy import Panel, Policy, ReleaseRule
from gateway.guard.watching import Watching
from gateway.store.records import ForgetTopic, Mode, PolicyRecord
from gateway.upstream.protocol import Upstream
from gateway.upstream.routing import Fleet
from verifiers.learned import LearnedModel

__all__ = ["Case", "InForce", "Served", "Sets", "Subject", "judges_alike", "readable", "under"]

Sets: TypeAlias = tuple[frozenset[str], frozenset[str]]
"""The ids of two kinds of topics, by which something was worked out."""


@dataclass(frozen=True, slots=True)
class Served:
    """All that one request needs: who answers it, what is forgotten, and what has to hold for an answer.

    ``certificate`` is the one that applies, if one does. ``watching`` is what is monitored beside. ``stand_ins``
    is how many other generators could still be asked for the model, each by a rule of its own. ``streamed`` says
    that the rule is for an answer that goes out segment by segment.
    """

    upstream: Upstream
    policy: Policy
    rule: ReleaseRule
    certificate: Certificate | None = None
    watching: Watching | None = None
    stand_ins: int = 0
    streamed: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """What a rule is decided for: who is asked under which name, what is forgotten, how the answer goes out."""

    model: str
    asked: Upstream
    active: frozenset[str]
    streamed: bool = False


@dataclass(frozen=True, slots=True)
class Subject:
    """What a calibration records, and the names of everything that it depends on, the prompts aside.

    ``record`` is the part of the store's that all this came from: with it and the settings another process comes
    to the same. ``learned`` is the model among the verifiers, which says what it was trained on.
    """

    upstream: Upstream
    policy: Policy
    bindings: Bindings
    record: PolicyRecord
    learned: LearnedModel | None = None


@dataclass(frozen=True, slots=True)
class InForce:
    """One revision of the store over one fleet of models, and what was worked out from them so far.

    ``prepared`` are policies by the ids of their active and of their indexed topics: a key may have topics of its
    own, and certificates of other topics need others.
    ``panel`` are the verifiers in their modes; ``shut`` says why nothing may go out whatever is certified, where
    that is so.
    """

    record: PolicyRecord
    certificates: tuple[Certificate, ...]
    shut: str | None
    keys: KeyRing
    fleet: Fleet
    panel: Panel
    watching: Watching | None
    prepared: dict[Sets, Policy]
    served: dict[Case, Served] = field(default_factory=dict)
    actives: dict[Sets, frozenset[str]] = field(default_factory=dict)

    def active(self, client: Client) -> frozenset[str]:
        """The ids of the topics that are forgotten for this client."""
        own = (client.extra, client.exempt)
        if own not in self.actives:  # once for each kind of client, not at every request
            for_all = frozenset(topic.topic.id for topic in self.record.active_topics)
            self.actives[own] = (for_all | client.extra & self.known) - client.exempt
        return self.actives[own]

    @property
    def active_for_some(self) -> frozenset[str]:
        """The ids of the topics that are forgotten for everybody, or for some key alone."""
        clients = [client_of(key) for key in self.record.keys if key.revoked_at is None]
        return self.active(ANYONE).union(*(client.extra & self.known for client in clients))

    @property
    def known(self) -> frozenset[str]:
        """The ids of all topics."""
        return frozenset(topic.topic.id for topic in self.record.topics)

    def indexed(self, certificate: Certificate | None, active: frozenset[str]) -> frozenset[str]:
        """The ids of the active topics, and of those that are there of the certificate's."""
        if certificate is None:
            return active
        return active | (certificate.bindings.topics.keys() & self.known)

    def topics(self, active: frozenset[str]) -> tuple[ForgetTopic, ...]:
        """Give all topics, these alone active."""
        return tuple(replace(one, active=one.topic.id in active, monitored=False) for one in self.record.topics)

    def routes(self, model: str, topic_ids: frozenset[str]) -> dict[str, Upstream]:
        """Give the backends of these topics; none for a model that is a backend itself."""
        if model in self.fleet.backends:
            return {}
        return {
            topic_id: self.fleet.backends[backend.name]
            for backend in self.record.backends
            for topic_id in backend.topics
            if topic_id in topic_ids
        }


def under(panel: Panel, modes: Mapping[str, Mode]) -> tuple[Panel, str | None]:
    """Give each verifier its mode; where nothing could judge then, the panel as it was, and why it is shut."""
    try:
        return panel.under(modes), None
    except ValueError as error:
        return panel, f"the verifiers' modes cannot be followed: {error}"


def judges_alike(before: PolicyRecord, now: PolicyRecord) -> bool:
    """Say whether answers are judged by both alike, so that what was prepared for one serves the other."""
    return before.topics == now.topics and before.verifier_modes == now.verifier_modes


def readable(bodies: tuple[Mapping[str, Any], ...]) -> tuple[tuple[Certificate, ...], str | None]:
    """Read the stored certificates; one that cannot be read closes the gateway, whatever the exceptions say."""
    try:
        return tuple(stored_certificate(body) for body in bodies), None
    except InvalidInput as error:
        return (), str(error)
