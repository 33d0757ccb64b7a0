"""The seam between work on many items and where it is done. Knows no work and no cluster."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol, TypeAlias, TypeVar

__all__ = ["HERE", "Do", "Engine", "Here", "Portable"]

ItemT = TypeVar("ItemT")
DoneT = TypeVar("DoneT")
DoneT_co = TypeVar("DoneT_co", covariant=True)
ItemT_contra = TypeVar("ItemT_contra", contravariant=True)

Do: TypeAlias = Callable[[ItemT], Awaitable[DoneT]]
"""Does one item by itself: the result depends on nothing else that is done before, after or meanwhile."""


class Portable(Protocol[ItemT_contra, DoneT_co]):
    """What another process needs in order to do the same to the same result; it crosses as a pickle.

    It may hold what is to be forgotten, and keys: it goes to those who do the work, and into no file or log.
    """

    def opened(self) -> AbstractAsyncContextManager[Callable[[ItemT_contra], Awaitable[DoneT_co]]]:
        """Open what it takes, once in a process. Raises ``LetheError`` where that process cannot do the same."""
        ...


class Engine(Protocol):
    """Does work on many items."""

    @property
    def places(self) -> int:
        """In how many processes; each does as many items at once as one process by itself would."""
        ...

    def doing(
        self, here: Do[ItemT, DoneT], elsewhere: Portable[ItemT, DoneT]
    ) -> AbstractAsyncContextManager[Do[ItemT, DoneT]]:
        """Do items inside the block: ``here`` as this process does, or as others do with what ``elsewhere`` holds.

        What an item fails by is raised as a ``LetheError`` for that item; ``UpstreamError`` where nobody is left
        to do it.
        """
        ...


@dataclass(frozen=True, slots=True)
class Here:
    """This process, with the parts that it has open."""

    @property
    def places(self) -> int:
        """One."""
        return 1

    @asynccontextmanager
    async def doing(
        self, here: Do[ItemT, DoneT], elsewhere: Portable[ItemT, DoneT]
    ) -> AsyncIterator[Do[ItemT, DoneT]]:
        """Do as before."""
        yield here


HERE = Here()
