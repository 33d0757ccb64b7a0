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

    ``executed`` is what benchmarks/langevin.py writes of data, ``accounts`` what ``--accounting`` writes.
    """
    with styled():
        figure = Figure(figsize=(9.5, 4.2))
        left, right = figure.subplots(1, 2)
        _draw_executed(left, executed)
        _draw_accounted(right, accounts)
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
    means = [100 * arm["accuracy"]["mean"] for arm in executed["executed"]]
    axes.set_ylim(min(means) - 3, max(means) + 2)
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
    if ordered:
        question = ordered[0]["question"]
        axes.set_title(f"sigma = {question['sigma']:g}, {question['requests']} requests, as accounted", fontsize=9)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.minorticks_off()
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
    """Draw test accuracy over the certified budget, a line for each setting with a mark for each promise."""
    with styled():
        figure = Figure(figsize=(6.5, 4.6))
        axes = figure.subplots()
        promises = {name: None for one in found["trained"] for name in one["budgets"]}
        marks = {name: MARKS[place] for place, name in enumerate(promises)}
        for place, one in enumerate(found["trained"]):
            _draw_setting(axes, one, marks, LINES[place % len(LINES)])
        for name, mark in marks.items():
            axes.plot([], [], mark, color="black", mfc="white", label=name)
        axes.set_xscale("symlog", linthresh=1)
        axes.set_xlim(left=-0.2)
        axes.set_xlabel(f"rows of {found['rows']} that can be forgotten at no cost")
        axes.set_ylabel("test accuracy, %")
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=3, fontsize=8)
    return figure


def _draw_setting(axes: Axes, one: Json, marks: Mapping[str, str], line: str) -> None:
    accuracy = 100 * one["accuracy"]
    rows = list(one["budgets"].values())
    axes.plot(rows, [accuracy] * len(rows), line, color="black", linewidth=0.8)
    for name, budget in one["budgets"].items():
        axes.plot([budget], [accuracy], marks[name], color="black", mfc="white")
    words = f"{one['model']}, {one['variant']}, sigma {one['sigma']:g}, rate {one['rate']:g}"
    axes.annotate(words, (max(rows), accuracy), xytext=(7, -2), textcoords="offset points", fontsize=6)
