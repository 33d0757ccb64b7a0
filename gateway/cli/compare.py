"""`lethe backends compare`: the same held-out prompts to every model, one table out."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE
from rich.table import Column, Table

from evaluation.rates import Rate
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
from gateway.cli.progress import progress_bar
from gateway.cli.tables import print_table
from gateway.comparing import Compared, compare
from gateway.engines.protocol import Engine
from gateway.errors import InvalidInput, NotFound
from gateway.guard.prompts import PromptSet, read_prompts
from gateway.parts import open_gateway
from gateway.running import Gateway
from gateway.settings_reading import read_settings

__all__ = ["compare_command"]


@reporting_failures()
def compare_command(
    context: typer.Context,
    prompts: Annotated[Path, typer.Option(help="Held-out prompts, as for `lethe calibrate`.")],
    backend: Annotated[
        list[str] | None, typer.Option(help="A backend to compare; may be repeated. Default: all.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="The default model's name. Default: the only one.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here.")] = None,
    database: Annotated[str | None, typer.Option(help="Where topics and certificates are kept.")] = None,
    concurrency: Annotated[
        int, typer.Option(min=1, help="Prompts asked at once, with --engine ray at each worker.")
    ] = 8,
    engine: EngineOption = EngineName.LOCAL,
    ray_address: RayAddress = "local",
    ray_workers: RayWorkers = 2,
) -> None:
    """Ask the default model and the backends the same prompts, bare and through the loop."""
    if json_file is not None and (json_file.is_dir() or not json_file.parent.is_dir()):
        raise InvalidInput(f"cannot write {json_file}: --json names a file in a directory that exists")
    asked = read_prompts(prompts)
    refuse_stray_engine(given_options(context), engine)
    with open_engine(engine, ray_address, ray_workers, concurrency) as opened:
        found = asyncio.run(_compared(database, asked, model, backend, concurrency, opened))
    if json_file is not None:
        json_file.write_text(json.dumps([figures(one) for one in found], indent=1) + "\n", encoding="utf-8")
    print_table(_table(found))
    for one in found:
        if one.because:
            typer.echo(f"{one.model}: {one.because}")
    typer.echo(
        "Rates with their 95 % Clopper-Pearson intervals; released: the certificate under which, or the rule."
    )


async def _compared(
    database: str | None,
    prompts: PromptSet,
    model: str | None,
    wanted: list[str] | None,
    concurrency: int,
    engine: Engine,
) -> list[Compared]:
    async with open_gateway(read_settings(database=database), create=False) as gateway:
        models = await _models(gateway, model, wanted)
        with progress_bar("comparing") as tell:
            return await compare(
                gateway,
                prompts,
                models,
                progress=lambda done, total: tell(done / total, f"{done} of {total} prompts"),
                concurrency=concurrency,
                engine=engine,
            )


async def _models(gateway: Gateway, model: str | None, wanted: list[str] | None) -> list[str]:
    known = [backend.name for backend in (await gateway.store.policy()).backends]
    for name in wanted or []:
        if name not in known:
            raise NotFound(f"there is no backend {name!r}; `lethe backends list` shows them all")
    if model is None:
        served = await gateway.upstream.fleet.default.models()
        if len(served) != 1:
            raise InvalidInput(f"name the default model with --model: {', '.join(served) or 'none is served'}")
        model = served[0]
    return list(dict.fromkeys([model, *(wanted or known)]))


def figures(one: Compared) -> dict[str, object]:
    """Name the figures as they are written to JSON; a rate is its value, its counts and its interval."""
    rates = {"leaks_bare": one.leaks_bare, "leaks": one.leaks, "answered": one.answered, "benign_kept": one.kept}
    return {
        "model": one.model,
        "released_under": one.rule,
        **{
            name: {"value": r.value, "hits": r.hits, "total": r.total, "interval": list(r.interval())}
            for name, r in rates.items()
        },
        "generations_per_request": one.generations,
        "seconds_per_request": one.seconds,
        "seconds_per_request_bare": one.seconds_bare,
    }


def _table(found: list[Compared]) -> Table:
    table = Table(
        Column("model", no_wrap=True),
        "released",
        "leaks bare",
        "leaks through the loop",
        "answered",
        "benign kept",
        "generations",
        "s bare",
        "s",
        box=SIMPLE,
    )
    for one in found:
        table.add_row(
            one.model,
            one.rule,
            _rate(one.leaks_bare),
            _rate(one.leaks),
            _rate(one.answered),
            _rate(one.kept),
            f"{one.generations:.2f}",
            f"{one.seconds_bare:.3f}",
            f"{one.seconds:.3f}",
        )
    return table


def _rate(rate: Rate) -> str:
    if rate.value is None:
        return "none asked"
    low, high = rate.interval()
    return f"{rate.value:.1%} [{low:.1%}, {high:.1%}]"
