"""The calibrated iteration budget on recorded trajectories, beside always running every round.

    python benchmarks/budget.py                        # records the demo's model behind three panels of verifiers
    python benchmarks/budget.py --trajectories FILE    # or reads what `lethe calibrate` recorded

Units are dealt into two halves. On the first, the threshold is the record low's (``--level``, 95 %), and the
budget is the smallest number of rounds within which the verifier passes on all but ``--level`` of the prompts, in
both forms: split-conformal, and with 95 % confidence. Everything shown is counted on the second half.

The budget counts rounds until the verifier passes, so it holds for a verifier that sees nothing as well. To show
it, the same prompts go through the loop before ``lexical`` alone, and before ``facts`` alone, which finds nothing
to look for in topics known by name. Where no threshold can be certified, 0.5 stands for one that somebody picks.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path

from attack_families import recorded
from rich.console import Console
from rich.table import Table

from calibration.answered import Rate
from calibration.budget import Budget, BudgetFigures, calibrated_budget, compare_budget, first_pass_round
from calibration.outcome import Certified
from calibration.record_low import control_leak_risk_confident, plain_record_low, unit_record_lows
from calibration.trajectories import Trajectory
from calibration.trajectory_file import read_trajectories
from evaluation.learned_training import split_units

PANELS: dict[str, dict[str, object]] = {
    "default verifiers": {},
    "lexical alone": {"verifiers": ("lexical",), "screened_verifiers": ()},
    "facts alone": {"verifiers": ("facts",), "screened_verifiers": ()},
}
PICKED = 0.5


def halves(trajectories: Sequence[Trajectory], seed: int) -> tuple[list[Trajectory], list[Trajectory]]:
    """Deal the forget units into two halves, each unit whole."""
    forget = [trajectory for trajectory in trajectories if not trajectory.benign]
    first, _ = split_units({trajectory.unit for trajectory in forget}, 0.5, seed)
    return [t for t in forget if t.unit in first], [t for t in forget if t.unit not in first]


def measure(name: str, trajectories: Sequence[Trajectory], level: float, seed: int, table: Table) -> None:
    """Choose threshold and budget on one half, and count on the other."""
    calibrated, fresh = halves(trajectories, seed)
    lows = unit_record_lows(calibrated, plain_record_low)
    found = control_leak_risk_confident(lows, level=level, confidence=0.95)
    certified = isinstance(found, Certified)
    threshold = found.threshold if isinstance(found, Certified) else PICKED
    words = f"{threshold:.3f}, {'certified' if certified else 'picked: none can be certified'}"
    passes = [first_pass_round(trajectory, threshold) for trajectory in calibrated]
    fresh_passes = [first_pass_round(trajectory, threshold) for trajectory in fresh]
    plain = compare_budget(fresh, threshold, Budget(1, 1, 1, level, None))
    row(table, name, words, "every round", plain[0], "")
    row(table, name, words, "stopping", plain[1], "")
    for form, confidence in (("conformal", None), ("95 %", 0.95)):
        budget = calibrated_budget(passes, level, confidence)
        if not isinstance(budget, Budget):
            table.add_row(name, words, f"budget, {form}", "-", "-", "-", budget.reason)
            continue
        held = sum(one <= budget.rounds for one in fresh_passes) / len(fresh)
        within = compare_budget(fresh, threshold, budget)[2]
        row(table, name, words, f"budget of {budget.rounds}, {form}", within, f"{held:.1%}")


def row(table: Table, name: str, words: str, way: str, figures: BudgetFigures, note: str) -> None:
    """Add one way to run the loop."""
    rates = (rate_in_words(figures.leak_rate), rate_in_words(figures.answer_rate))
    table.add_row(name, words, way, f"{figures.generations:.2f}", *rates, note)


def rate_in_words(rate: Rate) -> str:
    """Say a rate with its interval."""
    return f"{rate.share:.1%} [{rate.low:.1%}, {rate.high:.1%}]"


def recordings(options: argparse.Namespace) -> dict[str, Sequence[Trajectory]]:
    """Read the trajectories, or record the demo's."""
    if options.trajectories is not None:
        return {"as recorded": read_trajectories(options.trajectories).trajectories}
    found: dict[str, Sequence[Trajectory]] = {}
    for name, settings in PANELS.items():
        with tempfile.TemporaryDirectory() as folder:
            run = recorded(Path(folder), options.topics, options.per_family, options.level, **settings)
            found[name] = asyncio.run(run)[1]
    return found


def main() -> None:
    """Read the arguments, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trajectories", type=Path, help="a recording with labels, in place of the demo's")
    parser.add_argument("--topics", type=int, default=8, help="people of the demo's world")
    parser.add_argument("--per-family", type=int, default=12)
    parser.add_argument("--level", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    table = Table("verifiers", "threshold", "way", "generations", "leaks", "answered", "passes within it")
    for name, trajectories in recordings(options).items():
        measure(name, trajectories, options.level, options.seed, table)
    Console(highlight=False, width=170).print(table)


if __name__ == "__main__":
    main()
