"""ROUGE-L: how much of a reference an answer says again in its order. Knows no models."""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["rouge_l_recall"]

_WORD = re.compile(r"[^\W_]+")


def rouge_l_recall(reference: str, answer: str) -> float:
    """Return the longest common subsequence's share of the reference's words, in [0, 1], whatever the case.

    Words are neither stemmed nor dropped. Source: Lin, ROUGE (2004), section 3.1, R_lcs. Raises ``ValueError``
    for a reference without a word.
    """
    wanted, said = _words(reference), _words(answer)
    if not wanted:
        raise ValueError(f"the reference {reference!r} has no word in it")
    return _longest_common(wanted, said) / len(wanted)


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _longest_common(first: Sequence[str], second: Sequence[str]) -> int:
    best = [0] * (len(second) + 1)
    for word in first:
        diagonal = 0
        for place, other in enumerate(second, start=1):
            diagonal, best[place] = (
                best[place],
                diagonal + 1 if word == other else max(best[place], best[place - 1]),
            )
    return best[-1]
