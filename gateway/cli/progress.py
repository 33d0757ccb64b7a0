"""Progress bars on standard error, for commands that take a while."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

__all__ = ["phase_bars", "progress_bar"]


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[float, str], None]]:
    """Draw a bar inside the block, which gets a function of (share done in [0, 1], a few words)."""
    with _bars() as drawn:
        task = drawn.add_task(title, total=1.0)

        def tell(share: float, words: str) -> None:
            drawn.update(task, completed=share, description=f"{title}  {words}".rstrip())

        yield tell


@contextmanager
def phase_bars() -> Iterator[Callable[[str, int, int], None]]:
    """Draw one bar a phase inside the block, which gets a function of (phase, steps done, steps in all).

    Nothing is drawn before the first step, so that an error before it is all that is printed.
    """
    drawn, tasks = _bars(), dict[str, TaskID]()

    def tell(phase: str, done: int, total: int) -> None:
        if not tasks:
            drawn.start()
        if phase not in tasks:
            tasks[phase] = drawn.add_task(phase, total=total)
        drawn.update(tasks[phase], completed=done, description=f"{phase}  {done} of {total}")

    try:
        yield tell
    finally:
        if tasks:
            drawn.stop()


def _bars() -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=Console(stderr=True))
