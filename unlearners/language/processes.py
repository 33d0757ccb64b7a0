"""Processes at one request: their device, what the main one does alone, what they share. Knows no method."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Literal, TypeAlias, TypeVar

import torch
from accelerate import Accelerator
from accelerate.utils import InitProcessGroupKwargs, broadcast_object_list, gather_object

from unlearners.protocol import Refused

__all__ = [
    "Device",
    "accelerator_for",
    "accelerator_on",
    "begun_beside",
    "begun_together",
    "by_main",
    "in_turns",
]

Device: TypeAlias = Literal["auto", "cpu"]
"""``auto`` takes the accelerator that there is, else the CPU."""

PATIENCE = timedelta(days=7)
"""How long a process waits for the others: the main one may train a head for longer than the usual minutes."""

T = TypeVar("T")
PartT = TypeVar("PartT")


@dataclass(frozen=True, slots=True)
class _Failed:
    """Why the main process gave up, in its words."""

    reason: str


def accelerator_on(device: Device) -> Accelerator:
    """Join the processes that `accelerate launch` started, or be the only one.

    Without an accelerator here ``auto`` says CPU in so many words, or accelerate would leave each process alone.
    """
    cpu = device == "cpu" or not torch.accelerator.is_available()
    return Accelerator(cpu=cpu, kwargs_handlers=[InitProcessGroupKwargs(timeout=PATIENCE)])


def accelerator_for(recipe: Mapping[str, object], device: Device = "auto") -> Accelerator:
    """Join the processes on the kind of device that a recipe's features were computed on.

    Raises ``Refused`` where there is none here, or ``device`` says otherwise: elsewhere they differ in their bits.
    """
    trained = str(recipe.get("device", "cpu"))
    accelerator = accelerator_on("cpu" if trained == "cpu" else device)
    if accelerator.device.type != trained:
        found = f"the features were computed on {trained}, and this would run on {accelerator.device.type}"
        raise Refused(
            "the features are those of the training, to the bit", f"{found}: run it where it was trained"
        )
    return accelerator


def by_main(accelerator: Accelerator, work: Callable[[], T]) -> T:
    """Return what ``work`` returns in the main process, the only one that does it.

    The others wait; where it raised ``ValueError`` or ``OSError`` there, they raise ``ValueError`` in its words.
    """
    if accelerator.num_processes == 1:
        return work()
    if not accelerator.is_main_process:
        (found,) = broadcast_object_list([None])
        if isinstance(found, _Failed):
            raise ValueError(f"the main process gave up: {found.reason}")
        return found  # type: ignore[no-any-return]  # what the main process's work returned
    try:
        done = work()
    except (ValueError, OSError) as error:
        broadcast_object_list([_Failed(str(error))])
        raise
    broadcast_object_list([done])
    return done


@contextmanager
def begun_together(accelerator: Accelerator, place: AbstractContextManager[object]) -> Iterator[None]:
    """Enter ``place`` in the main process, and let the others (``begun_beside``) go on when it is entered."""
    with ExitStack() as entered:
        by_main(accelerator, partial(entered.enter_context, _nothing_returned(place)))
        yield


def begun_beside(accelerator: Accelerator) -> None:
    """Wait until the main process has begun. Raises ``ValueError`` in its words where it could not."""
    by_main(accelerator, lambda: None)


@contextmanager
def _nothing_returned(place: AbstractContextManager[object]) -> Iterator[None]:
    """Enter without what it returns, which need not be known to the others."""
    with place:
        yield


def in_turns(accelerator: Accelerator | None, parts: Sequence[PartT], work: Callable[[PartT], T]) -> list[T]:
    """Return ``work`` of each part, in order: each process does its share of the parts, and all get all.

    What is done to a part does not depend on how many processes there are.
    """
    if accelerator is None or accelerator.num_processes == 1:
        return [work(part) for part in parts]
    own = range(accelerator.process_index, len(parts), accelerator.num_processes)
    found: list[tuple[int, T]] = gather_object([(place, work(parts[place])) for place in own])
    return [done for _, done in sorted(found, key=lambda numbered: numbered[0])]
