"""Titles: which works, quoted in the facts of a topic, a text names. Knows no scores of verifiers.

`FactIndex.touched` needs two telling words; a title may be one ordinary word, and is known by how it is written.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from itertools import accumulate

from verifiers.folding import View, fold, fold_words
from verifiers.names import automaton
from verifiers.protocol import Topic
from verifiers.traces import QUOTED
from verifiers.words import COMMON, FUNCTION, TITLES

__all__ = ["Titles"]

_LONGEST_WORDS = 12
_OPENS, _CLOSES = frozenset("\"'\u201c\u2018\u00ab\u201e*_"), re.compile("[,.!?]?[\"'\u201d\u2019\u00bb\u201c*_]")
_ENDS = frozenset(".!?:\n")


class Titles:
    """Finds the quoted titles of the topics' facts. Built once for a set of topics, told by position."""

    __slots__ = ("_index",)

    def __init__(self, topics: Sequence[Topic]) -> None:
        titles: dict[tuple[str, ...], set[int]] = defaultdict(set)
        for at, topic in enumerate(topics):
            for fact in topic.facts:
                for quoted in QUOTED.finditer(fact):
                    words = tuple(fold_words(quoted.group(1) or quoted.group(2)))
                    if 0 < len(words) <= _LONGEST_WORDS:
                        titles[words].add(at)
        self._index = automaton(
            (f" {' '.join(words)} ", (words, tuple(sorted(having)))) for words, having in titles.items()
        )

    def named(self, text: str) -> set[int]:
        """Return the topics one of whose titles the text has: in quotes, or with capitals where it needs none.

        A title of two content words and more, not all ordinary, may be written in any way.
        """
        view = fold(text)
        words = view.words()
        found: set[int] = set()
        if self._index is None or not words:
            return found
        hits = list(self._index.iter(f" {' '.join(words)} "))
        if not hits:
            return found
        ends = {end: at for at, end in enumerate(accumulate(len(word) + 1 for word in words))}
        for last, (title, topics) in hits:
            if _is_title(view, ends[last] + 1 - len(title), title):
                found.update(topics)
        return found


def _is_title(view: View, at: int, title: tuple[str, ...]) -> bool:
    content = [word for word in title if word not in FUNCTION]
    if len(content) > 1 and not all(word in COMMON for word in content):
        return True
    first, last = view.bounds()[at], view.bounds()[at + len(title) - 1]
    if view.text[max(0, first[0] - 1) : first[0]] in _OPENS and _CLOSES.match(view.text, last[1]):
        return True
    return _has_capitals(view, at, title)


def _has_capitals(view: View, at: int, title: tuple[str, ...]) -> bool:
    """Say whether the title is written with capitals that nothing else explains."""
    bounds = view.bounds()
    if not all(view.capital(bounds[at + k][0]) for k, word in enumerate(title) if not k or word not in FUNCTION):
        return False
    if len(title) > 1:
        return not _begins_sentence(view.text, bounds[at][0]) or sum(word not in FUNCTION for word in title) > 1
    rare = title[0] not in COMMON and title[0] not in TITLES
    return rare and not _begins_sentence(view.text, bounds[at][0]) and not _has_neighbour(view, at)


def _begins_sentence(text: str, at: int) -> bool:
    before = text[max(0, at - 4) : at].rstrip(" \t(\"'\u201c\u2018")
    return not before or before[-1] in _ENDS


def _has_neighbour(view: View, at: int) -> bool:
    """Say whether the word beside has a capital too, as in somebody's name."""
    words, bounds = view.words(), view.bounds()
    for beside in (at - 1, at + 1):
        if not 0 <= beside < len(words):
            continue
        first, last = min(at, beside), max(at, beside)
        joined = view.text[bounds[first][1] : bounds[last][0]] == " "
        if joined and view.capital(bounds[beside][0]) and words[beside] not in COMMON:
            return True
    return False
