"""`lethe train`: models made so that rows can be forgotten later under a certificate."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from gateway.cli.failures import needing_extra
from gateway.cli.unlearning import Out, SetOption, check_kinds, secrecy, settings_given, tell_result, working
from gateway.errors import InvalidInput
from unlearners.langevin.settings import LangevinSettings
from unlearners.pcmu.settings import PcmuSettings

if TYPE_CHECKING:
    from unlearners.tabular import Method

__all__ = ["app"]

app = typer.Typer(
    help="Train a linear head that can forget rows later, with a certificate (`lethe unlearn`).",
    no_args_is_help=True,
)

SETTINGS: Mapping[str, type] = {"langevin": LangevinSettings, "pcmu": PcmuSettings}

INTERRUPTED = "interrupted; the training is kept, and the same command continues it"


def train(
    context: typer.Context,
    data: Annotated[
        Path,
        typer.Option(help="Rows: .csv, .npz, or .jsonl with text, label and perhaps id. With --head: dialogues."),
    ],
    out: Out,
    label: Annotated[str | None, typer.Option(help="The CSV column with the label. Default: label.")] = None,
    id_column: Annotated[
        str | None, typer.Option("--id", help="The CSV column with ids. Default: rows count from 0.")
    ] = None,
    normalise: Annotated[bool, typer.Option("--normalise", help="Scale each row to norm 1 by itself.")] = False,
    backbone: Annotated[
        Path | None, typer.Option(help="Checkpoint that turns texts into features; it stays as it is.")
    ] = None,
    head: Annotated[
        bool, typer.Option("--head", help="Train the head of the chat model --backbone, to be served as one.")
    ] = False,
    seed: Annotated[
        int | None, typer.Option(help="To reproduce a run. A promise needs a seed that nobody knows.")
    ] = None,
    settings: SetOption = None,
) -> None:
    """Train on all rows; `lethe unlearn` with the same method forgets some of them later."""
    method = cast("Method", context.info_name)
    with working(INTERRUPTED) as progress:
        given = settings_given(settings)
        check_kinds(given, SETTINGS[method])
        with needing_extra("unlearn", "lethe train"):
            # torch: the other commands must start without it
            from unlearners.language.head_run import train_head
            from unlearners.tabular import train_tabular
        if head:
            _check_head_alone(label, id_column, normalise)
            public = _public(backbone)
            certificate = train_head(method, public, data, out, settings=given, seed=seed, progress=progress)
        else:
            certificate = train_tabular(
                method,
                data,
                out,
                label=label or "label",
                id_column=id_column,
                normalise=normalise,
                backbone=backbone,
                settings=given,
                seed=seed,
                progress=progress,
            )
    tell_result(
        certificate,
        out,
        f"To forget: lethe unlearn {method} --model {out} --data {data} --forget IDS --out NEW",
        *secrecy(out, head),
    )


def _public(backbone: Path | None) -> Path:
    if backbone is None:
        raise InvalidInput("--head trains a chat model's head: name the model with --backbone")
    return backbone


def _check_head_alone(label: str | None, id_column: str | None, normalise: bool) -> None:
    if label is not None or id_column is not None or normalise:
        raise InvalidInput("--head reads dialogues, to which --label, --id and --normalise do not apply")


app.command(
    "langevin",
    short_help="Noisy gradient descent: any number of requests at (epsilon, delta), a few epochs each.",
)(train)
app.command(
    "pcmu",
    short_help="Coded gradients: requests within a budget of rows cost nothing; the first beyond it is refused.",
)(train)
