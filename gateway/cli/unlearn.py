"""`lethe unlearn METHOD`: a model and what it must forget in, a new directory with a certificate out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.failures import needing_extra
from gateway.cli.unlearning import Out, read_ids, tell_result, working
from gateway.errors import InvalidInput

__all__ = ["app"]

CERTIFIED = "Certified: for models made by `lethe train`"
HEURISTIC = "Nothing is promised: for any language model"

app = typer.Typer(
    help="Forget in the weights. Only langevin and pcmu promise something; the others come with a certificate "
    "that says that nothing is promised. Whichever it is, serve the result behind the gateway's own loop.",
    no_args_is_help=True,
)

INTERRUPTED = "interrupted; the request is pending, the old model is as it was, and the same command continues"


def forget_rows_command(
    context: typer.Context,
    model: Annotated[Path, typer.Option(help="The directory that `lethe train` or `lethe unlearn` wrote.")],
    data: Annotated[Path, typer.Option(help="The whole file trained on, the rows to forget included.")],
    forget: Annotated[Path, typer.Option(help="Ids to forget, one a line; or .jsonl with the field id.")],
    out: Out,
    one_by_one: Annotated[
        bool, typer.Option("--one-by-one", help="A request for each row, in order, instead of one for all.")
    ] = False,
) -> None:
    """Forget rows under the certificate of their training. The model given stays as it is."""
    with working(INTERRUPTED) as progress:
        ids = read_ids(forget)
        with needing_extra("unlearn", "lethe unlearn"):
            # torch: the other commands must start without it
            from unlearners.runs import read_recipe
            from unlearners.tabular import forget_rows
        if (method := read_recipe(model).method) != context.info_name:
            raise InvalidInput(
                f"{model} was trained by {method}, which alone can forget its rows: lethe unlearn {method}"
            )
        certificate = forget_rows(model, data, ids, out, together=not one_by_one, progress=progress)
    tell_result(
        certificate,
        out,
        f"Publish {out / 'weights.npz'} with the certificate; keep {out / 'state.npz'} secret.",
        f"Delete {model}, which still holds what was forgotten.",
    )


_SHORT = {
    "langevin": "Promises (epsilon, delta)-indistinguishability from retraining, for any number of requests.",
    "pcmu": "Promises the weights of retraining, or (epsilon, delta), within a budget; refused beyond it.",
}

for _method, _help in _SHORT.items():
    app.command(_method, short_help=_help, rich_help_panel=CERTIFIED)(forget_rows_command)
