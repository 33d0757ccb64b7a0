"""One calibration job, from being taken up to its end. Knows the store's jobs and no HTTP."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from calibration.certificate import Certificate
from calibration.explanation import in_one_sentence
from gateway.calibrating import calibrate
from gateway.errors import InvalidInput, LetheError, StoreError, UpstreamError
from gateway.jobs.asking import prompts_of, wish_of
from gateway.jobs.recording_file import Tail, recording_file
from gateway.logs import Report
from gateway.running import Gateway
from gateway.store.acting import ACTING
from gateway.store.calibration_jobs import CalibrationJobs
from gateway.store.calibration_records import Claimed, Ended, Standing

__all__ = ["Pace", "work_at"]

_CHANGED = (
    "what was recorded before belongs to another model, other topics or other settings than the gateway has now; "
    "ask for a new calibration"
)


@dataclass(frozen=True, slots=True)
class Pace:
    """How often, in seconds. What was recorded since the last saving is lost with a crash.

    ``hold_s``: after so long without a sign of life another process takes the job up. ``pause_s``: how long a job
    rests after its model failed. ``look_s``: how often a process without a job looks for one.
    """

    hold_s: float = 30.0
    save_s: float = 2.0
    pause_s: float = 30.0
    look_s: float = 2.0


async def work_at(gateway: Gateway, jobs: CalibrationJobs, claimed: Claimed, pace: Pace) -> None:
    """Take a job to its end, and report that. Where this is cancelled, the job is left to the next process.

    Nothing is written any more once the job is another's. Where the database is away, the hold runs out and
    somebody takes the job up again.
    """
    job, owner = claimed.job, claimed.owner
    gateway.report("calibration_taken", {"job": job.id, "done": job.done, "total": job.total})
    try:
        with recording_file(claimed.lines) as path:
            result = await _until_stopped(gateway, _Keeping(jobs, claimed, path, pace, gateway.report), path)
        state = await _concluded(gateway, jobs, claimed, pace, result)
    except asyncio.CancelledError:
        with suppress(StoreError):
            await jobs.let_go(job.id, owner, note="its process ended")
        raise
    except StoreError:
        state = "left to the next process"
    gateway.report("calibration_left", {"job": job.id, "state": state})


async def _until_stopped(gateway: Gateway, keeping: _Keeping, path: Path) -> Certificate | Standing | Exception:
    """Give the certificate, or why the work stopped; by then what was recorded is saved, if it can be."""
    stop = asyncio.Event()
    working = asyncio.create_task(_certificate(gateway, keeping.claimed, path))
    saving = asyncio.create_task(keeping.keep(stop))
    try:
        await asyncio.wait({working, saving}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stop.set()
        working.cancel()
        worked, standing = await asyncio.gather(working, saving, return_exceptions=True)
    if standing != "held":
        return "lost" if isinstance(standing, BaseException) else standing
    if isinstance(worked, InvalidInput) and str(path) in str(worked):
        return InvalidInput(_CHANGED)
    return worked if isinstance(worked, Certificate | Exception) else "lost"


async def _certificate(gateway: Gateway, claimed: Claimed, path: Path) -> Certificate:
    wish, concurrency = wish_of(claimed.job.wish)
    return await calibrate(
        gateway,
        prompts_of(claimed.prompts),
        wish,
        model=claimed.job.model,
        trajectories=path,
        labels=None,
        created=claimed.job.created_at,  # and not now: who resumes issues the same certificate, to the letter
        progress=lambda done, total: None,  # what counts is what is saved
        concurrency=concurrency,
    )


async def _concluded(
    gateway: Gateway,
    jobs: CalibrationJobs,
    claimed: Claimed,
    pace: Pace,
    result: Certificate | Standing | Exception,
) -> str:
    """Write down how it went. Raises ``StoreError``."""
    id_, owner = claimed.job.id, claimed.owner
    match result:
        case Certificate():
            note = "" if result.threshold is not None else in_one_sentence(result)
            await _put(gateway, claimed.job.asked_by, result)
            done = await jobs.end(id_, owner, "done", note=note, certificate_id=result.id)
            return "done" if done else "lost"
        case "cancelled":
            await jobs.end(id_, owner, "cancelled")
            return "cancelled"
        case UpstreamError():
            await jobs.let_go(id_, owner, note=f"the model failed: {result}", pause_s=pace.pause_s)
            return "waiting"
        case StoreError():
            raise result
        case Exception():
            await jobs.end(id_, owner, _FAILED, note=_why(result))
            return _FAILED
        case _:
            return "lost"


_FAILED: Ended = "failed"


def _why(error: Exception) -> str:
    """Say what is wrong where the error was raised on purpose: any other's words may quote a conversation."""
    return str(error) if isinstance(error, LetheError) else f"unexpected error: {type(error).__name__}"


async def _put(gateway: Gateway, asked_by: str, certificate: Certificate) -> None:
    """Keep the certificate, in the name of who asked for it."""
    acting = ACTING.set(asked_by)
    try:
        await gateway.store.put_certificate(certificate.id, json.loads(certificate.to_json()))
    finally:
        ACTING.reset(acting)


class _Keeping:
    """Saves what is recorded, again and again, and holds the job by that. Reports when it cannot, and why."""

    def __init__(self, jobs: CalibrationJobs, claimed: Claimed, path: Path, pace: Pace, report: Report) -> None:
        self._report = report
        self.claimed = claimed
        self._jobs = jobs
        self._pace = pace
        self._tail = Tail(path)
        self._saved = len(claimed.lines)
        self._unsaved: list[str] = []
        self._held_since = time.monotonic()
        self._complaint = ""

    async def keep(self, stop: asyncio.Event) -> Standing:
        """Save until ``stop``, and once more then; or until the job is cancelled or lost, and say so."""
        while not stop.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self._pace.save_s)
            if (standing := await self._save()) != "held":
                return standing
        return await self._save()

    async def _save(self) -> Standing:
        self._unsaved.extend(self._tail.new())
        asked, hold_s = time.monotonic(), self._pace.hold_s
        job_id, owner = self.claimed.job.id, self.claimed.owner
        try:
            async with asyncio.timeout(hold_s / 3):
                standing = await self._jobs.save(job_id, owner, self._unsaved, first=self._saved, hold_s=hold_s)
        except (StoreError, TimeoutError) as error:
            why = str(error) or "the database does not answer"
            if why != self._complaint:
                self._complaint = why
                self._report("calibration_not_saved", {"job": job_id, "reason": why})
            # Stop before the database gives the job away, of which nobody here could hear.
            return "lost" if time.monotonic() - self._held_since > hold_s / 2 else "held"
        self._held_since, self._complaint = asked, ""
        self._saved += len(self._unsaved)
        self._unsaved = []
        return standing
