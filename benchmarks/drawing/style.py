"""How all figures look: black marks and lines that differ in shape, PNG and SVG, the same bytes each time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

__all__ = ["LINES", "MARKS", "saved", "styled"]

MARKS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">")
LINES = ("-", "--", ":", "-.")


@contextmanager
def styled() -> Iterator[None]:
    """Draw in this style inside the block."""
    with mpl.rc_context(
        {
            "axes.axisbelow": True,
            "axes.grid": True,
            "axes.spines.right": False,
            "axes.spines.top": False,
            "figure.constrained_layout.use": True,
            "font.size": 9,
            "grid.color": "0.88",
            "legend.frameon": False,
            "lines.markersize": 6,
        }
    ):
        yield


def saved(figure: Figure, folder: Path, name: str) -> tuple[Path, ...]:
    """Write ``name.png`` and ``name.svg``, without a date."""
    paths = folder / f"{name}.png", folder / f"{name}.svg"
    figure.savefig(paths[0], dpi=160)
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(paths[1], metadata={"Date": None})
    return paths
