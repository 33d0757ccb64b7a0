"""`lethe unlearn METHOD`: a model and what it must forget in, a new directory with a certificate out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.failures import needing_extra
from gateway.cli.unlearning import (
    DeviceOption,
    Out,
    SetOption,
    is_chat_model,
    read_ids,
    secrecy,
    settings_given,
    tell_result,
    working,
)
from gateway.errors import InvalidInput
from unlearners.recipe import read_recipe

__all__ = ["app"]

CERTIFIED = "Certified: for what `lethe train` made"
HEURISTIC = "Nothing is promised: for any chat model"

app = typer.Typer(
    help="Forget in the weights. Only langevin, pcmu and pcmu-lora promise something; the others come with a "
    "certificate that says that nothing is promised. The model given stays as it is; the result is another.",
    no_args_is_help=True,
)

INTERRUPTED = "interrupted; the request is pending, the model is as it was, and the same command continues"


def forget_rows_command(
    context: typer.Context,
    model: Annotated[Path, typer.Option(help="The directory that `lethe train` or `lethe unlearn` wrote.")],
    data: Annotated[Path, typer.Option(help="The whole file trained on, the rows to forget included.")],
    forget: Annotated[
        Path, typer.Option(help="Ids to forget (of a chat model: units), one a line; or .jsonl with the field id.")
    ],
    out: Out,
    one_by_one: Annotated[
        bool, typer.Option("--one-by-one", help="A request for each row, in order, instead of one for all.")
    ] = False,
    backbone: Annotated[
        Path | None, typer.Option(help="Where the public model lies now, if it was moved.")
    ] = None,
    device: DeviceOption = "auto",
) -> None:
    """Forget rows under the certificate of their training. The model given stays as it is."""
    with working(INTERRUPTED) as progress:
        ids, recipe = read_ids(forget), read_recipe(model)
        if recipe.method != context.info_name:
            raise InvalidInput(f"{model} was trained by {recipe.method}: use lethe unlearn {recipe.method}")
        with needing_extra("unlearn", "lethe unlearn"):
            # torch: the other commands must start without it
            from unlearners.language.head_run import forget_units
            from unlearners.language.lora_run import forget_units_of_lora
            from unlearners.tabular import forget_rows
        together = not one_by_one
        if recipe.method == "pcmu-lora":
            if one_by_one:
                raise InvalidInput("--one-by-one does not apply to pcmu-lora: its budget counts units")
            certificate = forget_units_of_lora(
                model, data, ids, out, backbone=backbone, progress=progress, device=device
            )
        elif is_chat_model(recipe):
            certificate = forget_units(
                model, data, ids, out, backbone=backbone, together=together, progress=progress, device=device
            )
        else:
            certificate = forget_rows(
                model, data, ids, out, backbone=backbone, together=together, progress=progress, device=device
            )
    tell_result(
        certificate,
        out,
        *secrecy(out, is_chat_model(recipe)),
        f"Delete {model} once this one is in its place: the request changed nothing in it.",
    )


def forget_dialogues_command(
    context: typer.Context,
    model: Annotated[Path, typer.Option(help="A Hugging Face checkpoint on disk, with a chat template.")],
    forget: Annotated[Path, typer.Option(help="Dialogues to forget: .jsonl with prompt and answer, or messages.")],
    retain: Annotated[Path, typer.Option(help="Dialogues to keep, in the same form.")],
    out: Out,
    heldout: Annotated[
        Path | None, typer.Option(help="Other dialogues to keep, not trained on: their loss is told too.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same weights.")] = 0,
    settings: SetOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Forget dialogues by a heuristic: nothing is promised. The model given stays as it is.

    Left out of --set, the rate is 1 divided by the square root of the number of weights (1e-3 for a million, 1e-5
    for ten billion; ten times that with adapter_rank), and epochs are at least 5 and as many as make 60 steps.
    Look at the losses that are printed, and try a third or three times the rate.
    """
    with working(INTERRUPTED) as progress:
        given = settings_given(settings)
        with needing_extra("unlearn", "lethe unlearn"):
            from unlearners.language.run import forget_dialogues  # torch: the other commands start without it
        certificate = forget_dialogues(
            str(context.info_name),
            model,
            forget,
            retain,
            out,
            settings=given,
            heldout=heldout,
            seed=seed,
            progress=progress,
            device=device,
        )
    tell_result(
        certificate,
        out,
        f"To serve it, still verified by the loop: lethe backends add NAME --model {out} --replace",
        f"Delete {model} once this one is in its place: the request changed nothing in it.",
    )


_CERTIFIED = {
    "langevin": "Promises (epsilon, delta)-indistinguishability from retraining, for any number of requests.",
    "pcmu": "Promises the weights of retraining, or (epsilon, delta), within a budget; refused beyond it.",
    "pcmu-lora": "The same for low-rank updates of a chat model.",
}
_HEURISTIC = {
    "graddiff": "Ascent on the answers to forget, descent on those to keep.",
    "npo": "Prefers not to give the answers, held near the model as it was.",
    "simnpo": "The same without the reference model, per token.",
    "rmu": "Steers the hidden states of what is to be forgotten towards a random direction.",
    "impair-repair": "Learns noise that stands for the answers, teaches refusals, then repairs.",
}

for _method, _help in _CERTIFIED.items():
    app.command(_method, short_help=_help, rich_help_panel=CERTIFIED)(forget_rows_command)
for _method, _help in _HEURISTIC.items():
    app.command(_method, short_help=_help, rich_help_panel=HEURISTIC)(forget_dialogues_command)
