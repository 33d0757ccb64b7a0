"""Where a command's work on many prompts is done: the options of several commands. Knows no command."""

from __future__ import annotations

from collections.abc import Iterator, Set
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated

import typer

from gateway.engines.on_ray import on_ray
from gateway.engines.protocol import HERE, Engine
from gateway.errors import InvalidInput

__all__ = [
    "EngineName",
    "EngineOption",
    "RayAddress",
    "RayWorkers",
    "given_options",
    "open_engine",
    "refuse_stray_engine",
]


class EngineName(StrEnum):
    """Where it is done."""

    LOCAL = "local"
    RAY = "ray"


_WHERE = "Where it is done"
EngineOption = Annotated[
    EngineName,
    typer.Option(help="In this process, or on a Ray cluster (extra `ray`).", rich_help_panel=_WHERE),
]
RayAddress = Annotated[
    str,
    typer.Option(
        help="A Ray of its own (local), this machine's cluster or RAY_ADDRESS (auto), HOST:PORT, ray://HOST:PORT.",
        rich_help_panel=_WHERE,
    ),
]
RayWorkers = Annotated[
    int, typer.Option(min=1, help="Processes of the cluster, with a CPU each.", rich_help_panel=_WHERE)
]


def given_options(context: typer.Context) -> frozenset[str]:
    """Name the options that were written, defaults aside."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    return frozenset(
        name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"
    )


def refuse_stray_engine(given: Set[str], engine: EngineName) -> None:
    """Refuse options of Ray where it is not asked for. Raises ``InvalidInput``."""
    if engine is not EngineName.RAY and (stray := sorted(given & {"ray_address", "ray_workers"})):
        raise InvalidInput(f"--{stray[0].replace('_', '-')} counts only with --engine ray")


@contextmanager
def open_engine(name: EngineName, address: str, workers: int, concurrency: int) -> Iterator[Engine]:
    """Have the engine inside the block. Raises ``InvalidInput`` without Ray, ``UpstreamError`` without cluster."""
    if name is EngineName.LOCAL:
        yield HERE
        return
    with on_ray(address, workers=workers, concurrency=concurrency) as engine:
        yield engine
