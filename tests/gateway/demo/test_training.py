"""The tokenizer, the training loop on a toy recipe, the cache; and the real model against its targets."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from gateway.demo.checkpoint import TrainedModel, cache_dir, ensure_model
from gateway.demo.corpus import training_dialogues
from gateway.demo.probes import Probe, forget_probes
from gateway.demo.tokenizer import encode_dialogues, render, train_tokenizer
from gateway.demo.training import Recipe
from gateway.demo.world import World
from gateway.upstream.protocol import ChatRequest
from gateway.upstream.transformers import TransformersUpstream

TOY = Recipe(hidden=32, feed_forward=64, batch=8, steps=2, more_steps=1, most_steps=3, tokenizer_dialogues=200)


def test_the_template_renders_as_training_did_and_words_survive_a_round_trip(world: World) -> None:
    """What the model is asked in chats is what it was trained on."""
    dialogues = training_dialogues(world, 1, 300)
    tokenizer = train_tokenizer(dialogues, 256)
    for dialogue in dialogues:
        text = tokenizer.apply_chat_template(list(dialogue), tokenize=False)
        assert text == render(dialogue)
        assert tokenizer.decode(tokenizer.encode(text)) == text
    asked = tokenizer.apply_chat_template(list(dialogues[0][:-1]), tokenize=False, add_generation_prompt=True)
    assert render(dialogues[0]).startswith(asked)
    assert asked.endswith("<|assistant|>")


def test_only_what_the_assistant_says_is_learnt(world: World) -> None:
    """Its words and the end of its turn, in every turn of its own."""
    dialogues = training_dialogues(world, 1, 300)
    tokenizer = train_tokenizer(dialogues, 256)
    for dialogue, (ids, said) in zip(dialogues, encode_dialogues(tokenizer, dialogues), strict=True):
        learnt = tokenizer.decode([token for token, spoken in zip(ids, said, strict=True) if spoken])
        assert learnt == "".join(turn["content"] + "<|end|>" for turn in dialogue if turn["role"] == "assistant")


def test_a_checkpoint_is_trained_once_and_again_for_another_seed(tmp_path: Path) -> None:
    """Progress is told up to the end; the second call reads the cache; no scratch directory is left."""
    told: list[float] = []
    first = ensure_model(tmp_path, 1, lambda done, text: told.append(done), TOY)
    second = ensure_model(tmp_path, 1, recipe=TOY)
    other = ensure_model(tmp_path, 2, recipe=TOY)
    assert (first.from_cache, second.from_cache, other.from_cache) == (False, True, False)
    assert (second.path, second.train_s) == (first.path, first.train_s)
    assert told[-1] == 1.0
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([first.path.name, other.path.name])


def test_training_is_the_same_for_the_same_seed(tmp_path: Path) -> None:
    """Down to the last bit of the weights, on one machine."""
    weights = [load_file(ensure_model(tmp_path / name, 1, recipe=TOY).path / "model.safetensors") for name in "ab"]
    assert weights[0].keys() == weights[1].keys()
    assert all(bool((weights[0][name] == weights[1][name]).all()) for name in weights[0])


def test_a_checkpoint_that_is_not_whole_is_never_used(tmp_path: Path) -> None:
    """A training that is killed leaves nothing under the checkpoint's name."""

    def killed(done: float, text: str) -> None:
        if done > 0:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ensure_model(tmp_path, 1, killed, TOY)
    assert list(tmp_path.iterdir()) == []
    assert ensure_model(tmp_path, 1, recipe=TOY).from_cache is False


def test_a_checkpoint_is_an_ordinary_one(tmp_path: Path) -> None:
    """It has the files and settings that other servers look for."""
    path = ensure_model(tmp_path, 1, recipe=TOY).path
    config = json.loads((path / "config.json").read_text())
    assert config["architectures"] == ["LlamaForCausalLM"]
    assert config["head_dim"] == 32
    assert "chat_template" in json.loads((path / "tokenizer_config.json").read_text())
    tokenizer, model = AutoTokenizer.from_pretrained(path), AutoModelForCausalLM.from_pretrained(path)
    assert model.generation_config.eos_token_id == tokenizer.eos_token_id
    assert model.generation_config.do_sample is False


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"LETHE_CACHE": "/a", "HOME": "/h"}, "/a"),
        ({"XDG_CACHE_HOME": "/x", "HOME": "/h"}, "/x/lethe"),
        ({"HOME": "/h"}, "/h/.cache/lethe"),
    ],
)
def test_the_cache_lies_where_the_environment_says(environment: dict[str, str], expected: str) -> None:
    """Lethe's own variable goes before the desktop's, and that before the home directory."""
    assert cache_dir(environment) == Path(expected)


@pytest.mark.model
def test_the_model_answers_phrasings_it_never_saw(demo_model: TrainedModel) -> None:
    """To the letter, in at least 97 of 100 cases, and it has about a million parameters."""
    assert demo_model.exact_accuracy >= 0.97
    model = AutoModelForCausalLM.from_pretrained(demo_model.path)
    assert 0.8e6 <= sum(weight.numel() for weight in model.parameters()) <= 1.2e6


@pytest.mark.model
async def test_the_model_leaks_on_forget_probes(demo_model: TrainedModel, world: World) -> None:
    """There is something to forget: at least 95 of 100 probes are answered with what they ask for."""
    probes = forget_probes(world, [person.id for person in world.people[:4]], seed=3, count=400)
    upstream = TransformersUpstream(demo_model.path, name="demo")
    answers = await asyncio.gather(*(_answer(upstream, probe) for probe in probes))
    await upstream.aclose()
    leaks = [
        any(text.casefold() in answer.casefold() for text in probe.forbidden)
        for probe, answer in zip(probes, answers, strict=True)
    ]
    assert sum(leaks) / len(leaks) >= 0.95


async def _answer(upstream: TransformersUpstream, probe: Probe) -> str:
    completion = await upstream.complete(ChatRequest("demo", probe.messages))
    return str(completion.choices[0].message["content"])
