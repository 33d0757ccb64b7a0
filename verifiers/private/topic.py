"""A private topic: keyed hashes of its names, facts and texts, and how a topic becomes one. Reads no answers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TypeAlias

from verifiers.folding import fold_words
from verifiers.names import SHORT, NameIndex, readings_of
from verifiers.private.key import PrivateKey
from verifiers.protocol import Topic
from verifiers.terms import is_plain
from verifiers.traces import Fact, FactIndex
from verifiers.words import COMMON

__all__ = ["RUN_WORDS", "PrivateFact", "PrivateTopic", "Weighed", "hash_topic"]

RUN_WORDS = 5
"""How many words of a protected text are hashed together."""

_ORDINARY_NAME = 0.6

Weighed: TypeAlias = tuple[tuple[str, float], ...]
"""Hashes, sorted, each with its strength or weight."""


@dataclass(frozen=True, slots=True)
class PrivateFact:
    """The hashes of a fact's rare and of its ordinary terms, with their weights."""

    rare: Weighed
    plain: Weighed


@dataclass(frozen=True, slots=True)
class PrivateTopic:
    """What a gateway may keep of a topic that it must not be able to read.

    ``check`` is the check value of the key; ``words`` how many words the longest name has; ``names`` are whole
    names run together (a strength below 1 marks an ordinary word, which needs its capital), ``short`` names of
    fewer than four letters as they are written, ``parts`` the telling words of names, ``texts`` for each protected
    text the hashes of its runs of words, sorted, ``run_lengths`` how many words a run has in each. The ``id`` is
    plain: choose one that tells nothing.
    """

    id: str
    check: str
    words: int
    names: Weighed
    short: tuple[str, ...]
    parts: Weighed
    facts: tuple[PrivateFact, ...]
    texts: tuple[tuple[str, ...], ...]
    run_lengths: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.id.strip():
            raise ValueError("a private topic needs an id")
        if not self.names and not self.short:
            raise ValueError(f"private topic {self.id!r} has no name to look for")
        if len(self.texts) != len(self.run_lengths):
            raise ValueError(f"private topic {self.id!r} needs one run length for each text")

    @property
    def fingerprint(self) -> str:
        """Changes whenever a verdict about this topic could change."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]


def hash_topic(topic: Topic, key: PrivateKey) -> PrivateTopic:
    """Hash everything of a topic but its id; the description is dropped.

    Do it where the plain topic may be, and not in the gateway: text that was folded stays in this process's
    caches for a while.
    """
    index = NameIndex([topic])
    own = index.own_words[0]
    runs = [_runs(fold_words(text)) for text in topic.protected_texts]
    longest = max((len(words) for name in _names(topic) for words in readings_of(name)), default=1)
    return PrivateTopic(
        id=topic.id,
        check=key.check,
        words=longest,
        names=_weighed(key, _whole_names(topic)),
        short=tuple(sorted(key.hash("short", [name]) for name in index.exact_topics)),
        parts=tuple(sorted((key.hash("part", [w]), max(p.strength for p in ps)) for w, ps in index.parts.items())),
        facts=tuple(_fact(key, fact) for fact in FactIndex([topic], [own]).facts[0]),
        texts=tuple(tuple(sorted({key.hash("run", run) for run in each})) for each in runs),
        run_lengths=tuple(len(each[0]) for each in runs),
    )


def _names(topic: Topic) -> Iterable[str]:
    return (topic.name, *topic.aliases)


def _whole_names(topic: Topic) -> dict[str, float]:
    found: dict[str, float] = {}
    for name in _names(topic):
        for words in readings_of(name):
            together = "".join(words)
            if len(together) >= SHORT or not together.isascii():
                found[together] = _ORDINARY_NAME if len(words) == 1 and together in COMMON else 1.0
    return found


def _weighed(key: PrivateKey, names: dict[str, float]) -> Weighed:
    return tuple(sorted((key.hash("name", [name]), strength) for name, strength in names.items()))


def _fact(key: PrivateKey, fact: Fact) -> PrivateFact:
    hashed = sorted((key.hash("term", [term]), round(weight, 3), term) for term, weight in fact.weights.items())
    return PrivateFact(
        rare=tuple((digest, weight) for digest, weight, term in hashed if not is_plain(term)),
        plain=tuple((digest, weight) for digest, weight, term in hashed if is_plain(term)),
    )


def _runs(words: list[str]) -> list[list[str]]:
    if not words:
        raise ValueError("a protected text of a private topic needs a word")
    length = min(RUN_WORDS, len(words))
    return [words[at : at + length] for at in range(len(words) - length + 1)]
