"""Dialogues as tokens: the prompt as served, losses on the last answer alone, padding that nothing sees."""

import pytest
import torch

from unlearners.language.dialogues import Dialogue, Message
from unlearners.language.encoding import batch_of, encode_dialogue, encode_prompt
from unlearners.language.objectives import logits_of


def test_the_prompt_is_what_a_server_sends_and_the_answer_ends_with_its_mark(language, dialogues):
    """So that the loss is on what the model would write."""
    encoded = encode_dialogue(language.tokenizer, dialogues[0], 64)
    assert "Ada makes lamps.<|end|>" == language.tokenizer.decode(encoded.answer)
    assert "<|user|>What does Ada make?<|end|><|assistant|>" == language.tokenizer.decode(encoded.prompt)
    assert encode_prompt(language.tokenizer, dialogues[0].prompt) == encoded.prompt


def test_only_the_last_of_several_answers_is_said(language):
    """What the assistant said before is part of the question."""
    turns = [("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d")]
    several = Dialogue(tuple(Message(*turn) for turn in turns), "1")
    batch = batch_of([encode_dialogue(language.tokenizer, several, 64)], torch.device("cpu"))
    assert "d<|end|>" == language.tokenizer.decode(batch.ids[batch.said])


def test_the_mark_that_ends_an_answer_is_kept_without_the_line_break_after_it(language, dialogues):
    """Templates such as ChatML end turns with a line break that no model writes."""
    language.tokenizer.chat_template = (
        "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}<|end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    encoded = encode_dialogue(language.tokenizer, dialogues[0], 64)
    assert "Ada makes lamps.<|end|>" == language.tokenizer.decode(encoded.answer)


def test_padding_changes_no_logits(language, dialogues):
    """A dialogue's logits beside a longer one are those it has alone."""
    long = Dialogue((Message("user", "What does Ada make? " * 3), Message("assistant", "Lamps.")), "long")
    short, longer = (encode_dialogue(language.tokenizer, one, 64) for one in (dialogues[0], long))
    alone, beside = (batch_of(rows, torch.device("cpu")) for rows in ([short], [short, longer]))
    with torch.no_grad():
        expected, actual = logits_of(language.model, alone)[0], logits_of(language.model, beside)[0]
    torch.testing.assert_close(actual[: len(expected)], expected)
    assert int(alone.said.sum()) == int(beside.said[0].sum())


def test_a_dialogue_longer_than_the_context_is_named(language, dialogues):
    """With both lengths."""
    tokens = len(encode_dialogue(language.tokenizer, dialogues[0], 64).ids)
    assert tokens == len(encode_dialogue(language.tokenizer, dialogues[0], tokens).ids)
    with pytest.raises(ValueError, match=f"'Ada' .*has {tokens} tokens, .*holds {tokens - 1}"):
        encode_dialogue(language.tokenizer, dialogues[0], tokens - 1)


@pytest.mark.parametrize(
    ("template", "words"),
    [
        (None, "no chat template"),
        ("{{ raise_exception('no system turns') }}", "refuses it: no system turns"),
        ("{{ messages | length }}", "does not write the prompt the same"),
    ],
)
def test_a_template_that_cannot_be_used_is_told(language, dialogues, template, words):
    """It may be missing, may refuse, or may rewrite the prompt."""
    language.tokenizer.chat_template = template
    with pytest.raises(ValueError, match=words):
        encode_dialogue(language.tokenizer, dialogues[0], 64)
