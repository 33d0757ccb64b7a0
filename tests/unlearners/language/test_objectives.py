"""What a step minimises: each part weighed as set, RMU's target, noise before a question, refusals."""

import copy

import pytest
import torch
from accelerate import Accelerator

from unlearners.language.encoding import batch_of, encode_dialogue
from unlearners.language.impair_repair import impairing, refused
from unlearners.language.losses import answer_nll, kl_from_base, mean_square_to, npo, simnpo
from unlearners.language.noise import Noise, learn_noise, logits_after
from unlearners.language.objectives import (
    Composed,
    Models,
    Retaining,
    forgetting_for,
    hidden_of,
    logits_of,
    mean_nll,
)
from unlearners.language.settings import (
    FineTuning,
    GradDiffSettings,
    NoiseSettings,
    NpoSettings,
    RmuSettings,
    SimNpoSettings,
)
from unlearners.language.turns import Turns
from unlearners.protocol import silent

ALONE = Accelerator(cpu=True)


@pytest.fixture
def models(language):
    """Return a model that has moved a little from its base."""
    moved = copy.deepcopy(language.model)
    with torch.no_grad():
        for number, value in enumerate(moved.parameters()):
            noise = torch.randn(value.shape, generator=torch.Generator().manual_seed(number))
            value.add_(0.05 * value.std().nan_to_num() * noise)
    return Models(moved, language.model.requires_grad_(False))


@pytest.fixture
def turns(language, dialogues):
    """Return a function that deals dialogues in one batch."""

    def made(part):
        return Turns([encode_dialogue(language.tokenizer, one, 64) for one in part], 10, 0, ALONE)

    return made


def whole(turns):
    """Return the one batch, in the order in which it is dealt."""
    return turns.batch(turns.deal(0))


@pytest.mark.parametrize(
    "settings",
    [
        GradDiffSettings(forget_weight=0.5, retain_nll=2.0, retain_kl=3.0),
        NpoSettings(forget_weight=0.5, retain_nll=0.0, retain_kl=1.0, beta=0.3),
        SimNpoSettings(forget_weight=0.5, retain_nll=1.0, retain_kl=0.0, beta=2.0, delta=0.1),
    ],
)
def test_the_parts_are_weighed_and_averaged_over_their_dialogues(settings, models, turns, dialogues):
    """Against the sum written out, loss by loss; the frozen base is the reference."""
    forget, retain = turns(dialogues[:2]), turns(dialogues[2:])
    forgetting = forgetting_for(settings, models, forget, 0)
    share = Composed(Retaining(models, retain, settings), forgetting, forget)(0)
    gone, kept = whole(forget), whole(retain)
    now, before = logits_of(models.trained, kept), logits_of(models.base, kept)
    expected = settings.retain_nll * mean_nll(now, kept).mean()
    expected = expected + settings.retain_kl * kl_from_base(before, now, kept.said).mean()
    nll, tokens = answer_nll(logits_of(models.trained, gone), gone.ids, gone.said)
    reference, _ = answer_nll(logits_of(models.base, gone), gone.ids, gone.said)
    losses = {
        GradDiffSettings: lambda: -nll / tokens,
        NpoSettings: lambda: npo(nll, reference, 0.3),
        SimNpoSettings: lambda: simnpo(nll / tokens, 2.0, 0.1),
    }
    expected = expected + 0.5 * losses[type(settings)]().mean()
    torch.testing.assert_close(share.loss, expected)
    assert 10 == share.gradients


def test_rmu_steers_to_one_direction_scaled_by_the_frozen_activations(models, turns, dialogues):
    """And holds the retain dialogues at the frozen model's activations; the seed decides the direction."""
    settings = RmuSettings(forget_weight=0.5, retain_nll=0.0, retain_activations=3.0, steering=2.0)
    forget, retain = turns(dialogues[:2]), turns(dialogues[2:])
    share = Composed(Retaining(models, retain, settings), forgetting_for(settings, models, forget, 7), forget)(0)
    drawn = torch.rand(32, generator=torch.Generator().manual_seed(7))
    gone, kept = whole(forget), whole(retain)
    size = hidden_of(models.base, gone, 1)[gone.real].norm(dim=-1).mean()
    target = 2.0 * size * drawn / drawn.norm()
    expected = 0.5 * mean_square_to(hidden_of(models.trained, gone, 1), target, gone.real).mean()
    frozen = hidden_of(models.base, kept, 1)
    expected = expected + 3.0 * mean_square_to(hidden_of(models.trained, kept, 1), frozen, kept.real).mean()
    torch.testing.assert_close(share.loss, expected)


def test_retaining_costs_nothing_at_the_base_where_only_the_base_is_asked(language, turns, dialogues):
    """The KL and the activations are those of the base itself."""
    models = Models(language.model, language.model)
    retain = turns(dialogues)
    for settings in (FineTuning(retain_nll=0.0, retain_kl=1.0), RmuSettings(retain_nll=0.0)):
        torch.testing.assert_close(torch.zeros(10), Retaining(models, retain, settings)(retain.deal(0)))


def test_noise_stands_before_the_question(language, dialogues):
    """Noise that is the embedding of tokens gives the logits of those tokens written there, padded or not."""
    encoded = [encode_dialogue(language.tokenizer, one, 64) for one in dialogues[4:8]]
    batch, words = batch_of(encoded, torch.device("cpu")), torch.tensor([40, 41, 42])
    noise = language.model.get_input_embeddings()(words).expand(4, 3, 32)
    with torch.no_grad():
        actual = logits_after(language.model, noise, batch)
        for row, one in enumerate(encoded):
            ids = torch.tensor([[40, 41, 42, *one.ids]])
            expected = language.model(input_ids=ids).logits[0, 3:]
            torch.testing.assert_close(actual[row, : len(one.ids)], expected, atol=1e-5, rtol=1e-4)


def test_noise_keeps_the_frozen_model_from_the_answers(language, turns, dialogues):
    """More than where it started, the model's weights unchanged, and the more the less the penalty."""
    forget, before = turns(dialogues[:2]), copy.deepcopy(language.model.state_dict())
    surprise = {}
    for name, steps, penalty in (("start", 1, 1.0), ("held", 40, 30.0), ("free", 40, 0.01)):
        settings = NoiseSettings(noise_rows=2, noise_tokens=4, noise_steps=steps, noise_penalty=penalty)
        noise = learn_noise(language.model, forget, settings, 0, ALONE, None, silent)
        assert (2, 4, 32, 2 * steps) == (*noise.rows.shape, noise.gradients)
        dealt = forget.deal(0)
        with torch.no_grad():
            logits = logits_after(language.model, noise.beside(dealt.places), forget.batch(dealt))
        surprise[name] = float(mean_nll(logits, forget.batch(dealt)).mean())
    assert surprise["held"] < surprise["start"] + 1 < surprise["free"]
    assert all(torch.equal(value, before[name]) for name, value in language.model.state_dict().items())


def test_rows_of_noise_are_taken_in_turns():
    """By the places in the batch, so that processes that share it meet the same rows."""
    noise = Noise(torch.arange(3.0).reshape(3, 1, 1), 0)
    assert [0.0, 1.0, 2.0, 0.0, 1.0] == noise.beside(range(5)).flatten().tolist()
    assert [1.0, 0.0] == noise.beside((1, 3)).flatten().tolist()


def test_each_dialogue_gets_one_of_the_refusals_by_the_seed(dialogues):
    """In place of its answer; the question and the name stay."""
    changed = refused(dialogues, ("No.", "Who knows?"), 0)
    assert {"No.", "Who knows?"} == {one.answer for one in changed}
    assert [(one.prompt, one.id) for one in dialogues] == [(one.prompt, one.id) for one in changed]
    assert changed == refused(dialogues, ("No.", "Who knows?"), 0)
    assert changed != refused(dialogues, ("No.", "Who knows?"), 1)


def test_impairing_is_the_refusals_nll_after_the_noise_or_bare(models, turns, dialogues):
    """The control is the same with the question alone."""
    refusals = turns(refused(dialogues[:2], ("No.",), 0))
    noise = Noise(torch.randn((2, 4, 32), generator=torch.Generator().manual_seed(0)), 0)
    dealt, batch = refusals.deal(0), whole(refusals)
    bare = mean_nll(logits_of(models.trained, batch), batch)
    after = mean_nll(logits_after(models.trained, noise.rows, batch), batch)
    torch.testing.assert_close(impairing(models, refusals, None)(dealt), bare)
    torch.testing.assert_close(impairing(models, refusals, noise)(dealt), after)
    assert not torch.allclose(bare, after)
