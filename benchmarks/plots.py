"""Figures from what the benchmarks wrote as JSON: privacy, utility and compute, and the language-model table.

    python benchmarks/plots.py --language findings.json --out figures
    python benchmarks/plots.py --langevin langevin.json --accounts a1.json a2.json --pcmu pcmu.json --out figures

Findings come from benchmarks/unlearning_demo.py, the others from benchmarks/langevin.py (``--json``; accounts with
``--accounting``) and benchmarks/pcmu.py. Each figure becomes a PNG and an SVG.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from drawing.certified import draw_langevin, draw_pcmu
from drawing.language import draw_language
from drawing.style import saved
from matplotlib.figure import Figure

from evaluation.unlearning.findings import read_findings


def main(argv: Sequence[str] | None = None) -> int:
    """Write the figures that there is data for; exit 2 where there is none, or it cannot be read."""
    options = _parser().parse_args(argv)
    try:
        figures = _figures(options)
        options.out.mkdir(parents=True, exist_ok=True)
    except (OSError, KeyError, TypeError, ValueError) as error:
        print(f"plots.py: {type(error).__name__}: {error}; give files that the benchmarks wrote", file=sys.stderr)
        return 2
    for name, figure in figures.items():
        print(*saved(figure, options.out, name))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--language", type=Path, help="findings of benchmarks/unlearning_demo.py")
    parser.add_argument("--langevin", type=Path, help="figures of benchmarks/langevin.py on data")
    parser.add_argument("--accounts", type=Path, nargs="+", default=[], help="and of --accounting, for several ε")
    parser.add_argument("--pcmu", type=Path, help="figures of benchmarks/pcmu.py")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    return parser


def _figures(options: argparse.Namespace) -> dict[str, Figure]:
    figures = {}
    if options.language:
        figures["language"] = draw_language(read_findings(options.language))
    if options.langevin:
        figures["langevin"] = draw_langevin(_read(options.langevin), [_read(path) for path in options.accounts])
    if options.pcmu:
        figures["pcmu"] = draw_pcmu(_read(options.pcmu))
    if not figures:
        raise ValueError("there is nothing to draw")
    return figures


def _read(path: Path) -> Any:
    return json.loads(path.read_text())


if __name__ == "__main__":
    sys.exit(main())
