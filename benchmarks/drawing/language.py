"""The language-model table as a figure: what leaks and what is kept, by method. Knows no models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from drawing.style import styled
from evaluation.rates import Rate
from evaluation.unlearning.findings import Answers, Finding, summed
from evaluation.unlearning.table import by_method

__all__ = ["draw_language"]

Kind = Callable[[Finding], Rate]

LEAKS: Mapping[str, tuple[str, bool, Kind]] = {
    "held-out wordings": ("o", True, lambda one: one.answers.held_out),
    "reverse questions": ("^", True, lambda one: one.answers.leaked["reverse"]),
    "held out, after 4-bit rounding": ("s", False, lambda one: one.quantised.held_out),
    "all, behind the loop": ("D", False, lambda one: _behind(one, lambda found: summed(found.leaked.values()))),
}
KEPT: Mapping[str, tuple[str, bool, Kind]] = {
    "near people": ("o", True, lambda one: one.answers.right["near"]),
    "other people": ("^", True, lambda one: one.answers.right["others"]),
    "near, after 4-bit rounding": ("s", False, lambda one: one.quantised.right["near"]),
    "near, behind the loop": ("D", False, lambda one: _behind(one, lambda found: found.right["near"])),
}
"""Each mark: its shape, whether it is filled, and what it counts."""


def draw_language(findings: Sequence[Finding]) -> Figure:
    """Draw a row for each method; marks with exact 95 % intervals over questions, all people together."""
    methods = by_method(findings)
    with styled():
        figure = Figure(figsize=(9.5, 1.6 + 0.5 * len(methods)))
        left, right = figure.subplots(1, 2, sharey=True)
        _draw_panel(left, methods, LEAKS, "forget probes that leak, %")
        _draw_panel(right, methods, KEPT, "kept facts answered to the letter, %")
        left.set_yticks(range(len(methods)), list(methods))
        left.invert_yaxis()
    return figure


def _draw_panel(
    axes: Axes, methods: Mapping[str, Sequence[Finding]], kinds: Mapping[str, tuple[str, bool, Kind]], title: str
) -> None:
    for place, (label, (mark, filled, kind)) in enumerate(kinds.items()):
        rates = [summed(kind(one) for one in same) for same in methods.values()]
        shown = [(row, rate) for row, rate in enumerate(rates) if rate.value is not None]
        values = [100 * (rate.value or 0.0) for _, rate in shown]
        bounds = [rate.interval() for _, rate in shown]
        below = [value - 100 * low for value, (low, _) in zip(values, bounds, strict=True)]
        above = [100 * high - value for value, (_, high) in zip(values, bounds, strict=True)]
        axes.errorbar(
            values,
            [row + 0.19 * (place - 1.5) for row, _ in shown],
            xerr=[below, above],
            fmt=mark,
            mfc="black" if filled else "white",
            mec="black",
            color="black",
            ms=5,
            elinewidth=0.8,
            label=label,
        )
    axes.set_xlabel(title)
    axes.set_xlim(-3, 103)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, fontsize=8)


def _behind(one: Finding, kind: Callable[[Answers], Rate]) -> Rate:
    return Rate(0, 0) if one.behind is None else kind(one.behind.answers)
