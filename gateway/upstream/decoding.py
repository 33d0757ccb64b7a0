"""Decoding: many answers written at once by one causal model, token by token. Knows no chats and no threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from transformers import DynamicCache, PreTrainedModel, PreTrainedTokenizerBase

from gateway.upstream.bans import Bans
from gateway.upstream.weighing import TokenWeights

__all__ = ["Decoder", "Row", "Sampling"]

MOST_LOGPROBS = 20


@dataclass(frozen=True, slots=True)
class Sampling:
    """How one answer's tokens are chosen. Temperature 0 is greedy; ``logit_bias`` pairs a token id with a sum.

    ``logprobs`` is how many of the likeliest tokens are noted at each place; None notes nothing. Raises
    ``ValueError`` for numbers outside their range.
    """

    max_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    stop: tuple[str, ...] = ()
    logit_bias: tuple[tuple[int, float], ...] = ()
    bans: Bans = field(default_factory=Bans)
    logprobs: int | None = None

    def __post_init__(self) -> None:
        if self.max_tokens < 1:
            raise ValueError(f"max_tokens must be at least 1, got {self.max_tokens}")
        if not 0.0 <= self.temperature <= 10.0:
            raise ValueError(f"temperature must lie in [0, 10], got {self.temperature}")
        if not 0.0 < self.top_p <= 1.0:
            raise ValueError(f"top_p must lie in (0, 1], got {self.top_p}")
        if self.logprobs is not None and not 0 <= self.logprobs <= MOST_LOGPROBS:
            raise ValueError(f"logprobs must lie in [0, {MOST_LOGPROBS}], got {self.logprobs}")

    @property
    def plain(self) -> bool:
        """Say whether the likeliest token is always the one to take."""
        return self.temperature == 0.0 and not self.logit_bias and not self.bans


@dataclass(eq=False, slots=True)
class Row:
    """One answer in the writing. Unfinished rows can be taken up again; ``cancelled`` may be set by anyone.

    ``heard`` is called with the number of tokens behind each one that does not end the answer.
    """

    prompt: tuple[int, ...]
    sampling: Sampling
    written: list[int] = field(default_factory=list)
    weights: list[TokenWeights] = field(default_factory=list)
    text: str = ""
    finish_reason: str | None = None
    cancelled: bool = False
    heard: Callable[[int], None] | None = None
    generator: torch.Generator = field(default_factory=torch.Generator)

    def __post_init__(self) -> None:
        self.generator.manual_seed(self.sampling.seed)

    @property
    def over(self) -> bool:
        """Say whether nothing more needs writing."""
        return self.cancelled or self.finish_reason is not None


class Decoder:
    """Writes rows together: left-padded, over one key-value cache that finished rows leave at once."""

    def __init__(
        self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, end_ids: frozenset[int]
    ) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._end_ids = end_ids

    @torch.inference_mode()
    def write(self, rows: Sequence[Row], pause: Callable[[int], bool] = lambda step: False) -> None:
        """Write until every row is over, or until ``pause`` (given the number of tokens so far) says to stop."""
        active = [row for row in rows if not row.over]
        if not active:
            return
        cache = DynamicCache()
        ids, mask = _left_padded([[*row.prompt, *row.written] for row in active])
        positions = (mask.cumsum(-1) - 1).clamp(min=0)
        step = 0
        while True:
            logits = self._forward(ids, mask, positions, cache)
            self._append(active, logits)
            step += 1
            keep = [index for index, row in enumerate(active) if not row.over]
            if not keep or pause(step):
                return
            if len(keep) < len(active):
                active, mask = [active[index] for index in keep], mask[keep]
                cache.batch_select_indices(torch.tensor(keep))
            ids = torch.tensor([[row.written[-1]] for row in active])
            mask = torch.cat([mask, mask.new_ones(len(active), 1)], dim=1)
            positions = mask.sum(-1, keepdim=True) - 1

    def decode(self, ids: Sequence[int]) -> str:
        """Give tokens as text, without those that only a model reads."""
        text = self._tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return str(text)

    def _forward(
        self, ids: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor, cache: DynamicCache
    ) -> torch.Tensor:
        output = self._model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        logits: torch.Tensor = output.logits[:, -1].float()
        return logits

    def _append(self, rows: Sequence[Row], logits: torch.Tensor) -> None:
        likeliest = logits.argmax(-1).tolist()
        for row, scores, first in zip(rows, logits, likeliest, strict=True):
            token = first if row.sampling.plain else self._choose(row, scores.clone())
            row.written.append(token)
            if row.sampling.logprobs is not None:
                row.weights.append(_weights(scores, token, row.sampling.logprobs))
            self._finish(row, token)
            if row.heard is not None and not row.over:
                row.heard(len(row.written))

    def _choose(self, row: Row, scores: torch.Tensor) -> int:
        sampling = row.sampling
        for biased, bias in sampling.logit_bias:
            scores[biased] += bias
        tail = row.written[-sampling.bans.reach :] if sampling.bans else []
        for _ in range(len(scores)):
            token = _drawn(scores, sampling, row.generator)
            if not sampling.bans or sampling.bans.allow(self.decode([*tail, token])):
                return token
            scores[token] = -torch.inf
        return min(self._end_ids)  # every token would say a banned word: the answer ends here

    def _finish(self, row: Row, token: int) -> None:
        if token in self._end_ids:
            row.finish_reason, row.text = "stop", self.decode(row.written)
        elif row.sampling.stop and self._stopped(row):
            row.finish_reason = "stop"
        elif len(row.written) >= row.sampling.max_tokens:
            row.finish_reason, row.text = "length", self.decode(row.written)

    def _stopped(self, row: Row) -> bool:
        reach = max(map(len, row.sampling.stop)) * 4 + 1  # a character is at most four byte-level tokens
        tail = self.decode(row.written[-reach:])
        if not any(stop in tail for stop in row.sampling.stop):
            return False
        text = self.decode(row.written)
        ends = [text.find(stop) for stop in row.sampling.stop]
        row.text = text[: min(end for end in ends if end >= 0)]
        return True


def _left_padded(sequences: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return token ids and their mask, both of shape (rows, longest); padding is masked, so its id is free."""
    longest = max(map(len, sequences))
    ids = torch.zeros(len(sequences), longest, dtype=torch.long)
    mask = torch.zeros(len(sequences), longest, dtype=torch.long)
    for index, sequence in enumerate(sequences):
        ids[index, longest - len(sequence) :] = torch.tensor(sequence)
        mask[index, longest - len(sequence) :] = 1
    return ids, mask


_GREEDY_BELOW = 1e-4
"""Dividing by less overflows, and draws the likeliest token anyway."""


def _weights(scores: torch.Tensor, token: int, most: int) -> TokenWeights:
    logprobs = scores.log_softmax(-1)
    best, ids = logprobs.topk(min(most, len(scores)))
    likeliest = zip(ids.tolist(), best.tolist(), strict=True)
    return TokenWeights(float(logprobs[token]), tuple(likeliest))


def _drawn(scores: torch.Tensor, sampling: Sampling, generator: torch.Generator) -> int:
    if sampling.temperature < _GREEDY_BELOW:
        return int(scores.argmax())
    chances = (scores / sampling.temperature).softmax(-1)
    if sampling.top_p < 1.0:
        ordered, order = chances.sort(descending=True)
        beyond = ordered.cumsum(-1) - ordered >= sampling.top_p  # the first token past top_p still belongs
        chances[order[beyond]] = 0.0
    return int(torch.multinomial(chances, 1, generator=generator))
