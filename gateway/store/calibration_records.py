"""What the store gives of calibration jobs, and takes. Holds no logic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

__all__ = ["CalibrationJob", "Claimed", "Ended", "JobState", "NewJob", "Standing"]

Ended: TypeAlias = Literal["done", "failed", "cancelled"]
JobState: TypeAlias = Literal["waiting", "running"] | Ended
"""``waiting``: for a process to take it up, for the first time or again."""

Standing: TypeAlias = Literal["held", "cancelled", "lost"]
"""How a worker stands to its job: go on; stop, somebody cancelled it; stop, it is another's or has ended."""


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job as it is asked for. ``prompts`` are JSON Lines, ``wish`` what the certificate should promise."""

    id: str
    model: str
    wish: Mapping[str, Any]
    prompts: str
    total: int
    asked_by: str


@dataclass(frozen=True, slots=True)
class CalibrationJob:
    """A job as it stands, without its prompts, which are sensitive and go with its end.

    ``done`` prompts of ``total`` are recorded and safe. ``note`` says why it failed, or waits again.
    """

    id: str
    state: JobState
    model: str
    wish: Mapping[str, Any]
    total: int
    done: int
    cancelling: bool
    note: str
    certificate_id: str | None
    asked_by: str
    created_at: datetime
    updated_at: datetime

    @property
    def ended(self) -> bool:
        """Whether nothing will happen to it any more."""
        return self.state not in ("waiting", "running")


@dataclass(frozen=True, slots=True)
class Claimed:
    """A job that ``owner`` alone may work at now, with the lines that were recorded before. Sensitive."""

    job: CalibrationJob
    owner: str
    prompts: str
    lines: tuple[str, ...]
