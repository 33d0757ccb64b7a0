"""What the forgettable heads of the demo's chat model reach: a classifier of texts, and the next token.

The private people are those of another invented world, whom the backbone has never seen. Prints tables for
docs/unlearners/heads.md.
"""

from __future__ import annotations

import argparse
import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from gateway.demo.checkpoint import cache_dir, ensure_model
from gateway.demo.questions import Question, about_person
from gateway.demo.world import invent_world
from unlearners.bags import Bags
from unlearners.data import Dataset
from unlearners.langevin.accounting import (
    Infeasible,
    Process,
    distance_per_row,
    epochs_from_anywhere,
    epsilon_after,
    least_epochs,
)
from unlearners.langevin.choice import chosen_settings
from unlearners.langevin.settings import LangevinSettings
from unlearners.langevin.unlearner import Langevin
from unlearners.language.checkpoint import load_language_model
from unlearners.language.dialogues import Dialogue, Message
from unlearners.language.frozen_features import LabelledTexts, features_of_texts
from unlearners.language.head import Headed, OfUnit, bags_of, load_headed
from unlearners.language.lora import LoraTask
from unlearners.losses import Multinomial, loss_for
from unlearners.pcmu.accounting import sampled_budget
from unlearners.pcmu.settings import PcmuSettings, Variant
from unlearners.pcmu.tasks import LinearTask
from unlearners.pcmu.unlearner import Pcmu
from unlearners.protocol import ForgetRequest

PARTS = ("texts", "tokens", "lora", "accounting")
PRIVATE_WORLD, PUBLIC_WORLD = 7, 1234
LORA_STEPS = 20
QUIET = 1e-9
"""A sigma as good as none."""


def main() -> None:
    """Print the tables asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=(*PARTS, "all"), default="all")
    parser.add_argument("--seeds", type=int, default=3, help="orders and noises to average over")
    parser.add_argument("--demo-seed", type=int, default=0, help="the world of the backbone")
    options = parser.parse_args()
    torch.set_num_threads(1)
    parts = PARTS if options.part == "all" else (options.part,)
    if "texts" in parts:
        texts(_backbone(options.demo_seed), options.seeds)
    if "tokens" in parts:
        tokens(_backbone(options.demo_seed))
    if "lora" in parts:
        lora(_backbone(options.demo_seed))
    if "accounting" in parts:
        accounting()


def _backbone(seed: int) -> Path:
    return ensure_model(cache_dir(os.environ), seed).path


def questions(world: int, *attributes: str) -> Iterator[Question]:
    """Yield the plain questions on these attributes about everybody of a world."""
    invented = invent_world(world)
    for person in invented.people:
        for question in about_person(invented, person):
            if question.kind == "fact" and question.attribute in attributes:
                yield question


# texts: which town is it about?


def texts(backbone: Path, seeds: int) -> None:
    """Classify sentences on birthplaces by town, for several numbers of sentences."""
    train, test = town_texts(backbone)
    print(f"\nTown of a sentence: {len(train.classes)} classes, {test.rows} test sentences (held-out wordings)\n")
    print(
        "| sentences n | m | b | training | K | sigma | no noise | trained | after 1 request | noisy retraining |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for rows in (300, 1000, train.rows):
        some = train.take(np.random.default_rng(0).permutation(train.rows)[:rows])
        for m, epochs in ((0.003, 1), (0.003, 5), (0.001, 20)):
            print(_text_row(some, test, m, epochs, seeds), flush=True)
    plain = LangevinSettings(1.0, 1e-3, QUIET, 32, 0.003, 30, most_epochs=10**9)
    (reached,) = _text_accuracies(*town_texts(backbone, whitened=False), plain, 0, forget=False)
    print(f"\nwithout whitening and without noise, m = 0.003: {reached:.3f}", flush=True)
    coded_texts(train, test)


def town_texts(backbone: Path, *, whitened: bool = True) -> tuple[Dataset, Dataset]:
    """Return features of sentences on private people, whitened by sentences on public ones or as they are."""
    asked = list(questions(PRIVATE_WORLD, "birthplace"))
    draw = random.Random(0)
    public = [f"{q.text} {q.answer}" for q in questions(PUBLIC_WORLD, "birthplace", "job", "hobby")]
    public = draw.sample(public, 1500)
    heard = [q for q in asked if not q.unseen]
    tested = draw.sample([q for q in asked if q.unseen], 1000)
    both = [*heard, *tested]
    towns = tuple(q.person.birthplace if q.person else "" for q in both)
    labelled = LabelledTexts(tuple(f"{q.text} {q.answer}" for q in both), towns, tuple(map(str, range(len(both)))))
    whole = features_of_texts(backbone, labelled, public=public if whitened else ())
    return whole.take(np.arange(len(heard))), whole.take(np.arange(len(heard), len(both)))


def _text_row(train: Dataset, test: Dataset, m: float, epochs: int, seeds: int) -> str:
    given = {"convexity": m, "batch": 32, "training_epochs": 30, "epochs": epochs, "radius": 100.0}
    settings = chosen_settings(given, train.rows, loss_for(len(train.classes)))
    found = [_text_accuracies(train, test, settings, seed) for seed in range(seeds)]
    quiet = _text_accuracies(train, test, replace(settings, sigma=QUIET, most_epochs=10**9), 0, forget=False)[0]
    trained, after = np.mean(found, axis=0)
    process = settings.process(train.rows, loss_for(len(train.classes)))
    anew = epochs_from_anywhere(process, settings.epsilon, settings.delta, settings.bound)
    return (
        f"| {train.rows} | {m} | 32 | 30 | {epochs} | {settings.sigma:.2g} | {quiet:.3f} | {trained:.3f} "
        f"| {after:.3f} | {anew} epochs |"
    )


def _text_accuracies(
    train: Dataset, test: Dataset, settings: LangevinSettings, seed: int, *, forget: bool = True
) -> tuple[float, ...]:
    one = Langevin(train, settings)
    models = [one.train(seed=seed)]
    if forget:
        models.append(one.unlearn(models[0], [ForgetRequest((seed,))]).model)
    scores = [(test.features @ model.weights.T)[:, None] for model in models]
    return tuple(float(np.mean(one.loss.predictions(score)[:, 0] == test.labels)) for score in scores)


def coded_texts(train: Dataset, test: Dataset) -> None:
    """Train the same head by PCMU's sampled variant, and print its budgets."""
    print("\n| PCMU, sampled | sigma | T | rate | accuracy | budget in sentences at epsilon 1 / 2 / 5 |")
    print("|---|---|---|---|---|---|")
    task = LinearTask(train)
    for sigma, steps, rate in ((0.003, 50, 0.3), (0.01, 50, 0.3), (0.03, 50, 0.3)):
        settings = PcmuSettings("sampled", sigma, sigma, steps, rate, delta=1 / train.rows)
        weights = Pcmu(task, settings).train(seed=0).weights
        right = float(np.mean(task.predictions(weights, test.features) == test.labels))
        budgets = _budgets(train.rows, steps, task.clip, sigma)
        print(f"| head, n = {train.rows} | {sigma} | {steps} | {rate} | {right:.3f} | {budgets} |", flush=True)


def _budgets(rows: int, steps: int, clip: float, sigma: float) -> str:
    found = (
        sampled_budget(epsilon, 1 / rows, rows=rows, steps=steps, clip=clip, sigma=sigma) for epsilon in (1, 2, 5)
    )
    return " / ".join(map(str, found))


# tokens: the chat model's own head


def tokens(backbone: Path) -> None:
    """Train the next-token head on what is said about 64 private people, and answer held-out wordings."""
    headed = load_headed(backbone)
    asked = [q for q in questions(PRIVATE_WORLD, "job") if q.manner == ""]
    train, test = (bags_of(headed, _of_units([q for q in asked if q.unseen is held])) for held in (False, True))
    print(
        f"\nNext token: {train.rows} people, {len(train.labels)} tokens; {len(test.labels)} of held-out wordings\n"
    )
    print("| head | m | b | training | K | sigma | token accuracy | whole answers | loss |")
    print("|---|---|---|---|---|---|---|---|---|")
    print(f"| public, as it was | | | | | | {_heard(headed.public, test)} |")
    for m, batch, training in ((0.002, 8, 20), (1e-4, 1, 50), (1e-5, 1, 150)):
        print(_token_row(headed, train, test, m, batch, training, None), flush=True)
    for m, batch, training, epochs in ((0.002, 8, 40, 40), (0.002, 1, 20, 10), (1e-4, 1, 50, 100)):
        print(_token_row(headed, train, test, m, batch, training, epochs), flush=True)
    many_units(headed, test)


def many_units(headed: Headed, test: Bags) -> None:
    """Do the same where every dialogue is a unit of its own, under all prefixes: facts that many units share."""
    asked = [q for q in questions(PRIVATE_WORLD, "job") if not q.unseen]
    apart = [replace(one, unit=one.dialogue.id) for one in _of_units(asked)]
    train = bags_of(headed, apart)
    print(f"\n{train.rows} dialogues, each a unit, on the same people; the same test\n")
    print("| head | m | b | training | K | sigma | token accuracy | whole answers | loss |")
    print("|---|---|---|---|---|---|---|---|---|")
    for epochs in (None, 10):
        print(_token_row(headed, train, test, 1e-4, 1, 5, epochs), flush=True)


def _token_row(
    headed: Headed, train: Bags, test: Bags, m: float, batch: int, training: int, epochs: int | None
) -> str:
    given: dict[str, bool | int | float | str | None] = {
        "convexity": m,
        "batch": batch,
        "training_epochs": training,
        "radius": 300.0,
    }
    noise = {"sigma": QUIET} if epochs is None else {"epochs": epochs}
    settings = chosen_settings({**given, **noise}, train.rows, Multinomial(train.outputs))
    weights = Langevin(train, settings, centre=headed.public).train(seed=0).weights
    name, took, sigma = ("no noise", "", "") if epochs is None else ("certified", epochs, f"{settings.sigma:.2g}")
    return f"| {name} | {m:g} | {batch} | {training} | {took} | {sigma} | {_heard(weights, test)} |"


def _of_units(asked: Sequence[Question]) -> list[OfUnit]:
    return [
        OfUnit(
            q.person.id if q.person else "",
            Dialogue((Message("user", q.text), Message("assistant", q.answer)), str(number)),
        )
        for number, q in enumerate(asked)
    ]


def _heard(weights: np.ndarray, test: Bags) -> str:
    """Say token accuracy, share of answers right in every token (given the right ones before), mean loss."""
    scores = test.features @ weights.T
    right = scores.argmax(axis=1) == test.labels
    highest = scores.max(axis=1, keepdims=True)
    losses = np.log(np.exp(scores - highest).sum(axis=1)) + highest[:, 0]
    losses -= scores[np.arange(len(right)), test.labels]
    ends = np.flatnonzero(test.labels == test.labels[-1])  # each answer ends with the same mark
    whole = [bool(part.all()) for part in np.split(right, ends[:-1] + 1)]
    return f"{right.mean():.3f} | {np.mean(whole):.3f} | {losses.mean():.3f}"


# lora: low-rank updates by PCMU


def lora(backbone: Path) -> None:
    """Train low-rank updates on what is said about 64 private people, with little noise and with a budget."""
    language = load_language_model(backbone)
    asked = [q for q in questions(PRIVATE_WORLD, "job") if q.manner == "" and not q.unseen]
    task = LoraTask(language, _of_units(asked[::4]))
    print(f"\nLow-rank updates: {task.data.rows} people, {task.size} weights\n")
    print("| PCMU | sigma | T | loss before | after | budget in people at epsilon 1 / 2 / 5 |")
    print("|---|---|---|---|---|---|")
    cases: tuple[tuple[Variant, float], ...] = (("majority", 0.01), ("sampled", 0.03), ("sampled", 0.11))
    for variant, sigma in cases:
        settings = PcmuSettings(variant, sigma, sigma, LORA_STEPS, 0.02, delta=1 / task.data.rows)
        one = Pcmu(task, settings)
        model = one.train(seed=0)
        losses = [
            np.mean([task.loss(weights, unit) for unit in range(task.data.rows)])
            for weights in (task.start(0), model.weights)
        ]
        budgets = (
            str(one.budget(model)) + ", exact"
            if variant == "majority"
            else _budgets(task.data.rows, LORA_STEPS, task.clip, sigma)
        )
        print(
            f"| {variant} | {sigma} | {LORA_STEPS} | {losses[0]:.2f} | {losses[1]:.2f} | {budgets} |", flush=True
        )


# accounting: from which n on?


def accounting() -> None:
    """Print what one deleted unit costs a next-token head, by the accountant alone."""
    print("\n| m | units n | b | logit noise | ε after 1 / 10 / 100 epochs | epochs to ε = 1 | forget all |")
    print("|---|---|---|---|---|---|---|")
    for m, batch in ((0.002, 8), (1e-4, 1), (1e-5, 1)):
        for rows in (64, 2688, 20_000, 100_000):
            for noise in (0.1, 1.0):
                print(_account(m, rows, batch, noise))


def _account(m: float, rows: int, batch: int, noise: float) -> str:
    process = Process(rows, batch, m, 0.5 + m, noise * m**0.5, 2**0.5, 300.0)
    delta, distance = 1 / rows, distance_per_row(process, "deletion", "tight")
    reached = " / ".join(f"{epsilon_after(process, distance, k, delta, 'tight'):.3g}" for k in (1, 10, 100))
    try:
        least = str(least_epochs(process, distance, 1.0, delta, "tight"))
    except Infeasible:
        least = "none"
    anew = epochs_from_anywhere(process, 1.0, delta, "tight")
    return f"| {m:g} | {rows:,} | {batch} | {noise} | {reached} | {least} | {anew} |"


if __name__ == "__main__":
    main()
