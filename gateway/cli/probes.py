"""`lethe probes`: topics in, prompts that try to get them out of a model, for `lethe calibrate` to read."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final, cast

import typer

from evaluation.probing.probe import FAMILIES, Family, Probe, prompt_line
from evaluation.probing.writing import Written, write_probes
from gateway.cli.benign import benign_lines
from gateway.cli.engines import (
    EngineName,
    EngineOption,
    RayAddress,
    RayWorkers,
    given_options,
    open_engine,
    refuse_stray_engine,
)
from gateway.cli.failures import reporting_failures
from gateway.cli.owned import write_owned
from gateway.cli.stores import Database, with_store
from gateway.elsewhere import sendable
from gateway.engines.protocol import Engine
from gateway.errors import InvalidInput
from gateway.guard.prompts import read_prompts
from gateway.opening import open_upstream
from gateway.rewording import Rewording, RewordingElsewhere, reword
from gateway.settings_reading import read_settings
from gateway.store.records import ForgetTopic
from gateway.store.store import Store
from gateway.topics_file import load_topics
from verifiers.private.topic import PrivateTopic
from verifiers.protocol import Topic

__all__ = ["probes_command"]

_AT_ONCE: Final = 8


def probes_command(
    context: typer.Context,
    topics: Annotated[
        Path | None, typer.Argument(metavar="[TOPICS.yaml]", help="A topics file. Default: the database's topics.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Where the probes go.")] = Path("probes.jsonl"),
    topic: Annotated[
        list[str] | None,
        typer.Option(help="Only the topic of this id; may be repeated. Default: the active ones."),
    ] = None,
    families: Annotated[
        str, typer.Option(help="Ways of asking, with commas between.", show_default="all")
    ] = ",".join(FAMILIES),
    per_family: Annotated[int, typer.Option(min=1, help="Most probes of each topic in each family.")] = 20,
    seed: Annotated[int, typer.Option(help="The same seed draws the same probes.")] = 0,
    benign: Annotated[
        Path | None, typer.Option(help="Prompts that should pass unchanged: one a line, or JSON Lines.")
    ] = None,
    upstream: Annotated[
        str | None, typer.Option(help="OpenAI-compatible server whose model puts the paraphrases otherwise too.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Name of that model. Default: the only one.")] = None,
    database: Database = None,
    engine: EngineOption = EngineName.LOCAL,
    ray_address: RayAddress = "local",
    ray_workers: RayWorkers = 2,
) -> None:
    """Write probes of ten families from topics, with units, groups and, where facts allow it, labels.

    The file holds what is to be forgotten: only its owner may read it.
    """
    with reporting_failures():
        if model is not None and upstream is None:
            raise InvalidInput("--model names the model of --upstream; give both")
        if engine is EngineName.RAY and upstream is None:
            raise InvalidInput("--engine ray spreads what the model of --upstream is asked; give both")
        refuse_stray_engine(given_options(context), engine)
        chosen = _chosen(_topics(topics, database), topic or [])
        written = write_probes(chosen, families=_families(families), per_family=per_family, seed=seed)
        more: list[Probe] = []
        if upstream is not None:
            with open_engine(engine, ray_address, ray_workers, _AT_ONCE) as opened:
                more = asyncio.run(_reworded(written, chosen, upstream, model, seed, opened))
        lines = [prompt_line(probe) for probe in (*written.probes, *more)]
        if not lines:
            raise InvalidInput("no probe could be written: " + "; ".join(written.notes))
        others = [] if benign is None else benign_lines(benign)
        _write(out, "".join([*lines, *others]))
    _tell(written, len(more), upstream is not None, len(others), out)


def _topics(file: Path | None, database: str | None) -> Sequence[ForgetTopic]:
    if file is None:
        return with_store(database, Store.topics)
    if database is not None:
        raise InvalidInput("give a topics file or --database, not both")
    return load_topics(file)


def _chosen(records: Sequence[ForgetTopic], wanted: Sequence[str]) -> tuple[Topic, ...]:
    known = {record.topic.id: record for record in records}
    if unknown := [topic_id for topic_id in wanted if topic_id not in known]:
        raise InvalidInput(f"there is no topic {', '.join(unknown)}; there are: {', '.join(known) or 'none'}")
    chosen = [known[topic_id] for topic_id in dict.fromkeys(wanted)] or [each for each in records if each.active]
    if not chosen:
        raise InvalidInput("no topic is active; name one with --topic, or see `lethe topics`")
    private = [record.topic.id for record in chosen if isinstance(record.topic, PrivateTopic)]
    if private:
        raise InvalidInput(
            f"{', '.join(private)}: of a private topic no probes can be written here; write them where the plain "
            "topic is, from its file, or choose others with --topic"
        )
    return tuple(record.topic for record in chosen if isinstance(record.topic, Topic))


def _families(names: str) -> tuple[Family, ...]:
    wanted = [name.strip() for name in names.split(",")]
    if unknown := [name for name in wanted if name not in FAMILIES]:
        raise InvalidInput(f"--families: {', '.join(unknown)} is none; there are: {', '.join(FAMILIES)}")
    return tuple(cast(Family, name) for name in dict.fromkeys(wanted))


async def _reworded(
    written: Written, topics: Sequence[Topic], url: str, model: str | None, seed: int, engine: Engine
) -> list[Probe]:
    settings = read_settings(upstream_url=url)
    source = open_upstream(settings)
    try:
        models = (model,) if model is not None else await source.models()
        if len(models) != 1:
            raise InvalidInput(f"name one of the models with --model: {', '.join(models) or 'none is served'}")
        paraphrases = [probe for probe in written.probes if probe.family == "paraphrase"]
        by_id = {topic.id: topic for topic in topics}
        here = Rewording(source, models[0], by_id, seed)
        async with engine.doing(here, RewordingElsewhere(sendable(settings), models[0], by_id, seed)) as rewording:
            return list(await reword(rewording, paraphrases, concurrency=_AT_ONCE * engine.places))
    finally:
        await source.aclose()


def _write(out: Path, text: str) -> None:
    """Write what `lethe calibrate` can read, and nothing else."""
    partial = out.with_name(f".{out.name}.probes")
    try:
        write_owned(partial, text)
        read_prompts(partial)
        partial.replace(out)
    except InvalidInput as error:
        raise InvalidInput(str(error).replace(str(partial), str(out))) from error
    except OSError as error:
        raise InvalidInput(f"cannot write {out}: {error.strerror}") from error
    finally:
        partial.unlink(missing_ok=True)


def _tell(written: Written, reworded: int, asked_model: bool, benign: int, out: Path) -> None:
    for family, (probes, units) in written.units().items():
        typer.echo(f"{family}: {probes} probes of {units} questions (units)")
    if asked_model:
        typer.echo(f"paraphrase, in a model's words: {reworded} more, of the same units")
    for note in written.notes:
        typer.echo(f"Note: {note}.")
    if benign:
        typer.echo(f"benign: {benign} prompts")
    else:
        typer.echo(
            "Note: no benign prompts; give your own with --benign to learn how many answers stay unchanged."
        )
    typer.echo(f"Written to {out}. A unit counts once, however often it is asked.")
