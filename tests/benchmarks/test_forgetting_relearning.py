"""Relearning: steps are counted, a tiny model learns its lesson, and the model given is left as it is."""

import numpy as np
import pytest
import torch
from forgetting.checkpoints import answer_losses, encoded, mean_losses, round_linear_layers
from forgetting.relearning import Teaching, steps_until, taught_again
from transformers import LlamaConfig, LlamaForCausalLM

from evaluation.unlearning.findings import Recovery
from evaluation.unlearning.quantisation import Rounding
from gateway.demo.tokenizer import train_tokenizer
from unlearners.language.checkpoint import LanguageModel
from unlearners.language.dialogues import Dialogue, Message


def dialogue(question, answer):
    """Return a conversation of two turns."""
    return Dialogue((Message("user", question), Message("assistant", answer)), question)


LESSON = dialogue("Where was Maren born?", "Maren was born in Seltal.")
OTHER = dialogue("Where was Ilvo born, who lives in the harbour town?", "Ilvo was born in Grimtal, by the river.")


@pytest.fixture
def tiny(tmp_path):
    """Build a model that knows nothing."""
    tokenizer = train_tokenizer([({"role": "user", "content": "Where was Maren born in Seltal?"},)], 64)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=128,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
    )
    return LanguageModel(LlamaForCausalLM(config).eval(), tokenizer, tmp_path, torch.float32)


@pytest.mark.parametrize(
    ("known_after", "expected"), [(0, Recovery(0, True)), (3, Recovery(3, True)), (9, Recovery(5, False))]
)
def test_steps_are_counted_until_the_exam_is_passed(known_after, expected):
    """0 where nothing was gone; the steps tried where it never comes back."""
    taken = []
    share = lambda: 1.0 if len(taken) >= known_after else 0.4  # noqa: E731
    assert expected == steps_until(share, lambda: taken.append(1), Teaching(most_steps=5))


def test_a_tiny_model_is_taught_in_more_than_no_steps(tiny):
    """Its likelihood is the exam; the model given does not change."""
    before = answer_losses(tiny, [LESSON])[0]
    exam = lambda pupil: float(np.exp(-answer_losses(pupil, [LESSON])[0]))  # noqa: E731
    found = taught_again(tiny, [LESSON], exam, Teaching(rate=1e-2, most_steps=80), seed=0)
    assert found.back
    assert 0 < found.steps < 80
    assert before == answer_losses(tiny, [LESSON])[0]


def test_a_lesson_in_something_else_does_not_bring_it_back(tiny):
    """However many steps it takes."""
    exam = lambda pupil: float(np.exp(-answer_losses(pupil, [LESSON])[0]))  # noqa: E731
    assert Recovery(10, back=False) == taught_again(
        tiny, [OTHER], exam, Teaching(rate=1e-3, most_steps=10), seed=0
    )


def test_losses_do_not_depend_on_what_they_are_computed_with(tiny):
    """Padding is looked at by nobody."""
    together = answer_losses(tiny, [LESSON, OTHER])
    apart = [answer_losses(tiny, [one])[0] for one in (LESSON, OTHER)]
    np.testing.assert_allclose(apart, together, rtol=1e-5)


def test_only_the_answers_tokens_count(tiny):
    """As the model's own loss has it, with the question's tokens masked."""
    known = encoded(tiny, [LESSON])[0]
    ids = torch.tensor([known.ids])
    labels = ids.clone()
    labels[:, : -known.answered] = -100
    with torch.no_grad():
        expected = tiny.model(input_ids=ids, labels=labels).loss
        assert float(expected) == pytest.approx(float(mean_losses(tiny.model, [known])[0]), rel=1e-5)


def test_every_linear_layer_but_the_head_is_rounded(tiny):
    """The head is the embedding as well."""
    embedding = tiny.model.get_input_embeddings().weight.clone()
    inside = tiny.model.model.layers[0].mlp.up_proj.weight.clone()
    count = round_linear_layers(tiny.model, Rounding())
    assert torch.equal(embedding, tiny.model.get_output_embeddings().weight)
    assert not torch.equal(inside, tiny.model.model.layers[0].mlp.up_proj.weight)
    assert 4 * 16 * 16 + 3 * 16 * 32 == count


def test_exactly_the_share_asked_for_is_enough():
    """Half is half."""
    assert Recovery(0, back=True) == steps_until(lambda: 0.5, lambda: None, Teaching(share=0.5))
