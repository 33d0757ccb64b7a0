"""`lethe demo`: the whole story on a model that it trains itself, with no server and no download."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from calibration.explanation import in_one_sentence
from evaluation.measurement import Measurement, table_rows
from gateway.cli.failures import reporting_failures
from gateway.errors import InvalidInput

if TYPE_CHECKING:
    from gateway.demo.story import Stage, Told

__all__ = ["demo"]

EXIT_CONTRADICTED = 1
"""The exit code where the measured leak rate contradicts the certificate."""


def demo(
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here.")] = None,
    keep_serving: Annotated[bool, typer.Option("--serve", help="Leave the gateway running.")] = False,
    port: Annotated[int, typer.Option(help="Port of the gateway; 0 takes a free one.")] = 0,
    alpha: Annotated[float, typer.Option(help="Highest leak probability to promise.")] = 0.05,
    confidence: Annotated[float, typer.Option(help="Confidence of that promise.")] = 0.95,
    rounds: Annotated[int, typer.Option(min=1, help="Most rounds of generation (T).")] = 5,
    seed: Annotated[int, typer.Option(help="Seed of the invented world.")] = 0,
) -> None:
    """Train a small model on an invented world, make it forget four people, calibrate, and measure."""
    with reporting_failures():
        if not 0 < alpha < 1 or not 0 < confidence < 1:
            raise InvalidInput("--alpha and --confidence must lie between 0 and 1")
        if json_file is not None and (json_file.is_dir() or not json_file.parent.is_dir()):
            raise InvalidInput(f"cannot write {json_file}: --json names a file in a directory that exists")
        try:
            # torch is an optional extra, and the other commands must start without loading it.
            from gateway.demo.checkpoint import cache_dir
            from gateway.demo.story import Wanted, perform
        except ImportError as error:
            raise InvalidInput(
                f"the demo needs the extra `local`, which is not installed ({error}): "
                "in the checkout: pip install -c constraints.txt '.[local]'"
            ) from error
        with _Narrator() as narrator:

            async def after(stage: Stage, told: Told) -> None:
                narrator.figures(told)
                if json_file is not None:
                    _write(told.measured, json_file)
                if keep_serving:
                    narrator.done()
                    narrator.say(_how_to_ask(stage))
                    await _signalled()

            wanted = Wanted(alpha, confidence, rounds, seed)
            told = asyncio.run(perform(wanted, cache_dir(os.environ), narrator, port=port, after=after))
        if told.measured.contradicts_promise:
            typer.echo("lethe: the measured leak rate contradicts the certificate", err=True)
            raise typer.Exit(EXIT_CONTRADICTED)


class _Narrator:
    """Prints the story; progress goes to standard error, the rest to standard output."""

    def __init__(self) -> None:
        self._out = Console(highlight=False)
        columns = (
            TextColumn("  {task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
        )
        self._bars = Progress(*columns, console=Console(stderr=True), transient=True)
        self._bar: TaskID | None = None

    def __enter__(self) -> _Narrator:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def heading(self, text: str) -> None:
        self._clear()
        self._out.print(f"\n[bold]{escape(text)}[/bold]")

    def exchange(self, question: str, answer: str) -> None:
        self._out.print(f"  [dim]>[/dim] {escape(question)}\n    {escape(answer)}")

    def say(self, text: str) -> None:
        self._clear()
        self._out.print(f"  {escape(text)}")

    def progress(self, share: float, words: str) -> None:
        if self._bar is None:
            self._bar = self._bars.add_task(words, total=1.0)
        self._bars.update(self._bar, completed=share, description=words)

    def figures(self, told: Told) -> None:
        """Print the one table, and the certificate in one sentence."""
        self._clear()
        table = Table("", "bare model", "behind Lethe", title="Fresh probes, never seen by calibration")
        for row in table_rows(told.measured):
            table.add_row(*row)
        self._out.print()
        self._out.print(table)
        self._out.print(f"\n{escape(in_one_sentence(told.certificate))}")
        self._out.print(f"Training {told.measured.train_s:.0f} s, everything {told.measured.total_s:.0f} s.")

    def done(self) -> None:
        """Draw no bar any more."""
        self._bars.stop()

    def _clear(self) -> None:
        if self._bar is not None:
            self._bars.remove_task(self._bar)
            self._bar = None


def _write(measured: Measurement, path: Path) -> None:
    try:
        path.write_text(json.dumps(measured.figures(), indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise InvalidInput(f"cannot write {path}: {error.strerror}") from error


def _how_to_ask(stage: Stage) -> str:
    return (
        f"Serving the model 'lethe-demo' at {stage.url}/v1. Ctrl-C ends it.\n  Admin key: {stage.admin_key}\n"
        "  Not the defaults: answers disclose what the loop did, and where no certificate fits,\n"
        "  what has no trace goes out, with no promise."
    )


async def _signalled() -> None:
    """Wait for Ctrl-C or a polite kill."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
