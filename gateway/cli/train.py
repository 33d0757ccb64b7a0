"""`lethe train`: models made so that rows can be forgotten later under a certificate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from gateway.cli.failures import needing_extra
from gateway.cli.unlearning import DeviceOption, Out, SetOption, secrecy, settings_given, tell_result, working
from gateway.errors import InvalidInput
from unlearners.recipe import EACH, UNITS, read_recipe

if TYPE_CHECKING:
    from unlearners.tabular import Method

__all__ = ["app"]

app = typer.Typer(
    help="Train a linear head that can forget rows later, with a certificate (`lethe unlearn`).",
    no_args_is_help=True,
)

INTERRUPTED = "interrupted; the training is kept, and the same command continues it"

Seed = Annotated[int | None, typer.Option(help="To reproduce a run. A promise needs a seed that nobody knows.")]


def train(
    context: typer.Context,
    data: Annotated[
        Path,
        typer.Option(help="Rows: .csv, .npz, or .jsonl with text, label and perhaps id. With --head: dialogues."),
    ],
    out: Out,
    label: Annotated[str | None, typer.Option(help="The CSV column with the label. Default: label.")] = None,
    id_column: Annotated[
        str | None, typer.Option("--id", help="The CSV column with ids. Default: positions, counted from 0.")
    ] = None,
    normalise: Annotated[bool, typer.Option("--normalise", help="Scale each row to norm 1 by itself.")] = False,
    backbone: Annotated[
        Path | None, typer.Option(help="Checkpoint that turns texts into features; it stays as it is.")
    ] = None,
    public: Annotated[
        Path | None,
        typer.Option(help="Texts (.jsonl with text) that never have to be forgotten, to whiten features by."),
    ] = None,
    head: Annotated[
        bool, typer.Option("--head", help="Train the head of the chat model --backbone, to be served as one.")
    ] = False,
    seed: Seed = None,
    settings: SetOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Train on all rows; `lethe unlearn` with the same method forgets some of them later."""
    method = cast("Method", context.info_name)
    with working(INTERRUPTED) as progress:
        given = settings_given(settings)
        with needing_extra("unlearn", "lethe train"):
            # torch: the other commands must start without it
            from unlearners.language.head_run import train_head
            from unlearners.tabular import train_tabular
        if head:
            _check_head_alone(label, id_column, normalise, public)
            certificate = train_head(
                method, _named(backbone), data, out, settings=given, seed=seed, progress=progress, device=device
            )
        else:
            certificate = train_tabular(
                method,
                data,
                out,
                label=label or "label",
                id_column=id_column,
                normalise=normalise,
                backbone=backbone,
                public=public,
                settings=given,
                seed=seed,
                progress=progress,
                device=device,
            )
    tell_result(certificate, out, *_units(out, data), _next(method, out, data), *secrecy(out, head))


def _named(backbone: Path | None) -> Path:
    if backbone is None:
        raise InvalidInput("--head trains a chat model's head: name the model with --backbone")
    return backbone


def _check_head_alone(label: str | None, id_column: str | None, normalise: bool, public: Path | None) -> None:
    if label is not None or id_column is not None or normalise or public is not None:
        raise InvalidInput("--head reads dialogues, to which --label, --id, --normalise and --public do not apply")


def train_low_rank(
    backbone: Annotated[Path, typer.Option(help="The public chat model; it stays as it is.")],
    data: Annotated[Path, typer.Option(help="Dialogues, .jsonl; each line may name its unit, such as a person.")],
    out: Out,
    target: Annotated[
        list[str] | None,
        typer.Option(help="Layers to update, by the end of their names. Default: q_proj and v_proj."),
    ] = None,
    rank: Annotated[int, typer.Option(help="Rank of each update.")] = 2,
    clip: Annotated[float, typer.Option(help="Longest gradient of a unit.")] = 1.0,
    seed: Seed = None,
    settings: SetOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Train low-rank updates of a chat model on all units; they are merged into the checkpoint to serve."""
    with working(INTERRUPTED) as progress:
        given = settings_given(settings)
        with needing_extra("unlearn", "lethe train"):
            from unlearners.language.lora_run import train_lora  # torch: the other commands start without it
        certificate = train_lora(
            backbone,
            data,
            out,
            settings=given,
            targets=target or ("q_proj", "v_proj"),
            rank=rank,
            clip=clip,
            seed=seed,
            progress=progress,
            device=device,
        )
    advice = (*_units(out, data), _next("pcmu-lora", out, data), *secrecy(out, chat_model=True))
    tell_result(certificate, out, *advice)


def _units(out: Path, data: Path) -> tuple[str, ...]:
    """Say where no dialogue named the unit that it is forgotten with: it may be a field that was mistyped."""
    if read_recipe(out).data.get(UNITS) != EACH:
        return ()
    return (f"Note: no line of {data} names a `unit`, so that each dialogue is one and is forgotten by itself.",)


def _next(method: str, out: Path, data: Path) -> str:
    return f"To forget: lethe unlearn {method} --model {out} --data {data} --forget IDS --out NEW"


app.command(
    "langevin",
    short_help="Noisy gradient descent: any number of requests at (epsilon, delta), a few epochs each.",
)(train)
app.command(
    "pcmu",
    short_help="Coded gradients: requests within a budget of rows cost nothing; the first beyond it is refused.",
)(train)
app.command(
    "pcmu-lora",
    short_help="The same for low-rank updates of a chat model.",
)(train_low_rank)
