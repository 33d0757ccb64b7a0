"""What a verifier is: topics and an exchange in, a verdict with evidence out. Knows no thresholds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

__all__ = ["Abstained", "Evidence", "Exchange", "Judge", "Scored", "Span", "Topic", "Verdict", "Verifier"]


@dataclass(frozen=True, slots=True)
class Topic:
    """Something the model must seem never to have known.

    ``facts`` are sentences that give the topic away even where its name is not said; ``protected_texts``
    are longer passages that must not be reproduced. Raises ``ValueError`` for an empty id or name.
    """

    id: str
    name: str
    aliases: tuple[str, ...] = ()
    description: str = ""
    facts: tuple[str, ...] = ()
    protected_texts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.id.strip():
            raise ValueError("a topic needs an id")
        if not self.name.strip():
            raise ValueError(f"topic {self.id!r} needs a name")
        for field in ("aliases", "facts", "protected_texts"):
            if any(not text.strip() for text in getattr(self, field)):
                raise ValueError(f"topic {self.id!r} has an empty entry among its {field}")

    @property
    def fingerprint(self) -> str:
        """Changes whenever a verdict about this topic could change."""
        parts = [self.id, self.name, self.aliases, self.description, self.facts, self.protected_texts]
        return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Exchange:
    """What was said before the answer (every turn, oldest first) and the answer itself.

    ``last_turn`` is the client's newest turn; None where the whole prompt is one turn. ``told`` are the earlier
    answers in the prompt, oldest first; ``asked`` is the prompt without them, None where that is all of it.
    ``unpicked`` is the prompt without what it only offers to pick from, such as the values of a schema: who picks
    one of those says something new. None where that is all of it. ``shape`` is what an answer has to say because a
    schema or a tool asks for it.
    """

    prompt: str
    answer: str
    last_turn: str | None = None
    told: tuple[str, ...] = ()
    asked: str | None = None
    unpicked: str | None = None
    shape: str = ""

    @property
    def said_before(self) -> str:
        """What an answer may repeat without telling anything."""
        return self.prompt if self.unpicked is None else self.unpicked

    @property
    def question(self) -> str:
        """The turn to which the answer replies."""
        return self.prompt if self.last_turn is None else self.last_turn


@dataclass(frozen=True, slots=True)
class Span:
    """Where in ``Exchange.answer``: code points ``start`` (included) to ``end`` (excluded)."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """One reason to believe that an answer reveals a topic.

    ``leakage`` is in [0, 1]; ``reason`` says why in words; ``words`` are the telling words of the answer as
    they stand there (what a refinement should avoid). Sensitive: for the audit log, never for the client.
    """

    topic_id: str
    verifier: str
    leakage: float
    reason: str
    spans: tuple[Span, ...] = ()
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Scored:
    """Leakage in [0, 1]: 0 is no trace of any topic, 1 is verbatim. The worst of the evidence."""

    leakage: float
    evidence: tuple[Evidence, ...] = ()

    def __post_init__(self) -> None:
        if not 0.0 <= self.leakage <= 1.0:
            raise ValueError(f"leakage must lie in [0, 1], got {self.leakage!r}")


@dataclass(frozen=True, slots=True)
class Abstained:
    """No judgement was possible. Callers treat it as a leak, never as a pass."""

    reason: str


Verdict: TypeAlias = Scored | Abstained


class Judge(Protocol):
    """A verifier made ready for a fixed set of topics. Deterministic; shares no state between calls."""

    async def __call__(self, exchange: Exchange) -> Verdict:
        """Judge one exchange against all the topics at once."""
        ...


class Verifier(Protocol):
    """A way of seeing leaks. ``prepare`` pays once per set of topics, so that judging is cheap."""

    @property
    def name(self) -> str:
        """The name by which configuration, evidence and metrics call it."""
        ...

    @property
    def fingerprint(self) -> str:
        """Changes whenever scores could change; a certificate names it."""
        ...

    def prepare(self, topics: Sequence[Topic]) -> Judge:
        """Build the indexes for these topics."""
        ...
