"""A progress bar on standard error, for commands that take a while."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

__all__ = ["progress_bar"]


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[float, str], None]]:
    """Draw a bar inside the block, which gets a function of (share done in [0, 1], a few words)."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as drawn:
        task = drawn.add_task(title, total=1.0)

        def tell(share: float, words: str) -> None:
            drawn.update(task, completed=share, description=f"{title}  {words}".rstrip())

        yield tell
