"""What the store keeps, as plain data. Knows no database and no HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, get_args

from verifiers.private.topic import PrivateTopic
from verifiers.protocol import Topic

__all__ = [
    "NO_LIMITS",
    "AdminKey",
    "AdminRole",
    "BackendRecord",
    "Checkpoint",
    "ClientKey",
    "Fallback",
    "FallbackStyle",
    "ForgetTopic",
    "KeptCertificate",
    "KeyLimits",
    "KeyTopic",
    "KeyTopicKind",
    "Mode",
    "Place",
    "PolicyRecord",
    "ReplicaRecord",
    "Server",
]

Mode: TypeAlias = Literal["off", "monitor", "enforce"]
"""Of a topic or a verifier. ``off``: not looked at. ``monitor``: judged after the answer has gone out, and it is
counted what would have happened. ``enforce``: decides what goes out."""

FallbackStyle: TypeAlias = Literal["unaware", "refuse", "custom"]
"""``unaware``: answer as a model that never knew. ``refuse``: decline. ``custom``: the operator's words."""


@dataclass(frozen=True, slots=True)
class Fallback:
    """What a client reads where nothing could be released.

    ``text`` belongs to ``custom`` and to no other style. Raises ``ValueError`` otherwise.
    """

    style: FallbackStyle = "unaware"
    text: str | None = None

    def __post_init__(self) -> None:
        if self.style not in get_args(FallbackStyle):
            raise ValueError(f"a fallback is one of {', '.join(get_args(FallbackStyle))}")
        if self.style == "custom" and not (self.text or "").strip():
            raise ValueError("a custom fallback needs a text")
        if self.style != "custom" and self.text is not None:
            raise ValueError(f"only a custom fallback has a text, not {self.style!r}")


@dataclass(frozen=True, slots=True)
class ForgetTopic:
    """A topic, whether it is being forgotten now, and what is said in its place.

    ``active`` is the mode ``enforce``, ``monitored`` the mode ``monitor``; with neither it is ``off``. The store
    draws ``metrics_id``, so that metrics can tell topics apart without telling what they are. Of a private topic
    nothing is kept but keyed hashes and its id. Raises ``ValueError`` for one that is both.
    """

    topic: Topic | PrivateTopic
    active: bool = True
    fallback: Fallback = Fallback()
    monitored: bool = False
    metrics_id: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        if self.active and self.monitored:
            raise ValueError("a topic is either forgotten or monitored")

    @property
    def mode(self) -> Mode:
        """What is done about it."""
        return "enforce" if self.active else "monitor" if self.monitored else "off"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A Hugging Face checkpoint directory, to run in the gateway's process."""

    path: Path


@dataclass(frozen=True, slots=True)
class Server:
    """A model of an OpenAI-compatible server. ``key_env`` names the environment variable with its key."""

    url: str
    model: str
    key_env: str | None = None


Place: TypeAlias = Checkpoint | Server


@dataclass(frozen=True, slots=True)
class BackendRecord:
    """An alternative model: the name that clients ask for, where it is, and what is routed to it.

    ``fingerprint`` is what the place had when it was added: a checkpoint whose files have changed since is
    not served. ``unlearning`` is the body of its unlearning certificate, kept and shown as it came.
    """

    name: str
    place: Place
    fingerprint: str
    unlearning: Mapping[str, Any] | None = None
    topics: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class KeyLimits:
    """What a key may ask, and how much: the names of its models, rates a minute, and requests at one time.

    None is no limit. Raises ``ValueError`` for a list of no models and for a number below 1: a key that may do
    nothing is a revoked one.
    """

    models: tuple[str, ...] | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrent: int | None = None

    def __post_init__(self) -> None:
        if self.models is not None and not self.models:
            raise ValueError("a list of models names at least one")
        numbers = (self.requests_per_minute, self.tokens_per_minute, self.concurrent)
        if any(number is not None and number < 1 for number in numbers):
            raise ValueError("a limit is at least 1")


NO_LIMITS: Final = KeyLimits()


@dataclass(frozen=True, slots=True)
class KeptCertificate:
    """A certificate as the store keeps it; ``activated_at`` is when it was last put in force, if it ever was."""

    id: str
    body: Mapping[str, Any]
    active: bool
    added_at: datetime
    activated_at: datetime | None = None


AdminRole: TypeAlias = Literal["viewer", "operator", "admin"]
"""Each may what those before it may: see the table in docs/keys.md."""


@dataclass(frozen=True, slots=True)
class AdminKey:
    """A key to the admin API as the store knows it. Raises ``ValueError`` for a role that is none."""

    name: str
    digest: str
    role: AdminRole
    created_at: datetime
    revoked_at: datetime | None = None

    def __post_init__(self) -> None:
        if self.role not in get_args(AdminRole):
            raise ValueError(f"a role is one of {', '.join(get_args(AdminRole))}")


KeyTopicKind: TypeAlias = Literal["extra", "exempt"]
"""``extra``: forgotten for this key though it is not for the others. ``exempt``: not forgotten for this key."""


@dataclass(frozen=True, slots=True)
class KeyTopic:
    """One topic of which a key has more or less than all others. An exemption says why, for the audit log.

    Raises ``ValueError`` for one that does not."""

    topic_id: str
    kind: KeyTopicKind
    reason: str = ""

    def __post_init__(self) -> None:
        if self.kind not in get_args(KeyTopicKind):
            raise ValueError("a key's topic is either extra or exempt")
        if self.kind == "exempt" and not self.reason.strip():
            raise ValueError("an exemption needs a reason")


@dataclass(frozen=True, slots=True)
class ClientKey:
    """A client's key as the store knows it: its digest, the backend that answers whoever sends it, its limits.

    ``topics`` are those of which it has more or less than the others; ``fallback`` is its own, if it has one."""

    name: str
    digest: str
    backend: str | None
    created_at: datetime
    revoked_at: datetime | None = None
    limits: KeyLimits = NO_LIMITS
    topics: tuple[KeyTopic, ...] = ()
    fallback: Fallback | None = None


@dataclass(frozen=True, slots=True)
class ReplicaRecord:
    """A process that serves, its version, and the revision by which it did when it was last heard of."""

    name: str
    version: str
    revision: int


@dataclass(frozen=True, slots=True)
class PolicyRecord:
    """Everything that decides what goes out, as it stood at one moment.

    ``revision`` grows by one with every write. ``topics`` are all of them, active or not, in the order of
    their ids; backends and keys, revoked ones included, in that of their names. ``certificates`` are the
    bodies of the active ones, at most one for each generator, newest first. ``verifier_modes`` are those that
    somebody set, by the verifier's name.
    """

    revision: int
    topics: tuple[ForgetTopic, ...]
    certificates: tuple[Mapping[str, Any], ...] = ()
    backends: tuple[BackendRecord, ...] = ()
    keys: tuple[ClientKey, ...] = ()
    verifier_modes: Mapping[str, Mode] = field(default_factory=dict)

    @property
    def active_topics(self) -> tuple[ForgetTopic, ...]:
        """The topics that are being forgotten now."""
        return tuple(topic for topic in self.topics if topic.active)
