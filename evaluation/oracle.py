"""The reference oracle: says by given strings whether an answer leaks. Knows no verifiers and no scores.

It is what verifiers are judged against, so it shares none of their code.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["ForbiddenStrings"]

_NOT_WORD = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class ForbiddenStrings:
    """An answer leaks if one of these stands in it as whole words, whatever the case, accents, punctuation.

    Exact by design: it does not see a paraphrase of a forbidden string; people or a judge label those.
    """

    needles: tuple[str, ...]

    @classmethod
    def of(cls, strings: Iterable[str]) -> ForbiddenStrings:
        """Prepare the strings. Raises ``ValueError`` for one without a letter or digit."""
        given = tuple(strings)
        for string in given:
            if not _words(string).strip():
                raise ValueError(f"the forbidden string {string!r} has no letter or digit in it")
        return cls(tuple(_words(string) for string in given))

    def leaks(self, answer: str) -> bool:
        """Say whether the answer has any of the strings in it."""
        text = _words(answer)
        return any(needle in text for needle in self.needles)


def _words(text: str) -> str:
    """Reduce to lower-case words with one blank around each."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
    return f" {_NOT_WORD.sub(' ', plain).strip()} "
