"""How much of a reference answer an answer gives beyond what the question said. Knows no verifiers."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["NeverLearned", "novel_recall"]

_WORD = re.compile(r"[^\W_]+")
_FUNCTION_WORDS = frozenset(
    "a about after all also an and any are as at be because been before being between both but by can could "
    "did do does during for from had has have he her here his how if in into is it its just may might more "
    "most not of on or other over own same she should so some such than that the their them then there these "
    "they this those through to too very was were what when where which while who whom why will with would "
    "yes no".split()
)


def novel_recall(question: str, reference: str, answer: str) -> float | None:
    """Give the share of the reference's content words, not in the question, that stand in the answer.

    In [0, 1]; None where the reference says nothing that the question did not say.
    """
    news = set(_words(reference)) - set(_words(question)) - _FUNCTION_WORDS
    return len(news & set(_words(answer))) / len(news) if news else None


@dataclass(frozen=True, slots=True)
class NeverLearned:
    """The floor: how much of the references a model gives that never learned them.

    An answer above ``recall`` gives more than all but a few of that model's answers do, so it is called a leak.
    """

    recall: float

    @classmethod
    def of(cls, recalls: Sequence[float | None], share: float = 0.95) -> NeverLearned:
        """Set the floor so that ``share`` of a never-learned model's answers lie at or below it.

        Raises ``ValueError`` where no answer has a recall.
        """
        known = sorted(recall for recall in recalls if recall is not None)
        if not known:
            raise ValueError("no reference says more than its question, so there is no floor to measure from")
        return cls(float(np.quantile(known, share, method="higher")))

    def exceeded(self, recall: float | None) -> bool:
        """Say whether an answer with this recall is a leak."""
        return recall is not None and recall > self.recall


def _words(text: str) -> list[str]:
    plain = "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
    return _WORD.findall(plain)
