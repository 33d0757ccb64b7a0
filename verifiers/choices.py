"""Choices: the options that a question offers, and short replies: a pick, a yes, a no. Knows no topics."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence, Set

from verifiers.answers import disclaims
from verifiers.folding import View, fold
from verifiers.remembering import Remembered
from verifiers.terms import stem, terms_of
from verifiers.words import AFFIRMATIVE, FUNCTION

__all__ = ["Option", "keys_in", "keys_of", "offered", "picked", "short_reply", "unlisted"]

Option = frozenset[str]
"""The keys that tell one option from all the others."""

_LABEL = re.compile(r"(?:(?<=\s)|(?<=[(\[,;])|^)(?:[(\[]?)([a-z]|[0-9]{1,2})[)\].:](?=\s)", re.MULTILINE)
_SENTENCE_END = re.compile(r"[.?!:](?:\s|$)|\n\s*\n")
_NUMBERS = ("#", "@")
"""What the keys of numbers and of dates begin with."""
_SENTENCE = re.compile(r"[^.?!\n]+[.?!]?")
_SEPARATOR = re.compile(r"[,;/|\n] ?(?:or\s|and\s)?|\s(?:or|vs\.?)\s")
_OR = re.compile(r"\s(?:or|vs)\b")
_BLOCK_CHARS, _BLOCKS = 4000, 512
_LONGEST_OPTION, _MOST_OPTIONS, _LONGEST_REPLY = 6, 26, 6
_PLACES = {"first": 0, "former": 0, "second": 1, "third": 2, "fourth": 3, "last": -1, "latter": -1}
_DENIALS = frozenset("no nope false wrong incorrect neither both".split())
_VERDICTS = AFFIRMATIVE | _DENIALS
_AROUND = (FUNCTION - _VERDICTS) | frozenset("answer option choice letter number pick choose say".split())


def keys_of(view: View) -> frozenset[str]:
    """Return the stems of all words of a view, and its numbers and dates."""
    words = view.words()
    return frozenset(term.key for term in terms_of(view, words)) | frozenset(map(stem, words))


def keys_in(text: str) -> frozenset[str]:
    """Return the keys of a text, read in blocks of lines that are remembered: a conversation grows at its end."""
    return frozenset[str]().union(*(_keys_of_block(block, None) for block in _blocks(text)))


def _blocks(text: str) -> Iterator[str]:
    start = 0
    while len(text) - start > _BLOCK_CHARS:
        end = text.find("\n", start + _BLOCK_CHARS)
        if end < 0:
            break
        yield text[start:end]
        start = end
    yield text[start:]


_keys_of_block = Remembered[None, frozenset[str]](lambda text, _: keys_of(fold(text)), most=_BLOCKS)


def offered(text: str) -> list[Option]:
    """Return the options among which a text asks to choose, in their order; [] where it offers none.

    Options are labelled ("(A) Harn (B) Seltal"), listed ("Harn, Seltal, Mirr") or joined by "or".
    """
    folded = fold(text).text
    pieces = _labelled(folded) or _listed(folded)
    sets = [keys_of(fold(piece)) for piece in pieces[:_MOST_OPTIONS]]
    options = []
    for at, keys in enumerate(sets):
        others = frozenset[str]().union(*sets[:at], *sets[at + 1 :])
        options.append(keys - others - FUNCTION)
    return options if sum(map(bool, options)) > 1 else []


def unlisted(text: str) -> Iterator[tuple[View, frozenset[str]]]:
    """Yield the sentences of a text that list nothing to choose from, each with its numbers and dates as keys."""
    for sentence in _SENTENCE.findall(fold(text).text):
        if len(_listed(sentence)) < 2:
            view = fold(sentence)
            yield view, frozenset(key for key in keys_of(view) if key[:1] in _NUMBERS)


def picked(answer: View, options: Sequence[Option], said: Set[str]) -> int | None:
    """Return which option an answer picks: by its label or place, or because it says (``said``) that one alone."""
    if not options:
        return None
    place = _place(answer.words(), len(options))
    if place is not None:
        return place
    chosen = [at for at, option in enumerate(options) if option and option <= said]
    touched = [at for at, option in enumerate(options) if not option.isdisjoint(said)]
    return chosen[0] if len(chosen) == 1 and touched == chosen else None


def short_reply(answer: View, question: View) -> bool:
    """Say whether an answer is hardly more than a yes, a no, one letter or a picture: it tells what is asked.

    A "no" to "do you know ...?" tells nothing.
    """
    if not answer.words():
        return any(unicodedata.category(sign) == "So" for sign in answer.raw)
    end = _SENTENCE_END.search(answer.text)
    opening = answer.part(0, end.start()).words() if end else answer.words()
    if not 0 < len(opening) <= _LONGEST_REPLY or disclaims(answer.words()):
        return False
    kept = opening if len(opening) == 1 else [word for word in opening if word not in _AROUND]
    if len(set(kept)) != 1:
        return False
    if kept[0] in _VERDICTS:
        return kept[0] in AFFIRMATIVE or "you" not in question.words()
    return (
        len(kept[0]) == 1 and kept[0].isalpha() and opening != ["n", "a"] and len(answer.words()) == len(opening)
    )


def _place(words: Sequence[str], count: int) -> int | None:
    if not 0 < len(words) <= _LONGEST_REPLY:
        return None
    kept = [word for word in words if word not in _AROUND or word in _PLACES]
    if not kept and words[-1] == "a":
        kept = ["a"]
    if len(kept) != 1:
        return None
    word = kept[0]
    if word in _PLACES:
        place = _PLACES[word] % count
    elif len(word) == 1 and "a" <= word <= "z":
        place = ord(word) - ord("a")
    else:
        place = int(word) - 1 if word.isascii() and word.isdecimal() and len(word) < 3 else -1
    return place if 0 <= place < count else None


def _labelled(text: str) -> list[str]:
    labels = list(_LABEL.finditer(text))
    first = next((at for at, label in enumerate(labels) if label.group(1) in ("a", "1")), None)
    if first is None or len(labels) - first < 2:
        return []
    ends = [label.start() for label in labels[first + 1 :]] + [len(text)]
    starts = [label.end() for label in labels[first:]]
    return [text[start:end].strip().partition("\n")[0] for start, end in zip(starts, ends, strict=True)]


def _listed(text: str) -> list[str]:
    best: list[str] = []
    for sentence in _SENTENCE_END.split(text):
        pieces = [piece.split() for piece in _SEPARATOR.split(sentence) if piece.strip()]
        if len(pieces) < 2 or (len(pieces) < 3 and not _OR.search(sentence)):
            continue
        usual = max(map(len, pieces[1:]))
        if usual <= _LONGEST_OPTION and len(pieces) > len(best):
            best = [" ".join(pieces[0][-usual:]), *map(" ".join, pieces[1:])]
    return best
