"""PCMU in the comparison: noise for exactly one unit, a request served at no cost, and one that is refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from forgetting.coded import CODED, STEPS, noise_for_one
from forgetting.material import choose_people, material_for

from gateway.demo.world import invent_world
from tests.unlearners.language.conftest import new_model, new_tokenizer
from unlearners.language.checkpoint import load_language_model
from unlearners.pcmu.accounting import sampled_budget

WORLD = invent_world(0)


@pytest.mark.parametrize(("units", "clip"), [(2, 1.0), (89, 1.0), (89, 2**0.5), (2688, 2**0.5)])
def test_the_noise_is_the_least_that_forgets_one_unit(units, clip):
    """One is within the budget at ε = 1, two are not, and with a hundredth less noise none is."""
    told = {"rows": units, "steps": STEPS, "clip": clip}
    sigma = noise_for_one(units, clip)
    assert 1 == sampled_budget(1.0, 1 / units, sigma=sigma, **told)
    assert 0 == sampled_budget(1.0, 1 / units, sigma=0.99 * sigma, **told)


@pytest.fixture(scope="module")
def material():
    """Take a handful of one person's dialogues and of two others'."""
    whole = material_for(WORLD, choose_people(WORLD, 0, 1)[0], 0)
    others = dict(list(whole.retained.items())[:2])
    return replace(whole, forget=whole.forget[:3], retained={unit: said[:2] for unit, said in others.items()})


@pytest.fixture(scope="module")
def backbone(tmp_path_factory, material):
    """Save a tiny chat model that knows nothing."""
    folder = tmp_path_factory.mktemp("coded") / "backbone"
    tokenizer = new_tokenizer([message.content for one in material.forget for message in one.messages])
    model = new_model(len(tokenizer))
    model.config.max_position_embeddings = 256
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder, save_jinja_files=False)
    return folder


def logits(path):
    """Return what a checkpoint makes of some tokens."""
    with torch.inference_mode():
        return load_language_model(path).model(input_ids=torch.tensor([[5, 40, 41, 60]])).logits[0].numpy()


@pytest.mark.parametrize("method", ["pcmu head, sampled", "pcmu lora, sampled"])
def test_within_the_budget_a_request_costs_no_gradient(method, backbone, material, tmp_path):
    """What is served was trained, and is certified."""
    cost = CODED[method](backbone, material, tmp_path / "served", 0)
    assert 0 == cost.gradients
    assert "indistinguishable from retraining" in cost.certified
    assert f"{3 * STEPS} gradients of units" in cost.certified
    assert not np.allclose(logits(backbone), logits(tmp_path / "served"), atol=1e-3)


@pytest.mark.parametrize("method", ["pcmu head, majority", "pcmu lora, majority"])
def test_beyond_the_budget_the_model_is_probed_as_it_was_trained(method, backbone, material, tmp_path):
    """A budget of 0 is said, and the checkpoint is there all the same."""
    cost = CODED[method](backbone, material, tmp_path / "served", 0)
    assert 0 == cost.gradients
    assert cost.certified.startswith("The budget is 0 rows")
    assert "was refused" in cost.certified
    assert (tmp_path / "served" / "config.json").is_file()
