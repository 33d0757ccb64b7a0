"""Calibration jobs in the database: asked for, taken up by one process at a time, done. Knows no calibration.

A process holds the job that it works at for some seconds and renews that; after a crash the hold runs out, and the
next process that looks takes the job up with all that was recorded. Holds are counted by the clock of the
database's server, of a file by the machine's, so that the clocks of replicas may differ.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.store import audit_rows, calibration_rows, rows
from gateway.store.calibration_records import CalibrationJob, Claimed, Ended, NewJob, Standing
from gateway.store.database import Database, transaction

__all__ = ["CalibrationJobs"]


class CalibrationJobs:
    """The jobs of one database, which processes and replicas share.

    Asking for a job and cancelling one are logged, each as a revision like every write of an operator's; what a
    process does at a job is neither. Guarantee: at any time at most one owner's writes to a job count, whatever
    was cut off or stalled. Every method may raise ``StoreError``.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, new: NewJob) -> CalibrationJob:
        """Ask for a job. Raises ``Conflict`` where many wait already."""
        async with self._logged("calibrations.start", new.asked_by, new.id) as (connection, now):
            await calibration_rows.insert_job(connection, new, now)
            return await calibration_rows.read_job(connection, new.id)

    async def jobs(self) -> tuple[CalibrationJob, ...]:
        """Return the latest jobs, the newest first."""
        async with self._reading() as connection:
            return await calibration_rows.read_jobs(connection)

    async def job(self, job_id: str) -> CalibrationJob:
        """Return one job. Raises ``NotFound``."""
        async with self._reading() as connection:
            return await calibration_rows.read_job(connection, job_id)

    async def cancel(self, job_id: str, *, who: str) -> CalibrationJob:
        """End a job, or have its worker end it. Raises ``NotFound``, and ``Conflict`` where it has ended.

        ``who`` is how the audit log calls whoever wants it.
        """
        async with self._logged("calibrations.cancel", who, job_id) as (connection, now):
            return await calibration_rows.cancel_job(connection, job_id, now)

    async def claim(self, owner: str, *, hold_s: float) -> Claimed | None:
        """Take up the oldest job that nobody works at, for so long; None where there is none.

        ``owner`` is a name that nobody else has, and that was never used before. A job that was taken up many
        times without anything new being recorded fails: it may be what ends its processes.
        """
        async with self._reading() as connection:  # most looks find nothing, and take no lock for it
            found = await calibration_rows.free_job(connection, await self._now(connection))
        if found is None:
            return None
        async with self._writing() as (connection, now):
            return await calibration_rows.claim_job(connection, found, owner, hold_s, now)

    async def save(self, job_id: str, owner: str, lines: Sequence[str], *, first: int, hold_s: float) -> Standing:
        """Keep new lines, the number of whose first is given, and hold the job for longer.

        Nothing is kept where the job is not the owner's any more.
        """
        async with self._writing() as (connection, now):
            standing = await calibration_rows.renew(connection, job_id, owner, hold_s, now)
            if lines and standing != "lost":
                await calibration_rows.append_lines(connection, job_id, first, lines)
            return standing

    async def let_go(self, job_id: str, owner: str, *, note: str = "", pause_s: float = 0.0) -> None:
        """Leave a job to whoever takes it up next, after a pause; ``note`` says why, and quotes nothing."""
        async with self._writing() as (connection, now):
            await calibration_rows.let_go(connection, job_id, owner, note, pause_s, now)

    async def end(
        self, job_id: str, owner: str, state: Ended, *, note: str = "", certificate_id: str | None = None
    ) -> bool:
        """End a job, and delete its prompts and what was recorded; False where it is not the owner's any more."""
        async with self._writing() as (connection, now):
            return await calibration_rows.end_job(connection, job_id, owner, state, note, certificate_id, now)

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[AsyncConnection]:
        async with transaction(self._database, self._database.transactions.reading) as connection:
            yield connection

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[tuple[AsyncConnection, datetime]]:
        async with transaction(self._database, self._database.transactions.writing) as connection:
            yield connection, await self._now(connection)

    @asynccontextmanager
    async def _logged(self, what: str, who: str, job_id: str) -> AsyncIterator[tuple[AsyncConnection, datetime]]:
        async with self._writing() as (connection, now):
            revision = await rows.bump_revision(connection)
            before = await audit_rows.state_of(connection, "calibration", job_id)
            yield connection, now
            after = await audit_rows.state_of(connection, "calibration", job_id)
            await audit_rows.append(connection, audit_rows.Write(who, what, now, revision), before, after)

    async def _now(self, connection: AsyncConnection) -> datetime:
        if not self._database.shared:
            return datetime.now(UTC)
        found: datetime = (await connection.execute(select(func.clock_timestamp()))).scalar_one()
        return found
