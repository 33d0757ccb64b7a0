"""`lethe verifiers`: their modes; labelled trajectories into a learned one, and the prompts it never saw."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from calibration.trajectories import Recording
from calibration.trajectory_file import apply_labels, read_trajectories
from gateway.cli.failures import needing_extra, refusing_bad_input, reporting_failures
from gateway.cli.modes import list_command, mode_command
from gateway.cli.owned import write_owned
from gateway.cli.stores import Database, with_store
from gateway.errors import InvalidInput
from gateway.guard.prompts import Prompt, prompt_line, read_prompts
from gateway.panel import open_panel
from gateway.settings import Settings
from gateway.settings_reading import read_settings
from gateway.store.store import Store
from verifiers.learned import write_learned

if TYPE_CHECKING:
    from gateway.learning import Learning, Trained

__all__ = ["app"]

app = typer.Typer(name="verifiers", help="Which verifiers decide; train the learned one.", no_args_is_help=True)
app.command("list")(list_command)
app.command("mode")(mode_command)


@app.command("train")
@reporting_failures()
def train_command(
    prompts: Annotated[Path, typer.Option(help="The prompts that were recorded.")],
    trajectories: Annotated[Path, typer.Option(help="What `lethe calibrate` recorded of them.")],
    labels: Annotated[Path | None, typer.Option(help="Labels of people or a judge, JSON Lines.")] = None,
    share: Annotated[float, typer.Option(help="Share of the units to train on, at most 1.")] = 0.5,
    rest: Annotated[
        Path | None, typer.Option(help="Where the prompts of the other units go, to be calibrated on.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Where the model goes.")] = Path("learned.json"),
    seed: Annotated[int, typer.Option(help="Deals the units; the same seed trains the same model.")] = 0,
    database: Database = None,
) -> None:
    """Learn from labelled answers how to make one score of the scores of the configured verifiers.

    The model is served with LETHE_LEARNED_MODEL. It keeps marks of the units that it was trained on, and
    `lethe calibrate` refuses to certify it on any of these.
    """
    if not 0 < share <= 1:
        raise InvalidInput("--share must lie above 0 and be at most 1")
    if rest is not None and share == 1:
        raise InvalidInput("--rest needs a --share below 1, or there is no rest")
    settings = read_settings(database=database).model_copy(update={"learned_model": None})
    with needing_extra("learned", "training a verifier"):
        # scikit-learn: serving and every other command do without it
        from gateway.learning import Learning
    with refusing_bad_input():
        recording = _labelled(trajectories, labels)
        work = Learning(read_prompts(prompts), recording, share, seed, settings.max_prompt_chars)
        trained = _trained(work, settings)
        write_learned(trained.model, out)
    if rest is not None:
        write_owned(rest, "".join(map(prompt_line, trained.rest)))
    _tell(trained, out, rest)


def _labelled(trajectories: Path, labels: Path | None) -> Recording:
    recording = read_trajectories(trajectories)
    return recording if labels is None else apply_labels(recording, labels)


def _trained(work: Learning, settings: Settings) -> Trained:
    from gateway.learning import learn_verifier  # needs scikit-learn, as above

    topics = with_store(settings.database, Store.topics)
    with open_panel(settings) as panel:
        return asyncio.run(learn_verifier(work, topics, panel))


def _tell(trained: Trained, out: Path, rest: Path | None) -> None:
    from evaluation.learned_training import separation  # needs scikit-learn, as above

    model, skipped = trained.model, trained.skipped
    leaks, units = sum(one.leak for one in trained.examples), len({one.unit for one in trained.examples})
    typer.echo(
        f"Trained on {len(trained.examples)} answers of {units} units, {leaks} of them leaks "
        f"(model {model.fingerprint}, over {', '.join(model.names)})."
    )
    for count, why in (
        (skipped.unlabelled, "have no label"),
        (skipped.untouched, "are of conversations that touch no topic, which it will not judge"),
        (skipped.abstained, "made a verifier abstain"),
    ):
        if count:
            typer.echo(f"Note: {count} answers {why}.")
    others = len({example.unit for example in trained.unseen})
    for name, value in separation(model, trained.unseen).items():
        typer.echo(f"  AUC on the {others} units left out, {name}: {value:.3f}")
    typer.echo(f"Written to {out}. To serve and calibrate with it: LETHE_LEARNED_MODEL={out}")
    typer.echo(_next(trained.rest, rest))


def _next(left: tuple[Prompt, ...], rest: Path | None) -> str:
    if rest is not None:
        return f"Then: lethe calibrate --prompts {rest} ({len(left)} prompts that it never saw)"
    return "Then: lethe calibrate, on prompts that it never saw (--rest writes those that were left out)"
