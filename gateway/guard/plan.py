"""How the loop goes, and what of it a certificate binds. Knows no model and no trajectory."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from gateway.guard.refine import Strategy, refinement_fingerprint
from gateway.guard.segments import CUTTING
from gateway.upstream.protocol import Capabilities, ChatRequest

__all__ = ["KEPT_PARAMETERS", "LoopPlan"]

KEPT_PARAMETERS: Final = frozenset(
    "max_completion_tokens max_tokens metadata parallel_tool_calls response_format tool_choice tools user".split()
)
"""What a client may still say in a conversation that touches a topic: what it needs to use the answer.

Its stop texts are heeded by ``guard.endings``."""


@dataclass(frozen=True, slots=True)
class LoopPlan:
    """How the loop goes: what a certificate binds about it, and the seconds a whole answer may take.

    ``strategies`` are used in turn from the second round on, the last one for ever. ``decoding`` takes the
    place of all that the client says about decoding in conversations that touch a topic. A conversation of
    more than ``most_prompt_chars`` is refused, since every verifier reads it. ``streamed`` answers go out piece by
    piece as they are verified; then a round holds one candidate. ``logprobs`` go out where they could be judged
    (``guard.logprobs``), else never.
    """

    rounds: int = 5
    strategies: tuple[Strategy, ...] = ("revise", "unaware", "constrain", "revise")
    candidates_per_round: int = 1
    decoding: Mapping[str, Any] = field(default_factory=lambda: {"temperature": 0.0})
    deadline_s: float = 120.0
    most_prompt_chars: int = 200_000
    streamed: bool = False
    logprobs: bool = False

    def __post_init__(self) -> None:
        if self.rounds < 1 or self.candidates_per_round < 1 or self.deadline_s <= 0:
            raise ValueError("rounds and candidates_per_round must be at least 1, deadline_s positive")
        if not self.strategies:
            raise ValueError("the loop needs at least one refinement strategy")

    def strategy(self, round_: int) -> Strategy:
        """Name the strategy of round 2, 3, …"""
        return self.strategies[min(round_ - 2, len(self.strategies) - 1)]

    @property
    def drawn_per_round(self) -> int:
        """How many answers a refinement round draws: of streamed ones there can only be one at a time."""
        return 1 if self.streamed else self.candidates_per_round

    def refinement_fingerprint(self, capabilities: Capabilities) -> str:
        """Change whenever a later round could ask otherwise."""
        whole = refinement_fingerprint(self.strategies, self.drawn_per_round, capabilities)
        return hashlib.sha256(f"{CUTTING} {whole}".encode()).hexdigest()[:16] if self.streamed else whole

    @property
    def decoding_fingerprint(self) -> str:
        """Change whenever a conversation that touches a topic could be generated otherwise."""
        parts = [dict(self.decoding), sorted(KEPT_PARAMETERS)]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]

    def pinned(self, request: ChatRequest) -> ChatRequest:
        """Generate as calibrated: of the client's parameters only those stay that do not steer the decoding."""
        kept = {key: value for key, value in request.parameters.items() if key in KEPT_PARAMETERS}
        return replace(request, parameters={**kept, **self.decoding})
