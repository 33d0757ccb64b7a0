"""A logits processor for vLLM's V1 model runner: keeps banned words out in every spelling. Knows no topics.

Loaded by vLLM in its own environment, which needs this distribution but none of its dependencies:
``pip install --no-deps lethe-gateway``, then
``vllm serve … --logits-processors gateway.upstream.vllm_plugin:EverySpelling``. It is no entry point on purpose:
vLLM 0.32 passes over those without a word under speculative decoding, and shows them placeholders for tokens
under asynchronous scheduling, while it takes what is named on its command line or refuses to start.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from vllm.sampling_params import SamplingParams
from vllm.tokenizers import cached_tokenizer_from_config
from vllm.v1.sample.logits_processor import BatchUpdate, LogitsProcessor
from vllm.v1.sample.logits_processor.builtin import process_dict_updates

from gateway.upstream.bans import BANNED_ARGUMENT, Bans
from gateway.upstream.vocabulary import Vocabulary

if TYPE_CHECKING:
    from vllm.config import VllmConfig

__all__ = ["EverySpelling"]


@dataclass(frozen=True, slots=True)
class _Row:
    """One answer of the batch: what it must not say, what it says so far (vLLM's own list), what ends it."""

    bans: Bans
    written: Sequence[int]
    end: int | None


class EverySpelling(LogitsProcessor):  # type: ignore[misc] # vLLM is in another environment
    """Take from every answer with bans the tokens that would say a banned word, or end in more than half of it.

    The words come with the request: ``"vllm_xargs": {"lethe_banned": ["Seltal", …]}``. Answers without are left
    alone. Where no other token is left the answer ends.
    """

    @classmethod
    def validate_params(cls, params: SamplingParams) -> None:
        """Raise ``ValueError``, a client's 400, where the words are no list of texts."""
        _words(params)

    def __init__(self, vllm_config: VllmConfig, device: torch.device, is_pin_memory: bool) -> None:
        tokenizer = cached_tokenizer_from_config(vllm_config.model_config)
        if tokenizer is None:
            raise ValueError("words cannot be banned without a tokenizer: leave out --skip-tokenizer-init")
        self._vocabulary = Vocabulary(
            lambda ids: str(tokenizer.decode(ids, skip_special_tokens=True)), len(tokenizer)
        )
        self._rows: dict[int, _Row] = {}

    def is_argmax_invariant(self) -> bool:
        """Say that the likeliest token may be another."""
        return False

    def update_state(self, batch_update: BatchUpdate | None) -> None:
        """Follow answers into, within and out of the batch."""
        process_dict_updates(self._rows, batch_update, _row)

    def apply(self, logits: torch.Tensor) -> torch.Tensor:
        """Take the tokens out, in place. ``logits``: shape (answers, vocabulary)."""
        for index, row in self._rows.items():
            written = [token for token in row.written if token >= 0]  # -1 stands for one still on its way
            refused = self._vocabulary.refused(row.bans, written)
            if not refused:
                continue
            scores = logits[index]
            scores[torch.tensor(refused, device=scores.device)] = -torch.inf
            if row.end is not None:
                nothing_left = scores.isneginf().all()
                scores[row.end] = torch.where(nothing_left, torch.zeros_like(scores[row.end]), scores[row.end])
        return logits


def _row(params: SamplingParams, prompt: list[int] | None, written: list[int]) -> _Row | None:
    words = _words(params)
    return _Row(Bans(words), written, params.eos_token_id) if words else None


def _words(params: SamplingParams) -> tuple[str, ...]:
    words = (params.extra_args or {}).get(BANNED_ARGUMENT, [])
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise ValueError(f"{BANNED_ARGUMENT} must be a list of words")
    return tuple(words)
