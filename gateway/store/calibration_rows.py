"""Between rows and records: the SQL of calibration jobs and of what they recorded. Opens no transaction.

``now`` is the time by which holds are counted: see ``calibration_jobs``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, and_, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.errors import Conflict, NotFound
from gateway.store.calibration_records import CalibrationJob, Claimed, Ended, NewJob, Standing
from gateway.store.schema import calibration_lines, calibrations
from gateway.store.stamps import in_utc

__all__ = [
    "MOST_ATTEMPTS",
    "MOST_WAITING",
    "append_lines",
    "cancel_job",
    "claim_job",
    "end_job",
    "free_job",
    "insert_job",
    "let_go",
    "read_job",
    "read_jobs",
    "renew",
]

MOST_WAITING: Final = 16
MOST_ATTEMPTS: Final = 5
MOST_SHOWN: Final = 200


async def insert_job(connection: AsyncConnection, new: NewJob, now: datetime) -> None:
    """Add a job. Raises ``Conflict`` where many wait already."""
    going = select(func.count()).select_from(calibrations).where(calibrations.c.state.in_(("waiting", "running")))
    if (await connection.execute(going)).scalar_one() >= MOST_WAITING:
        raise Conflict(f"{MOST_WAITING} calibrations wait or run already; cancel one, or wait for their end")
    values = {
        "id": new.id,
        "state": "waiting",
        "model": new.model,
        "wish": dict(new.wish),
        "prompts": new.prompts,
        "total": new.total,
        "done": 0,
        "attempts": 0,
        "cancelling": False,
        "note": "",
        "asked_by": new.asked_by,
        "created_at": now,
        "updated_at": now,
    }
    await connection.execute(insert(calibrations), values)


async def read_jobs(connection: AsyncConnection) -> tuple[CalibrationJob, ...]:
    """Return the latest jobs, the newest first."""
    newest = (calibrations.c.created_at.desc(), calibrations.c.id)
    rows = (await connection.execute(select(*_SHOWN).order_by(*newest).limit(MOST_SHOWN))).all()
    return tuple(map(_job, rows))


async def read_job(connection: AsyncConnection, job_id: str) -> CalibrationJob:
    """Return one job. Raises ``NotFound``."""
    row = (await connection.execute(select(*_SHOWN).where(calibrations.c.id == job_id))).one_or_none()
    if row is None:
        raise NotFound("there is no calibration with this id")
    return _job(row)


async def free_job(connection: AsyncConnection, now: datetime) -> str | None:
    """Name the oldest job that nobody works at."""
    first = select(calibrations.c.id).where(_free(now)).order_by(calibrations.c.created_at, calibrations.c.id)
    return (await connection.execute(first.limit(1))).scalar_one_or_none()


async def claim_job(
    connection: AsyncConnection, job_id: str, owner: str, hold_s: float, now: datetime
) -> Claimed | None:
    """Take up a job; None where another was quicker, or it has just ended because nobody can finish it."""
    values = {"state": "running", "owner": owner, "held_until": now + timedelta(seconds=hold_s)}
    values |= {"attempts": calibrations.c.attempts + 1, "updated_at": now}
    taken: Any = await connection.execute(
        update(calibrations).where(calibrations.c.id == job_id, _free(now)).values(**values)
    )
    if taken.rowcount != 1:
        return None
    row = (await connection.execute(select(calibrations).where(calibrations.c.id == job_id))).one()
    if row.cancelling:
        await end_job(connection, job_id, owner, "cancelled", "", None, now)
        return None
    if row.attempts > MOST_ATTEMPTS:
        why = f"given up: {MOST_ATTEMPTS} attempts recorded nothing new" + (f"; {row.note}" if row.note else "")
        await end_job(connection, job_id, owner, "failed", why, None, now)
        return None
    of_it = select(calibration_lines.c.line).where(calibration_lines.c.job == job_id)
    lines = (await connection.execute(of_it.order_by(calibration_lines.c.number))).scalars().all()
    return Claimed(_job(row), owner, str(row.prompts), tuple(lines))


async def renew(connection: AsyncConnection, job_id: str, owner: str, hold_s: float, now: datetime) -> Standing:
    """Hold a job for longer, and say how its worker stands. Locks the job's row: what follows is the owner's."""
    held: Any = await connection.execute(
        _owned(job_id, owner).values(held_until=now + timedelta(seconds=hold_s), updated_at=now)
    )
    if held.rowcount != 1:
        return "lost"
    cancelling = select(calibrations.c.cancelling).where(calibrations.c.id == job_id)
    return "cancelled" if (await connection.execute(cancelling)).scalar_one() else "held"


async def append_lines(connection: AsyncConnection, job_id: str, first: int, lines: Sequence[str]) -> None:
    """Keep lines from the number ``first`` on, where 0 is the header, and count the prompts. After ``renew``."""
    # They may have been written, though the connection broke before anybody heard of it.
    again = and_(calibration_lines.c.job == job_id, calibration_lines.c.number >= first)
    await connection.execute(delete(calibration_lines).where(again))
    rows = [{"job": job_id, "number": number, "line": line} for number, line in enumerate(lines, start=first)]
    await connection.execute(insert(calibration_lines), rows)
    progress = {"done": first + len(lines) - 1, "attempts": 0, "note": ""}
    await connection.execute(update(calibrations).where(calibrations.c.id == job_id).values(**progress))


async def let_go(
    connection: AsyncConnection, job_id: str, owner: str, note: str, pause_s: float, now: datetime
) -> None:
    """Leave a job to whoever takes it up next, after a pause. Does nothing to one that is another's by now."""
    values = {"state": "waiting", "owner": None, "note": note, "updated_at": now}
    values["held_until"] = now + timedelta(seconds=pause_s)
    await connection.execute(_owned(job_id, owner).values(**values))


async def end_job(
    connection: AsyncConnection,
    job_id: str,
    owner: str,
    state: Ended,
    note: str,
    certificate_id: str | None,
    now: datetime,
) -> bool:
    """End a job and delete what is sensitive about it; False, and nothing is done, where it is another's."""
    values = {"state": state, "note": note, "certificate": certificate_id, "updated_at": now, **_NOBODYS}
    if state == "done":  # its last lines may never have been saved: the certificate is what counts
        values["done"] = calibrations.c.total
    done: Any = await connection.execute(_owned(job_id, owner).values(**values))
    if done.rowcount == 1:
        await connection.execute(delete(calibration_lines).where(calibration_lines.c.job == job_id))
    return bool(done.rowcount == 1)


async def cancel_job(connection: AsyncConnection, job_id: str, now: datetime) -> CalibrationJob:
    """End a job, at once or by its worker. Raises ``NotFound``, and ``Conflict`` where it has ended."""
    named = calibrations.c.id == job_id
    free: Any = await connection.execute(
        update(calibrations).where(named, _free(now)).values(state="cancelled", updated_at=now, **_NOBODYS)
    )
    if free.rowcount == 1:
        await connection.execute(delete(calibration_lines).where(calibration_lines.c.job == job_id))
        return await read_job(connection, job_id)
    going = and_(named, calibrations.c.state.in_(("waiting", "running")))
    await connection.execute(update(calibrations).where(going).values(cancelling=True, updated_at=now))
    job = await read_job(connection, job_id)
    if job.ended:
        raise Conflict(f"this calibration has ended: {job.state}")
    return job


_NOBODYS: Final[Mapping[str, Any]] = {"owner": None, "held_until": None, "prompts": None}

_SHOWN: Final = tuple(
    calibrations.c[name]
    for name in (
        *("id", "state", "model", "wish", "total", "done", "cancelling", "note", "certificate", "asked_by"),
        *("created_at", "updated_at"),
    )
)


def _free(now: datetime) -> ColumnElement[bool]:
    going = calibrations.c.state.in_(("waiting", "running"))
    return and_(going, or_(calibrations.c.held_until.is_(None), calibrations.c.held_until <= now))


def _owned(job_id: str, owner: str) -> Any:
    named = and_(calibrations.c.id == job_id, calibrations.c.owner == owner, calibrations.c.state == "running")
    return update(calibrations).where(named)


def _job(row: Row[Any]) -> CalibrationJob:
    if not isinstance(row.wish, dict):
        raise ValueError("what a calibration should promise is not a mapping")
    return CalibrationJob(
        id=row.id,
        state=row.state,
        model=row.model,
        wish=row.wish,
        total=row.total,
        done=row.done,
        cancelling=bool(row.cancelling),
        note=row.note,
        certificate_id=row.certificate,
        asked_by=row.asked_by,
        created_at=in_utc(row.created_at),
        updated_at=in_utc(row.updated_at),
    )
