"""The screen: which topics a conversation could touch, and so which verifiers look at its answers."""

from __future__ import annotations

from collections.abc import Sequence

from verifiers.attribution import mentions_of
from verifiers.protocol import Judge, Topic

__all__ = ["Screen"]


class Screen:
    """Decides by the prompt alone. A conversation that touches nothing still has its answer checked cheaply.

    What the screen misses is part of the trajectory, so calibration counts it.
    """

    def __init__(self, topics: Sequence[Topic], *, untouched: Judge, touched: Judge) -> None:
        self._mentions = mentions_of(tuple(topics))
        self._untouched = untouched
        self._touched = touched

    def touched(self, prompt: str) -> frozenset[str]:
        """Name the topics that the conversation so far could be about."""
        return self._mentions.topics_named(prompt) | self._mentions.topics_touched(prompt)

    def judge(self, touched: frozenset[str]) -> Judge:
        """Give all verifiers to a conversation that touches a topic, the cheap ones to any other."""
        return self._touched if touched else self._untouched
