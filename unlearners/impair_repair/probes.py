"""What is left of forgotten classes in a classifier: relearning, a linear probe, membership. Knows no method."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn

from unlearners.impair_repair.data import LabelledTensors
from unlearners.impair_repair.training import optimiser_for, scores_of
from unlearners.protocol import Refused

__all__ = [
    "NotRelearned",
    "RelearnSettings",
    "Relearned",
    "Relearning",
    "accuracy",
    "area_under_curve",
    "linear_probe",
    "membership_attack",
    "never_answered",
    "relearn",
    "representations",
]

FEWEST = 10
"""Rows of a side under which an area under a curve says next to nothing."""


@dataclass(frozen=True, slots=True)
class Relearned:
    """The forgotten classes were back after so many steps (0: they were never gone)."""

    steps: int


@dataclass(frozen=True, slots=True)
class NotRelearned:
    """The forgotten classes were not back within so many steps."""

    within: int


Relearning: TypeAlias = Relearned | NotRelearned


@dataclass(frozen=True, slots=True)
class RelearnSettings:
    """Steps of SGD with momentum on ``forgotten`` and ``kept`` rows each, until ``accuracy`` on the forgotten."""

    accuracy: float = 0.5
    rate: float = 2e-4
    rows: int = 32
    most_steps: int = 400


def accuracy(module: nn.Module, data: LabelledTensors) -> float:
    """Return the share of rows whose largest score is their label's."""
    return float((scores_of(module, data.inputs).argmax(dim=1) == data.labels.cpu()).double().mean())


def never_answered(module: nn.Module, data: LabelledTensors) -> tuple[int, ...]:
    """Return the classes that the model answers for no row of the data: they betray what was forgotten."""
    answered = set(scores_of(module, data.inputs).argmax(dim=1).tolist())
    return tuple(label for label in data.classes if label not in answered)


def relearn(
    module: nn.Module,
    forgotten: LabelledTensors,
    kept: LabelledTensors,
    test: LabelledTensors,
    settings: RelearnSettings,
    *,
    seed: int,
) -> Relearning:
    """Count the steps until the model knows ``test`` again, training a copy on forgotten and kept rows.

    Few steps mean that the class was hidden rather than gone; compare with a model that never saw it.
    """
    pupil, device = copy.deepcopy(module), next(module.parameters()).device
    stepper = optimiser_for(pupil, "sgd", settings.rate)
    generator = torch.Generator().manual_seed(seed)
    for step in range(settings.most_steps + 1):
        if accuracy(pupil, test) >= settings.accuracy:
            return Relearned(step)
        inputs, labels = _together(
            _draw(forgotten, settings.rows, generator), _draw(kept, settings.rows, generator)
        )
        pupil.train()
        stepper.zero_grad()
        loss = nn.functional.cross_entropy(pupil(inputs.to(device)), labels.to(device))
        loss.backward()  # type: ignore[no-untyped-call]
        stepper.step()
    return NotRelearned(settings.most_steps)


def representations(module: nn.Module, inputs: Tensor) -> Tensor:
    """Return what the last ``nn.Linear`` is given, (n, width). Raises ``ValueError`` where there is none."""
    layers = [layer for layer in module.modules() if isinstance(layer, nn.Linear)]
    if not layers:
        raise ValueError("the model has no nn.Linear layer whose input could be probed")
    seen: list[Tensor] = []
    handle = layers[-1].register_forward_pre_hook(lambda _, given: seen.append(given[0].detach().cpu()))
    try:
        scores_of(module, inputs)
    finally:
        handle.remove()
    return torch.cat(seen).flatten(start_dim=1)


def linear_probe(
    module: nn.Module, train: LabelledTensors, test: LabelledTensors, forgotten: tuple[int, ...]
) -> float:
    """Return how well a ridge regression on the last representations finds the forgotten classes.

    The area under its curve on ``test``: 1 where they are still told apart perfectly, .5 at chance. Both data
    sets need rows of the forgotten and of other classes, else ``Refused``.
    """
    belongs = _belonging(train, forgotten), _belonging(test, forgotten)
    inside, outside = (representations(module, data.inputs).double() for data in (train, test))
    mean, spread = inside.mean(dim=0), inside.std(dim=0).clamp(min=1e-9)
    inside, outside = _with_ones((inside - mean) / spread), _with_ones((outside - mean) / spread)
    weight = torch.where(belongs[0], 0.5 / belongs[0].double().mean(), 0.5 / (~belongs[0]).double().mean())
    gram = (inside * weight[:, None]).T @ inside + 1e-3 * len(inside) * torch.eye(inside.shape[1]).double()
    solution = torch.linalg.solve(gram, (inside * weight[:, None]).T @ (2 * belongs[0].double() - 1))
    found = outside @ solution
    return area_under_curve(found[belongs[1]], found[~belongs[1]])


def membership_attack(module: nn.Module, members: LabelledTensors, strangers: LabelledTensors) -> float:
    """Return how well the loss tells rows that were trained on from rows that were not.

    The area under the curve of an attacker who calls rows of low cross-entropy members: .5 is chance. Both
    sides should be rows of the forgotten classes, one from training, one never seen.
    """
    losses = [
        nn.functional.cross_entropy(scores_of(module, data.inputs), data.labels.cpu(), reduction="none")
        for data in (members, strangers)
    ]
    return area_under_curve(-losses[0], -losses[1])


def area_under_curve(positive: Tensor, negative: Tensor) -> float:
    """Return P(a positive's score > a negative's) + ½P(equal). Raises ``Refused`` for under 10 of either."""
    if min(len(positive), len(negative)) < FEWEST:
        found = f"there are {len(positive)} and {len(negative)}"
        raise Refused(f"there are at least {FEWEST} rows on either side", found)
    ordered = negative.sort().values
    below = torch.searchsorted(ordered, positive, side="left").double()
    upto = torch.searchsorted(ordered, positive, side="right").double()
    return float((below + upto).mean() / (2 * len(negative)))


def _draw(data: LabelledTensors, rows: int, generator: torch.Generator) -> LabelledTensors:
    drawn = torch.randint(data.rows, (rows,), generator=generator).to(data.labels.device)
    return LabelledTensors(data.inputs[drawn], data.labels[drawn])


def _together(first: LabelledTensors, second: LabelledTensors) -> tuple[Tensor, Tensor]:
    return torch.cat([first.inputs, second.inputs]), torch.cat([first.labels, second.labels])


def _belonging(data: LabelledTensors, forgotten: tuple[int, ...]) -> Tensor:
    return torch.isin(data.labels.cpu(), torch.tensor(forgotten))


def _with_ones(values: Tensor) -> Tensor:
    return torch.cat([values, torch.ones(len(values), 1, dtype=values.dtype)], dim=1)
