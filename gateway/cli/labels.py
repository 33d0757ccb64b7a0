"""`lethe labels …`: which answers people should label, and what a judge says of all. Knows no certificates."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import typer

from calibration.trajectories import Recording, Trajectory
from calibration.trajectory_file import labels_line, read_trajectories
from gateway.cli.engines import (
    EngineName,
    EngineOption,
    RayAddress,
    RayWorkers,
    given_options,
    open_engine,
    refuse_stray_engine,
)
from gateway.cli.failures import needing_extra, refusing_bad_input, reporting_failures
from gateway.cli.owned import write_owned
from gateway.cli.progress import progress_bar
from gateway.cli.stores import Database, with_store
from gateway.elsewhere import JudgingElsewhere
from gateway.engines.protocol import Engine
from gateway.errors import InvalidInput
from gateway.guard.prompts import PromptSet, read_prompts
from gateway.judging import Judging, judge_recording
from gateway.labelling import releasable, sheet_line, to_label
from gateway.settings import Settings
from gateway.settings_reading import read_settings
from gateway.store.records import ForgetTopic
from gateway.store.store import Store
from gateway.topics_file import load_topics
from verifiers.protocol import Topic, Verifier

__all__ = ["app"]

app = typer.Typer(
    name="labels", help="Labels of recorded answers: of people, and of a judge.", no_args_is_help=True
)

_Prompts = Annotated[Path, typer.Option(help="The prompts that were recorded.")]
_Trajectories = Annotated[Path, typer.Option(help="What `lethe calibrate` recorded of them.")]


@app.command()
@reporting_failures()
def sample(
    prompts: _Prompts,
    trajectories: _Trajectories,
    units: Annotated[int, typer.Option(min=1, help="How many units people will label.")],
    out: Annotated[Path, typer.Option(help="Where the lines to fill in go.")] = Path("to-label.jsonl"),
    seed: Annotated[int, typer.Option(help="Draws the units; `lethe calibrate --few` asks for it again.")] = 0,
) -> None:
    """Draw units at random, and write their questions and answers for people to label.

    In every line, `labels` gets true (leaks) or false for each of the `answers` that is not null. The file then is
    a labels file for `lethe calibrate --few`, `--audit` or `--labels`. It holds what is to be forgotten: only its
    owner may read it.
    """
    with refusing_bad_input():
        prompt_set, recording = read_prompts(prompts), read_trajectories(trajectories)
    pairs = to_label(prompt_set, recording, units, seed)
    write_owned(out, "".join(sheet_line(prompt, trajectory) for prompt, trajectory in pairs))
    answers = sum(len(releasable(trajectory)) for _, trajectory in pairs)
    typer.echo(f"Written to {out}: {answers} answers to {len(pairs)} prompts of {units} units, drawn with {seed}.")
    typer.echo("Fill in `labels`, leave none of these out, then: lethe calibrate … --few " + str(out))


@app.command()
@reporting_failures()
def judge(
    context: typer.Context,
    prompts: _Prompts,
    trajectories: _Trajectories,
    out: Annotated[Path, typer.Option(help="Where the labels go.")] = Path("judged.jsonl"),
    topics: Annotated[
        Path | None, typer.Option(help="A topics file that says more than the database, such as facts.")
    ] = None,
    called_leak_from: Annotated[
        float, typer.Option(min=0, max=1, help="Probability from which on an answer is called a leak.")
    ] = 0.5,
    database: Database = None,
    engine: EngineOption = EngineName.LOCAL,
    ray_address: RayAddress = "local",
    ray_workers: RayWorkers = 2,
) -> None:
    """Let the chat model of LETHE_JUDGE_URL label the recorded answers, for `lethe calibrate --labels`.

    It reads every answer and what the topics say. What it errs by must be measured: see `--few` and `--audit`.
    """
    refuse_stray_engine(given_options(context), engine)
    settings = read_settings(database=database)
    with refusing_bad_input():
        prompt_set, recording = read_prompts(prompts), read_trajectories(trajectories)
    records = with_store(database, Store.topics) if topics is None else load_topics(topics)
    topics_told = _active(records)
    with (
        _judge(settings) as verifier,
        open_engine(engine, ray_address, ray_workers, settings.judge_concurrency) as opened,
    ):
        here = Judging.by(verifier, topics_told, called_leak_from, settings.max_prompt_chars)
        there = JudgingElsewhere.of(settings, topics_told, called_leak_from, verifier.fingerprint)
        judged = asyncio.run(_judged(opened, here, there, prompt_set, recording, settings.judge_concurrency))
    write_owned(out, "".join(map(labels_line, judged)))
    _tell(judged, out)


def _active(records: tuple[ForgetTopic, ...] | list[ForgetTopic]) -> tuple[Topic, ...]:
    found = tuple(each.topic for each in records if each.active and isinstance(each.topic, Topic))
    if not found:
        raise InvalidInput("no topic is active that a judge could be told of; see `lethe topics on`, or --topics")
    return found


@contextmanager
def _judge(settings: Settings) -> Iterator[Verifier]:
    with ExitStack() as stack:
        with needing_extra("semantic", "a judge"):
            # the verifiers beside it run models of their own
            from gateway.model_verifiers import ModelVerifiers
        yield ModelVerifiers(settings, stack).judge()


async def _judged(
    engine: Engine,
    here: Judging,
    there: JudgingElsewhere,
    prompts: PromptSet,
    recording: Recording,
    concurrency: int,
) -> tuple[Trajectory, ...]:
    with progress_bar("judging") as tell:

        def progress(done: int, total: int) -> None:
            tell(done / total, f"{done} of {total} prompts")

        async with engine.doing(here, there) as label:
            return await judge_recording(
                label, prompts, recording, progress, concurrency=concurrency * engine.places
            )


def _tell(judged: tuple[Trajectory, ...], out: Path) -> None:
    said = [one.candidates[position].leak for one in judged for position in releasable(one)]
    typer.echo(f"Written to {out}: {said.count(True)} of {len(said)} answers are called leaks.")
    if silent := said.count(None):
        typer.echo(f"Note: the judge said nothing of {silent} answers; label those by hand, or ask again.")
