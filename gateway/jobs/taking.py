"""Taking calibration jobs up, one after the other, beside serving. Knows no calibration."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

from gateway.errors import StoreError
from gateway.jobs.working import Pace, work_at
from gateway.running import Gateway
from gateway.store.calibration_jobs import CalibrationJobs

__all__ = ["PACE", "taking_jobs"]

PACE: Final = Pace()


@asynccontextmanager
async def taking_jobs(gateway: Callable[[], Gateway], *, name: str, pace: Pace = PACE) -> AsyncIterator[None]:
    """Work at calibration jobs inside the block, one at a time, whoever asked for them at whichever process.

    ``gateway`` gives the one of the moment, by which a job is done from its taking to its end. ``name`` is that of
    this process among all that share the database.
    """
    working = asyncio.create_task(_take(gateway, name, pace))
    try:
        yield
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


async def _take(gateway: Callable[[], Gateway], name: str, pace: Pace) -> None:
    while True:
        parts = gateway()
        jobs, claimed = CalibrationJobs(parts.store.database), None
        with suppress(StoreError):  # it is reported where somebody asks; the next look may find it back
            claimed = await jobs.claim(f"{name}:{uuid.uuid4().hex}", hold_s=pace.hold_s)
        if claimed is None:
            await asyncio.sleep(pace.look_s)
        else:
            await work_at(parts, jobs, claimed, pace)
