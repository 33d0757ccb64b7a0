"""The conversation verifier: what do all answers of a conversation give away together? Knows no thresholds."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from threading import Lock

from verifiers.attribution import mentions_of
from verifiers.combine import Worst
from verifiers.facts import Facts
from verifiers.folding import fold
from verifiers.identity import fingerprint_of
from verifiers.lexical import Lexical
from verifiers.mentions import Names
from verifiers.protocol import Abstained, Evidence, Exchange, Judge, Scored, Span, Topic, Verdict, Verifier
from verifiers.verbatim import Verbatim
from verifiers.words import COMMON

__all__ = ["Conversation"]

_REVISION = "2"
_WINDOW = 2000
_MOST_PIECES = 200
_REMEMBERED = 8192
_TAIL_CHARS = 200
_CLOSE, _APART = "-", "\n"


@dataclass(frozen=True, slots=True)
class Conversation:
    """Judges the earlier answers and the new one as one text, against what the client itself said.

    The answers are read in three ways: one after the other; their words that are no ordinary ones, joined
    ("It begins with Sel." "It ends in tal."); and the last word of each ("The next letter is E."); of these two,
    the newest 200 of the earlier answers and the first 200 of the new one. ``parts`` judge
    each reading, with no more than what the client said as the prompt, so that what an earlier answer gave away
    is no excuse for giving away the rest. An answer counts only for what it adds: evidence stands if it lies in
    both the earlier answers and the new one, or, where these are read whole, in the new one and is worse than
    theirs alone. A conversation without earlier answers scores 0: that is the other verifiers' to judge.

    Of answers more than 2,000 words ago those count that name somebody or tell something by themselves. Whether
    one does is found out once and remembered by its digest, so that each new turn costs what it adds.

    The client hands the earlier answers in, and may have made them up; then it only makes its own conversation
    stricter. What it leaves out of the conversation is not seen.
    """

    parts: tuple[Verifier, ...] = (Lexical(), Facts(window=_WINDOW), Verbatim())

    @property
    def name(self) -> str:
        """See `Verifier`."""
        return "conversation"

    @property
    def fingerprint(self) -> str:
        """See `Verifier`."""
        return fingerprint_of(self.name, _REVISION, parts=sorted(part.fingerprint for part in self.parts))

    def prepare(self, topics: Sequence[Topic]) -> _ConversationJudge:
        """Prepare the parts. Raises ``ValueError`` where there are none."""
        judge = Worst(self.parts).prepare(topics)
        return _ConversationJudge(judge, self.name, _Telling(judge, mentions_of(tuple(topics)).names))


@dataclass(frozen=True, slots=True)
class _Joined:
    """A text made of pieces of the answers, and where each piece stood in the new answer, or None.

    ``by_words``: the pieces are single words, not whole answers.
    """

    text: str
    starts: tuple[int, ...]
    origins: tuple[int | None, ...]
    told_chars: int
    by_words: bool

    @classmethod
    def of(cls, pieces: Sequence[tuple[str, int | None]], joint: str) -> _Joined:
        """Join pieces; the earlier answers' come first."""
        starts, at = [], 0
        for piece, _ in pieces:
            starts.append(at)
            at += len(piece) + len(joint)
        origins = tuple(origin for _, origin in pieces)
        told = next((start for start, origin in zip(starts, origins, strict=True) if origin is not None), 0)
        text = joint.join(piece for piece, _ in pieces)
        return cls(text, tuple(starts), origins, max(0, told - len(joint)), joint == _CLOSE)

    def in_answer(self, spans: Sequence[Span]) -> tuple[Span, ...]:
        """Lead spans back to the new answer; what lies in the earlier ones is left out."""
        found = (self._span(piece, span) for span in spans for piece in self._pieces(span))
        return tuple(span for span in found if span is not None)

    def in_earlier(self, spans: Sequence[Span]) -> bool:
        """Say whether any of the spans reaches into the earlier answers."""
        return any(span.start < self.told_chars for span in spans)

    def _pieces(self, span: Span) -> range:
        return range(bisect_right(self.starts, span.start) - 1, bisect_right(self.starts, span.end - 1))

    def _span(self, piece: int, span: Span) -> Span | None:
        origin, start = self.origins[piece], self.starts[piece]
        if origin is None:
            return None
        end = self.starts[piece + 1] - 1 if piece + 1 < len(self.starts) else len(self.text)
        first, last = max(span.start, start), min(span.end, end)
        return Span(origin + first - start, origin + last - start) if first < last else None


@dataclass(frozen=True, slots=True)
class _Telling:
    """Says of an earlier answer whether it matters by itself. Keeps digests, no text; safe between threads."""

    judge: Judge
    names: Names
    found: OrderedDict[bytes, bool] = field(default_factory=OrderedDict)
    lock: Lock = field(default_factory=Lock)

    async def __call__(self, text: str) -> bool:
        key = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=32).digest()
        with self.lock:
            if key in self.found:
                self.found.move_to_end(key)
                return self.found[key]
        verdict = await self.judge(Exchange("", text))
        tells = isinstance(verdict, Abstained) or bool(verdict.evidence or self.names.find(text).disowned)
        with self.lock:
            self.found[key] = tells
            while len(self.found) > _REMEMBERED:
                self.found.popitem(last=False)
        return tells


@dataclass(frozen=True, slots=True)
class _ConversationJudge:
    judge: Judge
    name: str
    tells: _Telling

    async def __call__(self, exchange: Exchange) -> Verdict:
        if not exchange.told:
            return Scored(0.0)
        asked = Exchange(exchange.prompt if exchange.asked is None else exchange.asked, "", exchange.last_turn)
        evidence: dict[tuple[str, str], Evidence] = {}
        for joined in _readings(await self._near(exchange.told), exchange.told, exchange.answer):
            added = await self._added(asked, joined, exchange.answer)
            if isinstance(added, Abstained):
                return added
            for each in added:
                known = evidence.get((each.topic_id, each.reason))
                if known is None or known.leakage < each.leakage:
                    evidence[each.topic_id, each.reason] = each
        ranked = sorted(evidence.values(), key=lambda each: (-each.leakage, each.topic_id, each.reason))
        return Scored(ranked[0].leakage if ranked else 0.0, tuple(ranked))

    async def _near(self, told: Sequence[str]) -> list[str]:
        """Leave out what is farther away than the facts' window and tells nothing by itself."""
        newest, words = len(told), 0
        while newest and words < _WINDOW:
            newest -= 1
            words += len(told[newest].split())
        return [*[text for text in told[:newest] if await self.tells(text)], *told[newest:]]

    async def _added(self, asked: Exchange, joined: _Joined, answer: str) -> list[Evidence] | Abstained:
        """Return the evidence to which the new answer adds something."""
        whole = await self.judge(replace(asked, answer=joined.text))
        if isinstance(whole, Abstained):
            return whole
        found = [(each, joined.in_answer(each.spans)) for each in whole.evidence]
        if joined.by_words:  # what the answer alone tells is for who reads it whole
            return [
                self._of_answer(each, spans, answer)
                for each, spans in found
                if spans and joined.in_earlier(each.spans)
            ]
        if not any(spans for _, spans in found):
            return []
        before = await self.judge(replace(asked, answer=joined.text[: joined.told_chars]))
        if isinstance(before, Abstained):
            return before
        known: dict[tuple[str, str], float] = {}
        for each in before.evidence:
            key = (each.topic_id, each.verifier)
            known[key] = max(known.get(key, 0.0), each.leakage)
        return [
            self._of_answer(each, spans, answer)
            for each, spans in found
            if spans
            and (joined.in_earlier(each.spans) or each.leakage > known.get((each.topic_id, each.verifier), 0.0))
        ]

    def _of_answer(self, each: Evidence, spans: tuple[Span, ...], answer: str) -> Evidence:
        words = tuple(dict.fromkeys(answer[span.start : span.end] for span in spans))
        reason = f"with the earlier answers: {each.reason}"
        return Evidence(each.topic_id, self.name, each.leakage, reason, spans, words)


def _readings(near: Sequence[str], told: Sequence[str], answer: str) -> Iterator[_Joined]:
    yield _Joined.of([*((text, None) for text in near), (answer, 0)], _APART)
    for choose in (_unusual, _last):
        new = choose(answer)[:_MOST_PIECES]
        earlier = _newest(told, choose) if new else []
        if earlier:
            pieces = [*((piece, None) for piece in earlier), *((answer[start:end], start) for start, end in new)]
            yield _Joined.of(pieces, _CLOSE)


def _newest(told: Sequence[str], choose: Callable[[str], list[tuple[int, int]]]) -> list[str]:
    """Give the newest pieces of the earlier answers, without reading more of these than it takes."""
    newest: list[str] = []
    for text in reversed(told):
        newest += [text[start:end] for start, end in reversed(choose(text))]
        if len(newest) >= _MOST_PIECES:
            break
    return newest[:_MOST_PIECES][::-1]


def _words(text: str) -> list[tuple[str, int, int]]:
    view = fold(text)
    spans = (view.span(*bounds) for bounds in view.bounds())
    return [(word, span.start, span.end) for word, span in zip(view.words(), spans, strict=True)]


def _unusual(text: str) -> list[tuple[int, int]]:
    return [(start, end) for word, start, end in _words(text) if word not in COMMON or len(word) == 1]


def _last(text: str) -> list[tuple[int, int]]:
    """Find the last word. The end of a long text is enough where another word stands before it there."""
    cut = max(0, len(text) - _TAIL_CHARS)
    found = _words(text[cut:])
    if cut and len(found) < 2:
        cut, found = 0, _words(text)
    return [(cut + start, cut + end) for _, start, end in found[-1:]]
