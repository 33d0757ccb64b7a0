"""One person of the demo world forgotten in every way there is: what leaks, what is kept, what is left in weights.

    python benchmarks/unlearning_demo.py --persons 1 --json OUT
    python benchmarks/unlearning_demo.py --persons 3 --methods base,npo --cache FOLDER

Every method starts from the same demo model and gets the same dialogues to forget and to keep. Checkpoints and
findings are kept in the cache, and what is there is not done again: delete the folder after changing a method.
Rates have exact 95 % intervals over questions, which do not know that questions cluster in facts and people.
Seconds are of the processor, one core.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from forgetting.material import choose_people, material_for
from forgetting.measuring import found
from forgetting.methods import METHODS, made
from rich.console import Console
from rich.table import Table
from transformers.utils.logging import disable_progress_bar

from evaluation.unlearning.findings import Finding, read_findings, write_findings
from evaluation.unlearning.table import COLUMNS, behind_cells, by_method, loop_words, markdown, table_cells
from gateway.demo.checkpoint import cache_dir, ensure_model
from gateway.demo.story import Wanted
from gateway.demo.world import Person, World, invent_world


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table; exit 2 for arguments that cannot be."""
    options = _parser().parse_args(argv)
    methods = options.methods.split(",") if options.methods else list(METHODS)
    if unknown := [method for method in methods if method not in METHODS]:
        print(f"there is no method {unknown[0]!r}; there are {', '.join(METHODS)}", file=sys.stderr)
        return 2
    world = invent_world(options.seed)
    try:
        people = choose_people(world, options.seed, options.persons)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    torch.set_num_threads(1)
    disable_progress_bar()  # type: ignore[no-untyped-call]
    began = time.perf_counter()
    findings = _findings(options, world, people, methods)
    _print(findings, options.markdown)
    print(f"{time.perf_counter() - began:.0f} s in all, of which the processor {time.process_time():.0f} s")
    if options.json:
        write_findings(options.json, findings)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--persons", type=int, default=1, help="how many people to forget, each by themselves")
    parser.add_argument("--seed", type=int, default=0, help="of the world, the draws and the methods")
    parser.add_argument("--methods", help=f"comma-separated, of: {', '.join(METHODS)}; default: all")
    parser.add_argument("--cache", type=Path, help="default: unlearning-demo beside the demo model")
    parser.add_argument("--without-loop", action="store_true", help="do not calibrate and ask the gateway")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the findings there")
    return parser


def _findings(
    options: argparse.Namespace, world: World, people: Sequence[Person], methods: Sequence[str]
) -> list[Finding]:
    kept = cache_dir(os.environ)
    base = ensure_model(kept, options.seed).path
    cache = options.cache or kept / "unlearning-demo"
    findings = []
    for person in people:
        material = material_for(world, person, options.seed)
        folder = cache / f"seed-{options.seed}" / person.id
        for method in methods:
            known = folder / f"{method}{'.bare' if options.without_loop else ''}.json"
            if not known.is_file():
                checkpoint, cost = made(method, base, material, folder, options.seed)
                wanted = None if options.without_loop else Wanted(seed=options.seed)
                finding = found(method, checkpoint, cost, material, wanted=wanted, seed=options.seed)
                write_findings(known, [finding])
                print(f"{person.name}, {method}: {time.process_time():.0f} s", file=sys.stderr, flush=True)
            findings += read_findings(known)
    return findings


def _rows(findings: Sequence[Finding]) -> list[tuple[str, ...]]:
    """Return a row for each method, and after the base model one of the gateway before it."""
    rows = []
    for method, same in by_method(findings).items():
        rows.append(table_cells(method, same))
        if method == "base" and (behind := [one.behind for one in same if one.behind]):
            rows.append(behind_cells("Lethe before the base model", behind))
    return rows


def _print(findings: Sequence[Finding], as_markdown: bool) -> None:
    console = Console(width=200)
    if as_markdown:
        print(markdown(_rows(findings)))
    else:
        table = Table(*COLUMNS, title="One person forgotten; rates in % with 95 % intervals")
        for row in _rows(findings):
            table.add_row(*row)
        console.print(table)
    for method, same in by_method(findings).items():
        print(f"{method}: {same[0].cost.certified}")
    behind = [one.behind for one in findings if one.method == "base" and one.behind]
    if behind:
        print(loop_words(behind))


if __name__ == "__main__":
    sys.exit(main())
