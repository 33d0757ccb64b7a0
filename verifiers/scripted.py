"""A verifier that judges by a function of the exchange: for tests and examples. Knows no text."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from verifiers.protocol import Exchange, Judge, Topic, Verdict

__all__ = ["ScriptedVerifier"]


class ScriptedVerifier:
    """Says what ``verdict`` says, whatever the topics. Change ``fingerprint`` with the function."""

    def __init__(
        self, verdict: Callable[[Exchange], Verdict], *, name: str = "scripted", fingerprint: str = "1"
    ) -> None:
        self._verdict = verdict
        self.name = name
        self.fingerprint = f"{name}-{fingerprint}"

    def prepare(self, topics: Sequence[Topic]) -> Judge:
        """Judge alike for any topics."""

        async def judge(exchange: Exchange) -> Verdict:
            return self._verdict(exchange)

        return judge
