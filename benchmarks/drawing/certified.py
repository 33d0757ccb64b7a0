"""Privacy, utility and compute of the certified methods as figures, from the benchmarks' JSON. Knows no models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from drawing.style import LINES, MARKS, styled

__all__ = ["draw_langevin", "draw_pcmu"]

Json: TypeAlias = Mapping[str, Any]


def draw_langevin(executed: Json, accounts: Sequence[Json]) -> Figure:
    """Draw accuracy over gradients as executed (one ε), and epochs as accounted over ε (one sigma).

    ``executed`` is what benchmarks/langevin.py writes of data, ``accounts`` what ``--accounting`` writes, if any.
    """
    with styled():
        figure = Figure(figsize=(9.5 if accounts else 5.0, 4.2))
        panels = figure.subplots(1, 2 if accounts else 1, squeeze=False)[0]
        _draw_executed(panels[0], executed)
        if accounts:
            _draw_accounted(panels[1], accounts)
    return figure


def _draw_executed(axes: Axes, executed: Json) -> None:
    for place, arm in enumerate(executed["executed"]):
        accuracy = arm["accuracy"]
        axes.errorbar(
            [max(1, arm["gradients"])],
            [100 * accuracy["mean"]],
            yerr=[100 * accuracy["half_width"]],
            fmt=MARKS[place % len(MARKS)],
            mfc="black" if place % 2 else "white",
            mec="black",
            color="black",
            elinewidth=0.8,
            label=f"{arm['method']} ({arm['runs']} runs)",
        )
    question = executed["question"]["pnsgd"]
    axes.set_xscale("log")
    axes.minorticks_off()
    axes.set_xlabel(f"gradient evaluations of {question['requests']} requests, as executed")
    axes.set_ylabel("test accuracy after them, %")
    axes.set_title(f"ε = {question['epsilon']:g}", fontsize=9)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), fontsize=7)


def _draw_accounted(axes: Axes, accounts: Sequence[Json]) -> None:
    ordered = sorted(accounts, key=lambda one: float(one["question"]["epsilon"]))
    for place, (name, points) in enumerate(_curves(ordered).items()):
        axes.plot(
            [epsilon for epsilon, _ in points],
            [epochs for _, epochs in points],
            marker=MARKS[place % len(MARKS)],
            linestyle=LINES[place % len(LINES)],
            color="black",
            label=name,
        )
    question = ordered[0]["question"]
    epsilons = [float(one["question"]["epsilon"]) for one in ordered]
    axes.set_title(f"sigma = {question['sigma']:g}, {question['requests']} requests, as accounted", fontsize=9)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.minorticks_off()
    axes.set_xticks(epsilons, [f"{epsilon:g}" for epsilon in epsilons])
    axes.set_xlabel("ε (less is more private)")
    axes.set_ylabel("epochs over all requests")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, fontsize=7)


def _curves(accounts: Sequence[Json]) -> dict[str, list[tuple[float, float]]]:
    curves: dict[str, list[tuple[float, float]]] = {}
    for account in accounts:
        answers = {"D2D": account["d2d"]}
        answers |= {f"LU S={size}": answer for size, answer in account["lu"].items()}
        answers |= {f"PNSGD b={batch}": answer for batch, answer in account["pnsgd"].items()}
        for name, answer in answers.items():
            if "total_epochs" in answer:  # where it is feasible
                point = float(account["question"]["epsilon"]), float(answer["total_epochs"])
                curves.setdefault(name, []).append(point)
    return curves


def draw_pcmu(found: Json) -> Figure:
    """Draw a row for each setting: its test accuracy, and the budget that each promise certifies."""
    settings = found["trained"]
    with styled():
        figure = Figure(figsize=(9.5, 1.4 + 0.32 * len(settings)))
        left, right = figure.subplots(1, 2, sharey=True)
        left.barh(
            range(len(settings)), [100 * one["accuracy"] for one in settings], color="0.8", edgecolor="black"
        )
        left.set_yticks(range(len(settings)), list(map(_words, settings)), fontsize=8)
        left.invert_yaxis()
        left.set_xlim(50, 100)
        left.set_xlabel("test accuracy, % (chance: 50)")
        _draw_budgets(right, settings, found["rows"])
    return figure


def _words(one: Json) -> str:
    return f"{one['model']}, {one['variant']}, sigma {one['sigma']:g}, rate {one['rate']:g}"


def _draw_budgets(axes: Axes, settings: Sequence[Json], rows: int) -> None:
    promises = dict.fromkeys(name for one in settings for name in one["budgets"])
    for place, promise in enumerate(promises):
        points = [(one["budgets"][promise], row) for row, one in enumerate(settings) if promise in one["budgets"]]
        budgets, heights = zip(*points, strict=True)
        shifted = [height + 0.12 * (place % 2) for height in heights]
        axes.plot(budgets, shifted, MARKS[place], color="black", mfc="white", label=promise)
    axes.set_xscale("symlog", linthresh=1)
    axes.set_xlim(left=-0.2)
    axes.set_xlabel(f"rows of {rows} that can be forgotten at no cost")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, fontsize=8)
