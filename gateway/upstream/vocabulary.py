"""A tokenizer's vocabulary, asked which tokens may not come next under a ban. Knows no model and no scores.

Runs in vLLM's environment too, so it imports nothing but Python and the bans.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import Final

from gateway.upstream.bans import Bans, fold, shortest_telling

__all__ = ["Vocabulary"]

_BROKEN: Final = "\ufffd"
"""What a decoder writes for a part of a character."""
_BETWEEN: Final = "\n"
"""Parts texts from each other: folding leaves no other white space than blanks."""
_WORDS_KEPT: Final = 4096


class Vocabulary:
    """Every token's text, in an order that finds those which go on with a given beginning.

    ``decode`` writes token ids as text, special ones as nothing; ids run from 0 up to ``size``. Building asks
    it for every id once.
    """

    def __init__(self, decode: Callable[[Sequence[int]], str], size: int) -> None:
        self._decode = decode
        self._written = _texts_within(decode, size)
        self._broken = [token for token, text in enumerate(self._written) if _BROKEN in text]
        by_text: dict[str, list[int]] = {}
        for token, text in enumerate(self._written):
            by_text.setdefault(fold(text), []).append(token)
        self._ids = {text: by_text[text] for text in sorted(by_text)}
        self._texts = list(self._ids)
        self._joined = "".join(text + _BETWEEN for text in self._texts)
        self._starts = [0, *accumulate(len(text) + 1 for text in self._texts)]
        self._alone = lru_cache(maxsize=_WORDS_KEPT)(self._find_alone)

    def refused(self, bans: Bans, written: Sequence[int]) -> list[int]:
        """List the tokens after which ``bans`` would not let the text stand; ``written`` is the answer so far.

        Exactly those of which ``bans.allow`` says so, for as long as it allows what is written.
        """
        if not bans:
            return []
        tail = list(written[-bans.reach :])
        text = self._decode(tail)
        so_far = fold(text)
        certain: set[int] = set()
        doubtful: set[int] = set()
        for word in bans.words:
            for found, texts in zip((certain, doubtful), self._alone(word), strict=True):
                found.update(token for one in texts for token in self._ids[one])
            self._go_on(word, so_far, certain, doubtful)
        certain.update(token for token in doubtful - certain if not bans.allow(text + self._written[token]))
        if text.endswith(_BROKEN):  # a token may complete the character
            certain.update(token for token in self._broken if not bans.allow(self._decode([*tail, token])))
        return sorted(certain)

    def _go_on(self, word: str, so_far: str, certain: set[int], doubtful: set[int]) -> None:
        """Collect the tokens that go on with a word which the text has begun: to its end, or to more than half."""
        for length in range(1, min(len(word) - 1, len(so_far)) + 1):
            if not so_far.endswith(word[:length]):
                continue
            for blank in ("", " ") if word[length - 1] == " " else ("",):  # two blanks count as one
                for text in self._beginning(blank + word[length:]):
                    certain.update(self._ids[text])
                for end in range(max(shortest_telling(word), length + 1), len(word)):
                    doubtful.update(self._ids.get(blank + word[length:end], ()))

    def _find_alone(self, word: str) -> tuple[list[str], list[str]]:
        """Find the texts that hold the word, and those that end in more than half of it."""
        halves = (word[:end] + _BETWEEN for end in range(shortest_telling(word), len(word)))
        return list(self._holding(word)), [text for half in halves for text in self._holding(half)]

    def _beginning(self, piece: str) -> Iterator[str]:
        for index in range(bisect_left(self._texts, piece), len(self._texts)):
            if not self._texts[index].startswith(piece):
                return
            yield self._texts[index]

    def _holding(self, piece: str) -> Iterator[str]:
        at = self._joined.find(piece)
        while at >= 0:
            index = bisect_right(self._starts, at) - 1
            yield self._texts[index]
            at = self._joined.find(piece, self._starts[index + 1])


def _texts_within(decode: Callable[[Sequence[int]], str], size: int) -> list[str]:
    """Write every token as it stands within a text: a first one may lose its blank."""
    before = next((token for token in range(size) if decode([token]).isalnum()), None)
    if before is None:
        return [decode([token]) for token in range(size)]
    cut = len(decode([before]))
    return [decode([before, token])[cut:] for token in range(size)]
