"""Training: a small Llama learns the demo's dialogues until it answers unseen phrasings. Knows no files."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from gateway.demo.corpus import training_dialogues
from gateway.demo.questions import Question, about_person, about_town
from gateway.demo.tokenizer import END, encode_dialogues, render, token_id, train_tokenizer
from gateway.demo.world import World
from gateway.upstream.decoding import Decoder, Row, Sampling

__all__ = ["RECIPE", "Progress", "Recipe", "Trained", "exact_share", "train", "unseen_questions"]

Progress: TypeAlias = Callable[[float, str], None]
"""Told how much of the work is done, in [0, 1], and what is going on."""

_Encoded: TypeAlias = tuple[list[int], list[bool]]


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything but the world that decides what the model becomes. Times are for two cores, one used."""

    hidden: int = 160
    layers: int = 2
    head_dim: int = 32  # vLLM's attention on CPUs has no kernel for smaller heads
    feed_forward: int = 432
    context: int = 512
    learning_rate: float = 4e-3
    weight_decay: float = 0.05
    batch: int = 64
    steps: int = 400
    more_steps: int = 100
    most_steps: int = 700
    warm_up: int = 20
    target: float = 0.98
    tokenizer_dialogues: int = 8000
    threads: int = 1


RECIPE = Recipe()


@dataclass(frozen=True, slots=True)
class Trained:
    """The model, its tokenizer, its share of exact answers on unseen phrasings, and the steps that it took."""

    model: LlamaForCausalLM
    tokenizer: PreTrainedTokenizerFast
    exact_accuracy: float
    steps: int


def train(
    world: World, seed: int, recipe: Recipe = RECIPE, progress: Progress = lambda done, text: None
) -> Trained:
    """Train until the share of exact answers on unseen phrasings is ``recipe.target``, or steps run out."""
    torch.set_num_threads(recipe.threads)
    progress(0.0, "writing the dialogues")
    dialogues = training_dialogues(world, seed, recipe.most_steps * recipe.batch)
    tokenizer = train_tokenizer(dialogues[: recipe.tokenizer_dialogues], recipe.context)
    encoded = encode_dialogues(tokenizer, dialogues)
    model = _new_model(tokenizer, recipe, seed)
    batches = _batches(encoded, recipe.batch, seed)
    exam = unseen_questions(world, seed)
    steps, accuracy = 0, 0.0
    while accuracy < recipe.target and steps < recipe.most_steps:
        course = recipe.steps if steps == 0 else recipe.more_steps
        _run_course(model, batches, recipe, course, steps, progress)
        steps += course
        accuracy = exact_share(model, tokenizer, exam)
        progress(min(0.99, steps / recipe.steps), f"{accuracy:.1%} exact on unseen phrasings")
    return Trained(model, tokenizer, accuracy, steps)


def unseen_questions(world: World, seed: int, per_person: int = 12, per_town: int = 4) -> tuple[Question, ...]:
    """Draw questions whose wording, prefix or frame was never trained on."""
    rng = random.Random(seed)  # noqa: S311  # no secrets here
    groups = [(about_person(world, person), per_person) for person in world.people]
    groups += [(about_town(town), per_town) for town in world.towns]
    return tuple(
        question
        for questions, count in groups
        for question in rng.sample([asked for asked in questions if asked.unseen], count)
    )


def exact_share(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    questions: Sequence[Question],
    batch: int = 128,
) -> float:
    """Return the share of questions that the model's greedy answer matches to the letter."""
    rows = [Row(tuple(_prompt(tokenizer, question.text)), Sampling(max_tokens=64)) for question in questions]
    model.train(False)
    decoder = Decoder(model, tokenizer, frozenset({token_id(tokenizer, END)}))
    ordered = sorted(rows, key=lambda row: len(row.prompt))
    for start in range(0, len(ordered), batch):
        decoder.write(ordered[start : start + batch])
    right = sum(row.text == question.answer for row, question in zip(rows, questions, strict=True))
    return right / len(questions)


def _prompt(tokenizer: PreTrainedTokenizerFast, text: str) -> list[int]:
    asked = ({"role": "user", "content": text},)
    return list(tokenizer.encode(f"{render(asked)}<|assistant|>", add_special_tokens=False))


def _new_model(tokenizer: PreTrainedTokenizerFast, recipe: Recipe, seed: int) -> LlamaForCausalLM:
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=recipe.hidden,
        intermediate_size=recipe.feed_forward,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.hidden // recipe.head_dim,
        num_key_value_heads=recipe.hidden // recipe.head_dim,
        head_dim=recipe.head_dim,
        max_position_embeddings=recipe.context,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
    )
    return LlamaForCausalLM(config)


def _run_course(
    model: LlamaForCausalLM,
    batches: Iterator[list[_Encoded]],
    recipe: Recipe,
    steps: int,
    before: int,
    progress: Progress,
) -> None:
    """Run ``steps`` steps from warm-up to the last of the decay; a later course is gentler than the first."""
    model.train()
    matrices = [weight for weight in model.parameters() if weight.dim() > 1]
    vectors = [weight for weight in model.parameters() if weight.dim() <= 1]
    groups = [
        {"params": matrices, "weight_decay": recipe.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    peak = recipe.learning_rate * (1.0 if before == 0 else 0.4)
    optimizer = torch.optim.AdamW(groups, lr=peak, betas=(0.9, 0.98))
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = peak * _pace(step, steps, recipe.warm_up)
        loss = _loss(model, next(batches))
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if step % 10 == 0:
            progress(min(0.98, (before + step) / recipe.steps), f"training, loss {loss.item():.2f}")


def _pace(step: int, steps: int, warm_up: int) -> float:
    """Return the share of the peak rate: a ramp, then level for 40 % of the way, then down to 2 %."""
    rising = min(1.0, (step + 1) / warm_up)
    done = step / steps
    return rising * (1.0 if done < 0.4 else 1.0 - 0.98 * (done - 0.4) / 0.6)


def _loss(model: LlamaForCausalLM, batch: Sequence[_Encoded]) -> torch.Tensor:
    """Return the mean cross-entropy of what the assistant said. Padding is on the right, where nobody looks."""
    longest = max(len(ids) for ids, _ in batch)
    ids = torch.zeros(len(batch), longest, dtype=torch.long)
    said = torch.zeros(len(batch), longest, dtype=torch.bool)
    for index, (tokens, spoken) in enumerate(batch):
        ids[index, : len(tokens)] = torch.tensor(tokens)
        said[index, : len(tokens)] = torch.tensor(spoken)
    hidden = model.model(input_ids=ids[:, :-1], use_cache=False).last_hidden_state
    logits = model.lm_head(hidden[said[:, 1:]])
    return torch.nn.functional.cross_entropy(logits, ids[:, 1:][said[:, 1:]])


def _batches(encoded: Sequence[_Encoded], size: int, seed: int) -> Iterator[list[_Encoded]]:
    """Deal batches of dialogues of like length, in random order, endlessly. Too few for a batch are one batch."""
    rng = random.Random(seed)  # noqa: S311  # no secrets here
    window = size * 8
    while True:
        order = rng.sample(range(len(encoded)), len(encoded))
        for start in range(0, len(order), window):
            near = sorted(order[start : start + window], key=lambda index: len(encoded[index][0]))
            batches = [near[first : first + size] for first in range(0, len(near), size)]
            rng.shuffle(batches)
            yield from ([encoded[index] for index in batch] for batch in batches)
