"""PCMU on two classes: accuracy, what each certificate covers, and whether enumeration can refute it.

    python benchmarks/pcmu.py --data mnist.npz [--classes 8,3] [--json OUT]

The file has ``x_train``, ``y_train``, ``x_test``, ``y_test`` (or ``x`` and ``y`` alone: then every fifth row is
held out). Exits 1 where a certificate on a small problem promises a deletion that changes the codes.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table
from scipy.special import ndtri
from torch import nn

from unlearners.data import Dataset, read_npz
from unlearners.pcmu.accounting import sampled_budget
from unlearners.pcmu.data_smoothing import (
    data_budget,
    mean_direction,
    mean_direction_share,
    signed_rows,
    smoothed_predictions,
)
from unlearners.pcmu.descent import trajectory
from unlearners.pcmu.exact import exact_budget
from unlearners.pcmu.settings import PcmuSettings
from unlearners.pcmu.task import Classifying
from unlearners.pcmu.tasks import LinearTask, NetworkTask
from unlearners.pcmu.unlearner import Pcmu
from unlearners.protocol import Refused

EPSILONS = (1.0, 2.0, 5.0)
NOISES = ((0.01, 0.005), (0.03, 0.015))
"""Noise and threshold, in the unit of a mean gradient of rows of norm 1."""

SMALL = PcmuSettings("majority", sigma=0.02, threshold=0.02, steps=2, rate=0.1)
NETWORK_ROWS = 1000


@dataclass(frozen=True, slots=True)
class Trained:
    """One setting: test accuracy (a mean over seeds) and budgets in rows."""

    model: str
    variant: str
    sigma: float
    rate: float
    steps: int
    accuracy: float
    smallest_radius: float | None
    budgets: dict[str, int]
    seconds: float


@dataclass(frozen=True, slots=True)
class Enumerated:
    """What trying all deletions on small problems found."""

    problems: int
    deletions: int
    broken: int
    with_budget: int
    largest_budget: int
    exact_never_less: bool


def read(path: Path, classes: Sequence[str]) -> tuple[Dataset, Dataset]:
    """Read and normalise the two parts. Raises ``ValueError`` for a file that cannot be used."""
    try:
        parts = [read_npz(path, part) for part in ("train", "test")]
    except ValueError:
        whole = read_npz(path)
        held = np.arange(whole.rows) % 5 == 0
        parts = [whole.take(np.flatnonzero(~held)), whole.take(np.flatnonzero(held))]
    train, test = (part.of_classes(classes).with_unit_rows() for part in parts)
    return train, test


def measured(name: str, task: Classifying, test: Dataset, settings: PcmuSettings, seeds: int) -> Trained:
    """Train with several seeds (one where nothing is drawn) and account."""
    unlearner, began = Pcmu(task, settings), time.process_time()
    once = settings.variant == "majority" and isinstance(task, LinearTask)
    models = [unlearner.train(seed=seed) for seed in range(1 if once else seeds)]
    seconds = (time.process_time() - began) / len(models)
    hits = [float(np.mean(task.predictions(model.weights, test.features) == test.labels)) for model in models]
    if settings.variant == "majority":
        smallest = min(model.smallest_radius for model in models)
        budgets = {"majority": min(map(unlearner.budget, models))}
        if not settings.draws:
            budgets["exact"] = exact_budget(task, settings, 0)
    else:
        smallest, budgets = None, {f"epsilon {e:g}": budget_at(task, settings, e) for e in EPSILONS}
    return Trained(
        name,
        settings.variant if not settings.draws else f"{settings.variant}, {settings.draws} draws",
        settings.sigma,
        settings.rate,
        settings.steps,
        fmean(hits),
        smallest,
        budgets,
        seconds,
    )


def budget_at(task: Classifying, settings: PcmuSettings, epsilon: float) -> int:
    """Return the sampled variant's budget for another ε at the same noise."""
    return sampled_budget(
        epsilon, settings.delta, rows=task.data.rows, steps=settings.steps, clip=task.clip, sigma=settings.sigma
    )


def all_settings(rows: int) -> list[tuple[str, PcmuSettings]]:
    """Return the settings to train: the published ones, by sampling too, and a better step size."""
    found = []
    for sigma, threshold in NOISES:
        for rate in (0.03, 0.1):
            for variant in ("majority", "sampled"):
                found.append(("head", PcmuSettings(variant, sigma, threshold, 100, rate, delta=1 / rows)))
    few = PcmuSettings("majority", 0.01, 0.005, 5, 0.03, delta=1 / rows, draws=1000)
    network = PcmuSettings("sampled", 0.03, 0.015, 100, 0.01, delta=1 / rows)
    return [*found, ("head", few), ("network", network)]


def network_of(features: int) -> nn.Module:
    """Build a hidden layer of 8."""
    return nn.Sequential(nn.Linear(features, 8), nn.Tanh(), nn.Linear(8, 2))


def small_problem(seed: int, rows: int) -> LinearTask:
    """Draw two noisy classes around opposite directions."""
    rng = np.random.default_rng(seed)
    labels = np.concatenate([[0, 1], rng.integers(0, 2, rows - 2)])
    points = (2 * labels - 1)[:, None] + 0.3 * rng.standard_normal((rows, 2))
    return LinearTask(Dataset(points, labels, ("a", "b")).with_unit_rows())


def codes_without(task: LinearTask, gone: Sequence[int]) -> bytes:
    """Train without some rows and return every code."""
    alive = np.ones(task.data.rows, dtype=np.bool_)
    alive[list(gone)] = False
    return trajectory(task, SMALL, alive, 0)[1].tobytes()


def enumerated(problems: int, rows: int) -> Enumerated:
    """Try every deletion that the majority budgets cover."""
    budgets, tried, broken, never_less = [], 0, 0, True
    for seed in range(problems):
        task = small_problem(seed, rows)
        budget = Pcmu(task, SMALL).budget(Pcmu(task, SMALL).train(seed=0))
        whole = codes_without(task, ())
        never_less = never_less and exact_budget(task, SMALL, 0) >= budget
        budgets.append(budget)
        for deleted in range(1, budget + 1):
            for gone in combinations(range(rows), deleted):
                tried += 1
                broken += codes_without(task, gone) != whole
    return Enumerated(problems, tried, broken, sum(b > 0 for b in budgets), max(budgets), never_less)


def data_stage(train: Dataset, test: Dataset, rows: int, runs: int) -> dict[str, float]:
    """Smooth the data themselves for the mean direction: certified accuracy by closed form and by votes."""
    rng = np.random.default_rng(0)
    signed, sigma = signed_rows(train.take(np.sort(rng.permutation(train.rows)[:rows]))), 1.0
    chosen = test.take(np.sort(rng.permutation(test.rows)[:500]))
    truth = 2 * chosen.labels - 1
    exact = sigma * ndtri(mean_direction_share(signed, chosen.features, sigma))
    votes = smoothed_predictions(
        signed, chosen.features, mean_direction, sigma=sigma, runs=runs, failure=1e-3, rng=rng
    )
    right = np.sign(exact) == truth
    budgets = np.array([data_budget(abs(float(one))) if np.isfinite(one) else rows for one in exact])
    found = {f"exact, {k} rows": float(np.mean(right & (budgets >= k))) for k in (0, 1, 10, 100)}
    return found | {
        f"votes, {k} rows": float(np.mean((votes.signs == truth) & (votes.budgets >= k))) for k in (0, 1, 10, 100)
    }


def table(found: Sequence[Trained]) -> Table:
    """Lay the figures out."""
    drawn = Table("model", "variant", "sigma", "rate", "steps", "accuracy", "smallest R'", "budgets (rows)", "s")
    for one in found:
        budgets = ", ".join(f"{name}: {rows}" for name, rows in one.budgets.items())
        smallest = "-" if one.smallest_radius is None else f"{one.smallest_radius:.1e}"
        numbers = (f"{one.sigma:g}", f"{one.rate:g}", str(one.steps), f"{one.accuracy:.4f}", smallest)
        drawn.add_row(one.model, one.variant, *numbers, budgets, f"{one.seconds:.1f}")
    return drawn


def main() -> int:
    """Print the tables; exit 1 where enumeration refutes a budget, 2 for data that cannot be used."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, metavar="FILE")
    parser.add_argument("--classes", default="8,3", metavar="A,B", help="which two classes to tell apart")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--json", type=Path, metavar="OUT")
    options = parser.parse_args()
    torch.set_num_threads(1)
    console = Console(width=140)
    try:
        train, test = read(options.data, options.classes.split(","))
        head = LinearTask(train)
        few = train.take(np.sort(np.random.default_rng(0).permutation(train.rows)[:NETWORK_ROWS]))
        network = NetworkTask(few, lambda: network_of(train.features.shape[1]))
    except (Refused, ValueError) as error:
        console.print(f"[red]{error}[/red]")
        return 2
    tasks = {"head": head, "network": network}
    found = [
        measured(name, tasks[name], test, settings, options.seeds if name == "head" else 1)  # type: ignore[arg-type]
        for name, settings in track(all_settings(train.rows), "train", console=console, transient=True)
    ]
    checked = enumerated(problems=20, rows=20)
    smoothed = data_stage(train, test, rows=1000, runs=300)
    console.print(table(found))
    console.print(
        f"enumeration on {checked.problems} problems of 20 rows: {checked.broken} of {checked.deletions} covered "
        f"deletions change a code; {checked.with_budget} problems have a budget above 0, "
        f"at most {checked.largest_budget}"
    )
    console.print("data smoothing of 1,000 rows, certified accuracy: ", smoothed)
    if options.json:
        out = {
            "rows": train.rows,
            "trained": [asdict(one) for one in found],
            "enumeration": asdict(checked),
            "data_smoothing": smoothed,
        }
        options.json.write_text(json.dumps(out, indent=2) + "\n")
    return 0 if checked.broken == 0 and checked.exact_never_less else 1


if __name__ == "__main__":
    sys.exit(main())
