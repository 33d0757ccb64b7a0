"""/admin/calibrations: calibration jobs, asked for, watched and cancelled. Decodes, asks, encodes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from typing import Any, Final, Literal, Self, TypeAlias

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field, model_validator

from gateway.errors import StoreError
from gateway.http.streams import KEEP_ALIVE, STREAM_HEADERS
from gateway.store.backend_wire import StrictBody
from gateway.store.calibration_jobs import CalibrationJobs
from gateway.store.calibration_records import CalibrationJob, JobState

__all__ = ["AskForCalibration", "CalibrationBody", "CancelCalibration", "calibrations_router"]

_LOOK_S: Final = 0.5


class CalibrationBody(StrictBody):
    """What to calibrate on, and what to promise; as of `lethe calibrate`, whose defaults these are."""

    prompts: str | list[dict[str, Any]] = Field(
        min_length=1, description="A prompts file's text, or its lines as objects. Each says what is forbidden."
    )
    model: str | None = Field(None, min_length=1, description="Whose answers; the only model's.")
    alpha: float = Field(0.05, gt=0, lt=1, description="Highest leak probability to promise.")
    confidence: float | None = Field(0.95, gt=0, lt=1, description="Null promises the average.")
    method: Literal["record-low", "ltt"] = Field("record-low", description="How the threshold is chosen.")
    every_group: str | None = Field(None, description="Promise it for every group of this key.")
    subsets: bool = Field(True, description="Let it hold too when some of the topics are switched off.")
    tries: int | None = Field(None, ge=1, description="Promise it for a session of so many prompts of one unit.")
    most_lost: float | None = Field(None, gt=0, lt=1, description="Give up early where that loses no more.")
    streamed: bool = Field(False, description="Promise it of answers that go out sentence by sentence.")
    concurrency: int = Field(4, ge=1, le=64, description="Prompts in the loop at once, beside those who ask.")

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.confidence is None and (self.most_lost is not None or self.method == "ltt"):
            raise ValueError("`most_lost` and the method `ltt` need a confidence")
        if self.method == "ltt" and (self.every_group or self.tries):
            raise ValueError("the method `ltt` goes with neither `every_group` nor `tries`")
        return self

    @property
    def prompt_lines(self) -> str:
        """The prompts as JSON Lines: a text to the letter, so that its fingerprint is that of its file."""
        if isinstance(self.prompts, str):
            return self.prompts
        return "".join(json.dumps(prompt) + "\n" for prompt in self.prompts)


class CalibrationShown(BaseModel):
    """How a job stands: ``done`` prompts of ``total`` are recorded and outlive a crash.

    ``note`` says why it failed or rests, and of a certificate that lets nothing out why. ``certificate_id`` is
    there once it is done: see /admin/certificates.
    """

    id: str
    state: JobState
    cancelling: bool
    done: int
    total: int
    model: str
    wish: dict[str, Any]
    note: str
    certificate_id: str | None
    asked_by: str
    created_at: datetime
    updated_at: datetime


class CalibrationList(BaseModel):
    """The latest jobs, the newest first."""

    calibrations: list[CalibrationShown]


AskForCalibration: TypeAlias = Callable[[CalibrationBody], Awaitable[CalibrationJob]]
"""Have it done; raises ``LetheError``."""

CancelCalibration: TypeAlias = Callable[[str], Awaitable[CalibrationJob]]
"""End it, in the name of whoever asks; raises ``LetheError``."""


def calibrations_router(
    jobs: CalibrationJobs,
    ask: AskForCalibration,
    cancel: CancelCalibration,
    route_class: type[APIRoute],
    *,
    keep_alive_s: float,
) -> APIRouter:
    """Serve the jobs by routes that ask who is there."""
    router = APIRouter(prefix="/admin/calibrations", tags=["admin"], route_class=route_class)

    @router.post("", status_code=202)
    async def start_calibration(body: CalibrationBody) -> CalibrationShown:
        """Have the loop calibrated on these prompts by a process that serves, one job after the other."""
        return _shown(await ask(body))

    @router.get("")
    async def list_calibrations() -> CalibrationList:
        """List the latest jobs."""
        return CalibrationList(calibrations=[_shown(job) for job in await jobs.jobs()])

    @router.get("/{calibration_id}")
    async def get_calibration(calibration_id: str) -> CalibrationShown:
        """Say how far a job is."""
        return _shown(await jobs.job(calibration_id))

    @router.get(
        "/{calibration_id}/events",
        response_class=StreamingResponse,
        responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
    )
    async def follow_calibration(calibration_id: str) -> StreamingResponse:
        """Tell of a job's progress as server-sent events, until it has ended."""
        first = await jobs.job(calibration_id)
        events = _events(jobs, first, keep_alive_s)
        return StreamingResponse(events, media_type="text/event-stream", headers=STREAM_HEADERS)

    @router.post("/{calibration_id}/cancel")
    async def cancel_calibration(calibration_id: str) -> CalibrationShown:
        """End a job, at once where nobody works at it, else within seconds; what it recorded is deleted."""
        return _shown(await cancel(calibration_id))

    return router


async def _events(jobs: CalibrationJobs, job: CalibrationJob, keep_alive_s: float) -> AsyncIterator[bytes]:
    """Send the job whenever it changed, as ``progress``, and last as ``ended``; comments where nothing changes."""
    silent_s, told = 0.0, b""
    while True:
        event = _event(job)
        if event != told:
            yield event
            silent_s, told = 0.0, event
        elif silent_s >= keep_alive_s:
            yield KEEP_ALIVE
            silent_s = 0.0
        if job.ended:
            return
        await asyncio.sleep(_LOOK_S)
        silent_s += _LOOK_S
        with suppress(StoreError):  # it may come back; who follows waits for that
            job = await jobs.job(job.id)


def _event(job: CalibrationJob) -> bytes:
    shown = _shown(job).model_dump_json(exclude={"updated_at"})
    return f"event: {'ended' if job.ended else 'progress'}\ndata: {shown}\n\n".encode()


def _shown(job: CalibrationJob) -> CalibrationShown:
    return CalibrationShown(
        id=job.id,
        state=job.state,
        cancelling=job.cancelling,
        done=job.done,
        total=job.total,
        model=job.model,
        wish=dict(job.wish),
        note=job.note,
        certificate_id=job.certificate_id,
        asked_by=job.asked_by,
        created_at=job.created_at,
        updated_at=job.updated_at,
    )
