"""What a model of our own weighed at each token, as places that a client can read. Knows no torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TypeAlias

from gateway.upstream.logprobs import Place, Word

__all__ = ["TokenWeights", "weighed_places"]

Decode: TypeAlias = Callable[[Sequence[int]], str]


@dataclass(frozen=True, slots=True)
class TokenWeights:
    """A token's natural log-probability before any temperature, and the likeliest tokens', best first."""

    logprob: float
    likeliest: tuple[tuple[int, float], ...]


def weighed_places(
    written: Sequence[int], weights: Sequence[TokenWeights], decode: Decode, text: str
) -> Sequence[Place]:
    """Give the places of the tokens that spell ``text``, the answer; what stands behind it is left out."""
    before = [[], *([token] for token in written[:-1])]
    places = [
        Place(_word(decode, first, token, weight.logprob), _beside(decode, first, weight))
        for first, token, weight in zip(before, written, weights, strict=True)
    ]
    ends = accumulate(len(place.chosen.text) for place in places)
    return [place for place, end in zip(places, ends, strict=True) if place.chosen.data and end <= len(text)]


def _beside(decode: Decode, before: Sequence[int], weight: TokenWeights) -> tuple[Word, ...]:
    return tuple(_word(decode, before, token, logprob) for token, logprob in weight.likeliest)


def _word(decode: Decode, before: Sequence[int], token: int, logprob: float) -> Word:
    """Write a token as it stands behind another: a first one may lose its blank."""
    return Word(decode([*before, token])[len(decode(before)) :].encode(), logprob)
