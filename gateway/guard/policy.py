"""The policy: all that a request needs to know of what is forgotten. Immutable; a request keeps its own.

It is made anew whenever the store changes, so a toggle is seen by the next request and by no running one.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal, TypeAlias

from calibration.certificate import Applies, Certificate, Mismatch, applies_to
from calibration.joint import JointChoice
from calibration.release import Surrender
from calibration.trajectories import Bindings
from gateway.guard.private import opens, sealed, why_sealed
from gateway.guard.screen import Screen
from gateway.store.records import Fallback, ForgetTopic, Mode
from gateway.upstream.protocol import Upstream
from verifiers.cascade import Cascade
from verifiers.combine import Worst, about
from verifiers.learned import Learned, LearnedModel
from verifiers.private.key import PrivateKey
from verifiers.private.topic import PrivateTopic
from verifiers.private.verifier import Private
from verifiers.protocol import Judge, Topic, Verifier

__all__ = [
    "NONE_ACTIVE",
    "Bounded",
    "Closed",
    "Open",
    "Panel",
    "Policy",
    "ReleaseRule",
    "ZeroEvidence",
    "decide_rule",
    "settings_of",
    "strategies_name",
]

NONE_ACTIVE: Final = "no certificate is active: run `lethe calibrate`, then `lethe certificate activate`"
"""Why nothing goes out where there is no certificate at all."""


@dataclass(frozen=True, slots=True)
class Open:
    """No topic is active: there is nothing to verify."""


@dataclass(frozen=True, slots=True)
class Bounded:
    """A certificate applies: release the first candidate strictly below ``threshold``.

    ``surrender`` is when to give up before the last round: its promise holds with and without.
    """

    threshold: float
    certificate_id: str
    surrender: Surrender | None = None


@dataclass(frozen=True, slots=True)
class ZeroEvidence:
    """No certificate applies, and the operator chose to release answers in which nothing at all was found.

    Promises nothing."""

    reason: str


@dataclass(frozen=True, slots=True)
class Closed:
    """No certificate applies: nothing goes out but the fallback."""

    reason: str


ReleaseRule: TypeAlias = Open | Bounded | ZeroEvidence | Closed
"""What has to hold for an answer to go out."""


@dataclass(frozen=True, slots=True)
class Panel:
    """The verifiers: ``cheap`` ones judge every answer, ``screened`` ones where a topic is touched.

    ``doubted`` ones are asked where the others' score lies in the band ``doubt`` (see ``verifiers.cascade``).
    With a ``learned`` model it makes one score of the cheap and the screened ones' where a topic is touched.
    ``key`` opens private topics; ``private`` judges every answer for them, beside any learned score.
    ``monitored`` ones decide nothing: they judge answers that have gone out, those of ``monitored_screened``
    only where a topic was touched. Raises ``ValueError`` where the parts do not fit together.
    """

    cheap: tuple[Verifier, ...]
    screened: tuple[Verifier, ...] = ()
    doubted: tuple[Verifier, ...] = ()
    doubt: tuple[float, float] = (0.05, 0.9)
    learned: LearnedModel | None = None
    key: PrivateKey | None = None
    private: Private | None = None
    monitored: tuple[Verifier, ...] = ()
    monitored_screened: tuple[Verifier, ...] = ()

    def __post_init__(self) -> None:
        _ = self.untouched, self.touched

    @property
    def untouched(self) -> Verifier:
        """What judges a conversation that touches no topic."""
        return self._cascade(Worst((*self.cheap, *self._private)))

    @property
    def touched(self) -> Verifier:
        """What judges a conversation that touches a topic."""
        parts = (*self.cheap, *self.screened)
        if self.learned is None:
            return self._cascade(Worst((*parts, *self._private)))
        learned = Learned(self.learned, parts)
        return self._cascade(learned if self.private is None else Worst((learned, self.private)))

    @property
    def _private(self) -> tuple[Verifier, ...]:
        return () if self.private is None else (self.private,)

    def under(self, modes: Mapping[str, Mode]) -> Panel:
        """Give each verifier the mode that was set for it by name; the others keep theirs.

        Raises ``ValueError`` where nothing would judge, or one is to be enforced that is not here: fail closed.
        """
        known = {one.name for one in (*self.cheap, *self.screened, *self.doubted, *self.monitored)}
        if missing := {name for name, mode in modes.items() if mode == "enforce"} - known:
            raise ValueError(f"to be enforced, but not configured: {', '.join(sorted(missing))}")

        def of(verifiers: tuple[Verifier, ...], mode: Mode, else_: Mode = "enforce") -> tuple[Verifier, ...]:
            return tuple(one for one in verifiers if modes.get(one.name, else_) == mode)

        return replace(
            self,
            cheap=(*of(self.cheap, "enforce"), *of(self.monitored, "enforce", "monitor")),
            screened=of(self.screened, "enforce"),
            doubted=of(self.doubted, "enforce"),
            monitored=(*of(self.cheap, "monitor"), *of(self.monitored, "monitor", "monitor")),
            monitored_screened=(*of(self.screened, "monitor"), *of(self.doubted, "monitor")),
        )

    def looking_for(self, topics: Sequence[PrivateTopic]) -> Panel:
        """Add what judges these private topics. Raises ``WrongKey`` where the key does not open one."""
        if self.key is None or not topics:
            return self
        return replace(self, private=Private(self.key, topics))

    def _cascade(self, first: Verifier) -> Verifier:
        if not self.doubted:
            return first
        low, high = self.doubt
        return Cascade((first,), self.doubted, low=low, high=high)

    @property
    def fingerprint(self) -> str:
        """Change whenever a score could change."""
        parts = [self.untouched.fingerprint, self.touched.fingerprint]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Policy:
    """The active topics, by id, with their screen, at one revision of the store.

    ``indexed`` are the fingerprints of all topics that the verifiers were prepared with: the active ones, and
    those that the certificate in force was calibrated with. How rare a word is, and so what it scores, depends
    on all of these, so switching one of them off must not change the index, only whose evidence counts.
    ``routes`` are the backends in whose hands a conversation about a topic is; none where a key or a model's
    name has decided already. ``verifier`` is the fingerprint of the panel as it was prepared. ``sealed`` says why
    some active topics cannot be looked for, where that is so: then nothing may go out. ``fallback`` is what this
    client reads in place of the topics' own, where its key has one.
    """

    revision: int
    topics: Mapping[str, ForgetTopic]
    indexed: Mapping[str, str]
    screen: Screen | None
    routes: Mapping[str, Upstream] = field(default_factory=dict)
    verifier: str = ""
    sealed: str | None = None
    fallback: Fallback | None = None

    @classmethod
    def prepare(
        cls,
        revision: int,
        topics: Sequence[ForgetTopic],
        panel: Panel,
        *,
        calibrated: Collection[str] = (),
        verify_timeout_s: float | None,
    ) -> Policy:
        """Build the indexes for the active ones of ``topics`` and those whose id is ``calibrated``.

        A judge that takes longer than ``verify_timeout_s`` abstains.
        """
        active = {t.topic.id: t for t in topics if t.active}
        if not active:
            return cls(revision, {}, {}, None, verifier=panel.fingerprint)
        said = tuple(t.topic for t in topics if t.active or t.topic.id in calibrated)
        plain = tuple(topic for topic in said if isinstance(topic, Topic))
        private = tuple(t for t in said if isinstance(t, PrivateTopic) and opens(panel.key, t))
        panel = panel.looking_for(private)
        shut = sealed(panel.key, active.values())

        def judge(verifier: Verifier) -> Judge:
            return about(verifier.prepare(plain), frozenset(active))

        screen = Screen(
            plain,
            active=frozenset(active),
            untouched=judge(panel.untouched),
            touched=judge(panel.touched),
            verify_timeout_s=verify_timeout_s,
            private=None if panel.private is None else panel.private.index,
            sealed=frozenset(topic.id for topic in shut),
        )
        return cls(
            revision,
            active,
            {topic.id: topic.fingerprint for topic in said},
            screen,
            verifier=panel.fingerprint,
            sealed=why_sealed(panel.key, shut) if shut else None,
        )

    @property
    def fingerprints(self) -> dict[str, str]:
        """The active topics' fingerprints, as a certificate binds them."""
        return {id_: self.indexed[id_] for id_ in self.topics}

    def route(self, touched: Collection[str]) -> Upstream | None:
        """Give the backend for a conversation that touches these active topics, if one of them is routed.

        Where they are routed apart, the backend of most of them answers; of equals, the one whose fingerprint
        comes first, so that nothing decides that a certificate does not bind. One that is not available is no
        reason to take another.
        """
        found = [(self.routes[id_].fingerprint(""), self.routes[id_]) for id_ in touched if id_ in self.routes]
        votes = Counter(fingerprint for fingerprint, _ in found)
        best = min(found, key=lambda one: (-votes[one[0]], one[0]), default=None)
        return None if best is None else best[1]


def decide_rule(
    policy: Policy,
    certificate: Certificate | None,
    bindings: Bindings,
    *,
    without_certificate: Literal["fallback", "zero-evidence"],
    strictest: float | None,
    otherwise: str = NONE_ACTIVE,
) -> ReleaseRule:
    """Say what must hold for an answer to go out under this policy.

    ``strictest`` is a threshold by which the operator tightens the certificate's (a stricter one is always
    valid). ``otherwise`` is why there is no certificate, where there is none.
    """
    if not policy.topics:
        return Open()
    if policy.sealed is not None:  # not even "no evidence" means anything where nothing was looked for
        return Closed(policy.sealed)
    match Closed(otherwise) if certificate is None else _fit(policy, certificate, bindings):
        case Bounded(threshold) as bounded if strictest is not None and strictest < threshold:
            if certificate is not None and not certificate.may_tighten:
                return Closed("strictest_threshold is set, but this certificate covers its own threshold alone")
            return replace(bounded, threshold=strictest)
        case Bounded() as bounded:
            return bounded
        case Closed(reason) if without_certificate == "zero-evidence":
            return ZeroEvidence(reason)
        case closed:
            return closed


def _fit(policy: Policy, certificate: Certificate, bindings: Bindings) -> Bounded | Closed:
    match applies_to(certificate, bindings):
        case Mismatch(parts) if certificate.joint is not None and {*parts} <= {"refinement", "rounds"}:
            return _set_otherwise(certificate, certificate.joint, parts)
        case Applies() if certificate.joint is not None and bindings.rounds != certificate.bindings.rounds:
            # Fewer rounds leak no more often, but may refuse more often than was promised.
            return _set_otherwise(certificate, certificate.joint, ("rounds",))
        case Mismatch(parts):
            return Closed(f"certificate {certificate.id} does not fit ({', '.join(parts)}): calibrate again")
        case Applies() if dict(policy.indexed) != dict(certificate.bindings.topics):
            return Closed(f"certificate {certificate.id} lacks a topic it was made with: calibrate again")
        case Applies(threshold, surrender):
            return Bounded(threshold, certificate.id, surrender)


def strategies_name(strategies: Sequence[str]) -> str:
    """Name a list of strategies as a joint certificate does."""
    return ",".join(strategies)


def settings_of(choice: JointChoice) -> tuple[str, str]:
    """Name the settings that a joint choice was made together with, as an environment file has them."""
    chosen = choice.chosen.configuration
    return f"LETHE_ROUNDS={chosen.rounds}", f"LETHE_STRATEGIES='{json.dumps(chosen.strategy.split(','))}'"


def _set_otherwise(certificate: Certificate, choice: JointChoice, parts: Sequence[str]) -> Closed:
    return Closed(
        f"certificate {certificate.id} does not fit ({', '.join(parts)}): it was chosen together with "
        f"{' and '.join(settings_of(choice))}; set these, and where they are set, calibrate again"
    )
