"""Dialogues as token ids, and batches of them as tensors. Knows no loss and no training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from unlearners.language.dialogues import Dialogue, Message

__all__ = ["Batch", "Encoded", "batch_of", "encode_dialogue", "encode_prompt"]


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token ids; the last ``answered`` of them are the assistant's last turn, its end mark included."""

    ids: tuple[int, ...]
    answered: int

    @property
    def prompt(self) -> tuple[int, ...]:
        """The ids before the answer."""
        return self.ids[: -self.answered]

    @property
    def answer(self) -> tuple[int, ...]:
        """The ids of the answer."""
        return self.ids[-self.answered :]


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Dialogues side by side, padded on the right; each field has shape (rows, tokens).

    ``real`` marks what is not padding; ``said`` marks the tokens of the answers, where losses are taken.
    """

    ids: Tensor
    real: Tensor
    said: Tensor

    @property
    def rows(self) -> int:
        """How many dialogues there are."""
        return len(self.ids)


def encode_prompt(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message]) -> tuple[int, ...]:
    """Return the ids that a server gives the model to answer to. Raises ``ValueError`` as ``encode_dialogue``."""
    return _ids(tokenizer, _written(tokenizer, messages, answering=True))


def encode_dialogue(tokenizer: PreTrainedTokenizerBase, dialogue: Dialogue, most_tokens: int) -> Encoded:
    """Write the dialogue with the tokenizer's chat template, and encode the answer apart from what is asked.

    So the prompt's ids are those that a server would send. Raises ``ValueError`` where the template refuses the
    dialogue, writes its prompt otherwise once it is answered, or the whole has more than ``most_tokens``.
    """
    try:
        asked = _written(tokenizer, dialogue.prompt, answering=True)
        whole = _written(tokenizer, dialogue.messages, answering=False)
        if not whole.startswith(asked):
            raise ValueError(
                "the chat template does not write the prompt the same with the answer and without; "
                "losses on the answer alone need that"
            )
        prompt, answer = _ids(tokenizer, asked), _ids(tokenizer, whole[len(asked) :].rstrip())
        if (tokens := len(prompt) + len(answer)) > most_tokens:
            raise ValueError(f"it has {tokens} tokens, and the model's context holds {most_tokens}; shorten it")
    except ValueError as error:
        raise ValueError(f"the dialogue {dialogue.id!r} cannot be used: {error}") from None
    return Encoded(prompt + answer, len(answer))


def batch_of(encoded: Sequence[Encoded], device: torch.device) -> Batch:
    """Put dialogues side by side. Padding holds the id 0, which nothing looks at."""
    lengths = torch.tensor([len(one.ids) for one in encoded], device=device).unsqueeze(1)
    answered = torch.tensor([one.answered for one in encoded], device=device).unsqueeze(1)
    longest = max((len(one.ids) for one in encoded), default=0)
    rows = [[*one.ids, *[0] * (longest - len(one.ids))] for one in encoded]
    ids = torch.tensor(rows, dtype=torch.long, device=device).reshape(len(encoded), longest)
    place = torch.arange(longest, device=device).unsqueeze(0)
    real = place < lengths
    return Batch(ids, real, real & (place >= lengths - answered))


def _written(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], *, answering: bool) -> str:
    if tokenizer.chat_template is None:
        raise ValueError("the model's tokenizer has no chat template; give it one, or take a chat model")
    turns = [asdict(message) for message in messages]
    try:
        return str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=answering))
    except Exception as error:  # a template may raise whatever it likes
        raise ValueError(f"the chat template refuses it: {error}") from None


def _ids(tokenizer: PreTrainedTokenizerBase, text: str) -> tuple[int, ...]:
    return tuple(tokenizer.encode(text, add_special_tokens=False))
