"""The demo model's tokenizer: byte-level BPE with a chat template, trained on its corpus. Knows no weights."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from gateway.demo.corpus import Dialogue

__all__ = ["CHAT_TEMPLATE", "END", "VOCABULARY", "encode_dialogues", "render", "token_id", "train_tokenizer"]

VOCABULARY = 1200
PAD, END, ASSISTANT = "<|pad|>", "<|end|>", "<|assistant|>"
_SPECIAL = [PAD, END, "<|system|>", "<|user|>", ASSISTANT]
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


def render(dialogue: Dialogue) -> str:
    """Write a dialogue as the chat template does, without the cost of the template."""
    return "".join(f"<|{turn['role']}|>{turn['content']}{END}" for turn in dialogue)


def train_tokenizer(dialogues: Iterable[Dialogue], context: int) -> PreTrainedTokenizerFast:
    """Train on the words of ``dialogues``; ``context`` is the longest prompt and answer, in tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=_SPECIAL,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    texts = (turn["content"] for dialogue in dialogues for turn in dialogue)
    tokenizer.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]  # transformers leaves it untyped
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=END,
        model_max_length=context,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )
    fast.chat_template = CHAT_TEMPLATE
    return fast


def token_id(tokenizer: PreTrainedTokenizerFast, token: str) -> int:
    """Return a special token's number. Raises ``KeyError`` for a token that there is not."""
    return tokenizer.get_vocab()[token]


def encode_dialogues(
    tokenizer: PreTrainedTokenizerFast, dialogues: Sequence[Dialogue]
) -> list[tuple[list[int], list[bool]]]:
    """Return token ids and which of them the assistant said (with the end of each turn, which it must learn)."""
    backend = tokenizer.backend_tokenizer
    assistant, end = token_id(tokenizer, ASSISTANT), token_id(tokenizer, END)
    encoded = backend.encode_batch([render(dialogue) for dialogue in dialogues], add_special_tokens=False)
    return [(encoding.ids, _said(encoding.ids, assistant, end)) for encoding in encoded]


def _said(ids: Sequence[int], assistant: int, end: int) -> list[bool]:
    speaking, said = False, []
    for token in ids:
        said.append(speaking)
        if token == assistant:
            speaking = True
        elif token == end:
            speaking = False
    return said
