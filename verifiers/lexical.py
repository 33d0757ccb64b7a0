"""The lexical verifier: is a topic named in an answer, in any spelling or disguise? Knows no thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from verifiers.attribution import mentions_of
from verifiers.identity import fingerprint_of
from verifiers.mentions import Found, Mention, Names
from verifiers.protocol import Evidence, Exchange, Scored, Topic, Verdict

__all__ = ["Lexical"]

_REVISION = "8"
_MAX_EVIDENCE = 1024


@dataclass(frozen=True, slots=True)
class Lexical:
    """Scores an answer by the names in it.

    ======================================================================  =========
    whole name or alias, in plain writing or with other letters that look alike   1
    the same spaced out, reordered, encoded, transliterated, digits for letters   0.95
    one of eight and more letters in rot13 or the like, backwards, run together,
    or in the initials of lines; of ten and more in those of words                0.95
    a shorter one run together, in rot13, or written backwards                    0.9
    the same with one slip of spelling                                            0.76-0.8
    an alias that is an ordinary word, with a capital                             0.6
    the same with two slips in one of its two words                              0.61
    both words of a name, each inside another name, near each other               0.5
    last word of a name alone                                                     0.6
    another telling word of a name alone                                          0.5
    a one-word alias inside somebody else's name                                  0.4
    a frequent given name, or a word of an epithet ("the Glass Hermit"), alone     0.25
    ======================================================================  =========

    Two parts of a longer name add 0.15; a part that several topics share counts for each, times 0.7; a slip in
    a part, times 0.8 (alone, only with a capital, where the text has any); disguises multiply. A part inside
    somebody else's full name counts nothing, nor does it later in the same conversation. A name whose words the
    prompt has said of the topic already is an echo and counts times ``echo``: "I have no information about
    Pellinore" gives nothing away, and yet speaks of Pellinore.
    """

    echo: float = 0.5

    def __post_init__(self) -> None:
        if not 0.0 <= self.echo <= 1.0:
            raise ValueError(f"echo must lie in [0, 1], got {self.echo}")

    @property
    def name(self) -> str:
        """See `Verifier`."""
        return "lexical"

    @property
    def fingerprint(self) -> str:
        """See `Verifier`."""
        return fingerprint_of(self.name, _REVISION, echo=self.echo)

    def prepare(self, topics: Sequence[Topic]) -> _LexicalJudge:
        """Index the names."""
        return _LexicalJudge(tuple(topic.id for topic in topics), mentions_of(tuple(topics)).names, self)


@dataclass(frozen=True, slots=True)
class _LexicalJudge:
    ids: tuple[str, ...]
    names: Names
    rules: Lexical
    never_waits: ClassVar = True

    async def __call__(self, exchange: Exchange) -> Verdict:
        prompt = self.names.find(exchange.prompt)
        answer = self.names.find(exchange.answer, prompt.disowned)
        if not answer.mentions:
            return Scored(0.0)
        said = _said(prompt)
        evidence = [self._evidence(each, said.get(each.topic, set()), exchange.answer) for each in answer.mentions]
        evidence.sort(key=lambda each: (-each.leakage, each.spans[0].start, each.topic_id))
        return Scored(evidence[0].leakage, tuple(evidence[:_MAX_EVIDENCE]))

    def _evidence(self, mention: Mention, said: set[str], answer: str) -> Evidence:
        echo = mention.words <= said
        leakage = round(mention.strength * (self.rules.echo if echo else 1.0), 6)
        reason = f"{mention.how}, as in the prompt" if echo else mention.how
        words = (answer[mention.span.start : mention.span.end],)
        return Evidence(self.ids[mention.topic], self.rules.name, leakage, reason, (mention.span,), words)


def _said(prompt: Found) -> dict[int, set[str]]:
    said: dict[int, set[str]] = {}
    for each in prompt.mentions:
        said.setdefault(each.topic, set()).update(each.words)
    return said
