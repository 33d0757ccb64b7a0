"""`lethe train`: models made so that rows can be forgotten later under a certificate."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from gateway.cli.failures import needing_extra
from gateway.cli.unlearning import Out, SetOption, check_kinds, settings_given, tell_result, working
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
    data: Annotated[Path, typer.Option(help="Rows: .csv, .npz, or .jsonl with text, label and perhaps id.")],
    out: Out,
    label: Annotated[str, typer.Option(help="The CSV column with the label.")] = "label",
    id_column: Annotated[
        str | None, typer.Option("--id", help="The CSV column with ids. Default: rows count from 0.")
    ] = None,
    normalise: Annotated[bool, typer.Option("--normalise", help="Scale each row to norm 1 by itself.")] = False,
    backbone: Annotated[
        Path | None, typer.Option(help="Checkpoint that turns texts into features; it stays as it is.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="For reproduction alone: a seed that is known voids the promise's secrecy.")
    ] = None,
    settings: SetOption = None,
) -> None:
    """Train on all rows; `lethe unlearn` with the same method forgets some of them later."""
    with working(INTERRUPTED) as progress:
        given = settings_given(settings)
        check_kinds(given, SETTINGS[str(context.info_name)])
        with needing_extra("unlearn", "lethe train"):
            from unlearners.tabular import train_tabular  # torch: the other commands must start without it
        certificate = train_tabular(
            cast("Method", context.info_name),
            data,
            out,
            label=label,
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
        f"To forget rows: lethe unlearn {context.info_name} --model {out} --data {data} --forget IDS --out NEW",
        f"Keep {out / 'state.npz'} secret: it holds the seed. {out / 'weights.npz'} may be published.",
    )


app.command(
    "langevin",
    short_help="Noisy gradient descent: any number of requests at (epsilon, delta), a few epochs each.",
)(train)
app.command(
    "pcmu",
    short_help="Coded gradients: requests within a budget of rows cost nothing; the first beyond it is refused.",
)(train)
