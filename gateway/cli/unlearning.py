"""What `lethe train` and `lethe unlearn` share: settings by name, ids, bars, and what is said at the end."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, redirect_stderr
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import typer

from gateway.cli.failures import refusing_bad_input, reporting_failures, telling_of_interruption
from gateway.cli.progress import phase_bars
from gateway.errors import InvalidInput
from unlearners.certificate import UnlearningCertificate
from unlearners.explanation import DIALOGUE, explain, noun_of
from unlearners.fields import field, object_in
from unlearners.forecast import forecast
from unlearners.measured import harm, measured_words, read_measured
from unlearners.recipe import Recipe

__all__ = [
    "DeviceOption",
    "Out",
    "SetOption",
    "Value",
    "is_chat_model",
    "read_ids",
    "secrecy",
    "settings_given",
    "tell_result",
    "working",
]

Value: TypeAlias = int | float | str
Progress: TypeAlias = Callable[[str, int, int], None]

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|[+-]?inf", re.IGNORECASE)

REPLACEMENT = "replacement"

SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A setting of the method; may be repeated."),
]
DeviceOption = Annotated[Literal["auto", "cpu"], typer.Option(help="auto takes a GPU where there is one.")]
Out = Annotated[Path, typer.Option(help="The new directory; nothing that exists is written over.")]


def settings_given(assignments: Sequence[str] | None) -> Mapping[str, Value]:
    """Read ``name=value`` pairs. Raises ``InvalidInput`` for anything else, and for a name given twice."""
    found: dict[str, Value] = {}
    for assignment in assignments or ():
        name, equals, value = assignment.partition("=")
        name = name.strip().replace("-", "_")
        if not equals or not name.isidentifier():
            raise InvalidInput(f"--set takes NAME=VALUE, such as --set epsilon=1, not {assignment!r}")
        if name in found:
            raise InvalidInput(f"--set names {name!r} twice")
        found[name] = _value(value.strip())
    return found


def _value(text: str) -> Value:
    if not NUMBER.fullmatch(text):
        return text
    return int(text) if text.lstrip("+-").isdigit() else float(text)


def read_ids(path: Path) -> tuple[str, ...]:
    """Read ids, one a line, or JSON Lines with the field ``id``. Raises ``ValueError`` that says where.

    A line that brings a row to put in the place of another is refused: a run deletes.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not a text of ids: {error}") from None
    named = [(number, line.strip()) for number, line in enumerate(lines, start=1) if line.strip()]
    if path.suffix == ".jsonl":
        return tuple(_id_in(path, number, line) for number, line in named)
    return tuple(line for _, line in named)


def _id_in(path: Path, number: int, line: str) -> str:
    try:
        source = object_in(line)
        name = field(source, "id", str)
        if REPLACEMENT in source:
            raise ValueError(
                f"a replacement for {name!r} is given, and rows are deleted here, never replaced: take it out"
            )
        return name
    except ValueError as error:
        raise ValueError(f"{path}, line {number}: {error}") from None


@contextmanager
def working(pending: str) -> Iterator[Progress]:
    """Draw bars inside the block; bad input there is one line, and Ctrl-C says that the work is ``pending``.

    Of the processes that `accelerate launch` starts on a machine, the first alone says it.
    """
    first = os.environ.get("LOCAL_RANK", "0") == "0"
    with (
        nullcontext() if first else redirect_stderr(io.StringIO()),
        reporting_failures(),
        telling_of_interruption(pending),
        refusing_bad_input(),
        phase_bars() as bars,
    ):
        yield _noticing_continuation(bars) if _is_first_process() else _silent


def _is_first_process() -> bool:
    """Tell the process that speaks from those that `accelerate launch` starts beside it."""
    return os.environ.get("RANK", "0") == "0"


def _silent(phase: str, done: int, total: int) -> None:
    """Draw nothing."""


def _noticing_continuation(bars: Progress) -> Progress:
    """Say that a run goes on: the first report of a phase is neither of its first step nor of its last."""
    phases: set[str] = set()

    def tell(phase: str, done: int, total: int) -> None:
        if phase not in phases and 1 < done < total:
            typer.echo(f"continuing an interrupted run, at {phase} {done} of {total}", err=True)
        phases.add(phase)
        bars(phase, done, total)

    return tell


def is_chat_model(recipe: Recipe) -> bool:
    """Tell what was trained on a chat model from a head on rows of numbers or texts."""
    return "fingerprint" in recipe.data


def tell_result(certificate: UnlearningCertificate, out: Path, *advice: str) -> None:
    """Print the certificate in words, what was kept and forgotten, what the next request gets, what to do next.

    Once, however many processes there are.
    """
    if not _is_first_process():
        return
    typer.echo(explain(certificate))
    measured = read_measured(out)
    heuristic = noun_of(certificate) == DIALOGUE
    for line in () if measured is None else measured_words(measured):
        typer.echo(line)
    for line in () if measured is None else harm(measured, should_forget=heuristic):
        typer.echo(f"Warning: {line}.")
    for line in forecast(certificate):
        typer.echo(line)
    typer.echo(f"Written to {out}; check it at any time: lethe certificate verify {out}")
    for line in advice:
        typer.echo(line)


def secrecy(out: Path, chat_model: bool) -> tuple[str, ...]:
    """Say which part of a certified run may be published or served, and which must not."""
    private = f"Keep {out / 'state.npz'} secret: it holds the seed. Keep {out / 'measured.json'} to yourself too."
    public = f"To serve it: lethe backends add NAME --model {out / 'model'} --replace"
    if not chat_model:
        public = f"{out / 'weights.npz'} may be published with the certificate."
    return (public, private)
