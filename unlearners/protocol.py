"""What an unlearner is: train, unlearn on request, certify. Knows no method and no file format."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeAlias, TypeVar

from unlearners.certificate import UnlearningCertificate

__all__ = ["ForgetRequest", "Progress", "Refused", "Unlearned", "Unlearner", "silent"]

ModelT = TypeVar("ModelT")

Progress: TypeAlias = Callable[[str, int, int], None]
"""Told ``(phase, done, total)`` after each epoch or step of a phase, so that a bar can be drawn."""


def silent(phase: str, done: int, total: int) -> None:
    """Draw nothing."""


class Refused(ValueError):
    """A request or data that violates an assumption of the promise; nothing was changed.

    ``assumption`` is the violated assumption as a sentence; the message also says what was found and what
    to do.
    """

    def __init__(self, assumption: str, found: str) -> None:
        super().__init__(f"{found} (violated assumption: {assumption})")
        self.assumption = assumption


@dataclass(frozen=True, slots=True)
class ForgetRequest:
    """Rows to forget together, by their position in the data that was trained on (0 is the first).

    Raises ``ValueError`` for no row, a negative one, or one named twice.
    """

    rows: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.rows:
            raise ValueError("a forget request names at least one row")
        if min(self.rows) < 0:
            raise ValueError(f"row {min(self.rows)} is negative; the first row is 0")
        if len(set(self.rows)) != len(self.rows):
            raise ValueError("a forget request names a row twice")


@dataclass(frozen=True, slots=True)
class Unlearned(Generic[ModelT]):
    """The model to serve from now on, and what is promised about it."""

    model: ModelT
    certificate: UnlearningCertificate


class Unlearner(Protocol[ModelT]):
    """A way to forget, bound to its data and settings at construction.

    Deterministic: the same data, settings, seed and requests give the same weights. ``unlearn`` raises
    ``Refused`` before any work when a request cannot be honoured, and never alters the model it is given, so
    that a crash leaves the old one servable. Long-running implementations take a directory at construction
    and go on from it when called again with the same arguments (see ``unlearners.checkpoint``).
    """

    @property
    def name(self) -> str:
        """The method's name, as the certificate records it."""
        ...

    def train(self, *, seed: int, progress: Progress = silent) -> ModelT:
        """Learn all the data, in the way that ``unlearn`` assumes."""
        ...

    def unlearn(
        self, model: ModelT, requests: Sequence[ForgetRequest], *, progress: Progress = silent
    ) -> Unlearned[ModelT]:
        """Serve the requests in order, and certify the result against the data without their rows."""
        ...
