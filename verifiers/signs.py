"""Signs: what a text holds beside letters and white space, found in a few passes in C. Knows no encodings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["Signs", "signs_of"]

_DIGITS: Final = "0123456789"


def _kind(letter: str) -> str:
    if letter.islower():
        return "a"
    if letter.isupper():
        return "A"
    return "0" if letter in _DIGITS else letter


_ASCII: Final = tuple(map(chr, range(128)))
_KINDS: Final = bytes(ord(_kind(letter)) for letter in _ASCII) + bytes(128)
_PLAIN: Final = "".join(letter for letter in _ASCII if letter.isalpha() or letter.isspace()).encode()


@dataclass(frozen=True, slots=True)
class Signs:
    """``others`` is every ASCII character that is neither a letter nor white space, in order.

    ``kinds`` is the text with "a" for every small ASCII letter, "A" for every capital, "0" for every digit; what
    is not ASCII is left out of both: a run in the text is one in ``kinds``, but not always the other way round.
    """

    others: str
    kinds: str

    @property
    def digits(self) -> int:
        """How many ASCII digits there are."""
        return self.kinds.count("0")

    def any_of(self, signs: frozenset[str]) -> bool:
        """Say whether any of these signs is there."""
        return not signs.isdisjoint(self.others)


def signs_of(text: str) -> Signs:
    """Find the signs of a text."""
    told = text.encode("ascii", "ignore")
    return Signs(told.translate(None, _PLAIN).decode("ascii"), told.translate(_KINDS).decode("ascii"))
