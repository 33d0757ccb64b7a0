"""Calibration jobs in either database: who holds one, what outlives a crash, what is deleted."""

from __future__ import annotations

import asyncio

import pytest

from gateway.errors import Conflict, NotFound
from gateway.store.calibration_jobs import CalibrationJobs
from gateway.store.calibration_records import NewJob
from gateway.store.calibration_rows import MOST_ATTEMPTS, MOST_WAITING
from gateway.store.chain import Whole, checked, entry_of
from gateway.store.store import Store

LONG, OVER = 600.0, 0.0
"""Holds that outlast the test, and that have run out as soon as they are written."""


def new(job_id: str = "j1") -> NewJob:
    """Ask for a job of two prompts."""
    return NewJob(job_id, "m", {"level": 0.1}, '{"prompt": "Seltal?"}\n', 2, "admin:ida")


@pytest.fixture
def jobs(store: Store) -> CalibrationJobs:
    """Give the jobs of either database."""
    return CalibrationJobs(store.database)


async def held(jobs: CalibrationJobs, owner: str = "a", hold_s: float = LONG):
    """Take up the job that there is."""
    claimed = await jobs.claim(owner, hold_s=hold_s)
    assert claimed is not None
    return claimed


async def test_a_job_is_taken_up_with_its_prompts_and_ends_with_a_certificate(jobs):
    """And says how far it is in between."""
    await jobs.add(new())
    claimed = await held(jobs)
    assert (new().prompts, (), {"level": 0.1}) == (claimed.prompts, claimed.lines, claimed.job.wish)
    assert "held" == await jobs.save("j1", "a", ["head", "one"], first=0, hold_s=LONG)
    job = await jobs.job("j1")
    assert ("running", 1, 2, "admin:ida") == (job.state, job.done, job.total, job.asked_by)
    assert await jobs.end("j1", "a", "done", certificate_id="c1")
    job = await jobs.job("j1")
    assert ("done", "c1", True) == (job.state, job.certificate_id, job.ended)


@pytest.mark.parametrize("many", [8])
async def test_of_several_processes_exactly_one_takes_a_job(jobs, address, many):
    """All look at once, each by a connection of its own."""
    await jobs.add(new())
    stores = [await Store.open(address) for _ in range(many)]
    looks = [CalibrationJobs(one.database).claim(f"p{n}", hold_s=LONG) for n, one in enumerate(stores)]
    taken = [one for one in await asyncio.gather(*looks) if one is not None]
    for one in stores:
        await one.aclose()
    assert 1 == len(taken)
    assert await jobs.claim("late", hold_s=LONG) is None


async def test_after_a_crash_another_takes_the_job_up_with_all_that_was_recorded(jobs):
    """When the hold has run out, and not before; what the first one writes then counts no more."""
    await jobs.add(new())
    await held(jobs)
    await jobs.save("j1", "a", ["head"], first=0, hold_s=LONG)
    assert await jobs.claim("b", hold_s=LONG) is None
    await jobs.save("j1", "a", ["one"], first=1, hold_s=OVER)
    assert ("head", "one") == (await held(jobs, "b")).lines
    assert "lost" == await jobs.save("j1", "a", ["two"], first=2, hold_s=LONG)
    await jobs.let_go("j1", "a", note="stale")
    assert not await jobs.end("j1", "a", "done", certificate_id="stale")
    job = await jobs.job("j1")
    assert ("running", 1, "", None) == (job.state, job.done, job.note, job.certificate_id)
    assert "held" == await jobs.save("j1", "b", ["two"], first=2, hold_s=LONG)


async def test_a_hold_that_ran_out_is_renewed_where_nobody_took_the_job(jobs):
    """A process that stalled for a moment goes on."""
    await jobs.add(new())
    await held(jobs, "a", OVER)
    assert "held" == await jobs.save("j1", "a", [], first=0, hold_s=LONG)
    assert await jobs.claim("b", hold_s=LONG) is None


async def test_what_is_let_go_waits_for_its_pause_and_is_taken_up_again(jobs):
    """With the reason shown meanwhile."""
    await jobs.add(new())
    await held(jobs)
    await jobs.let_go("j1", "a", note="the model is away")
    job = await jobs.job("j1")
    assert ("waiting", "the model is away") == (job.state, job.note)
    await held(jobs, "b")
    await jobs.let_go("j1", "b", note="still away", pause_s=LONG)
    assert await jobs.claim("c", hold_s=LONG) is None


async def test_new_progress_takes_the_reason_for_waiting_away(jobs):
    """It is over then."""
    await jobs.add(new())
    await held(jobs)
    await jobs.let_go("j1", "a", note="the model is away")
    await held(jobs, "b")
    await jobs.save("j1", "b", ["head", "one"], first=0, hold_s=LONG)
    assert "" == (await jobs.job("j1")).note


async def test_a_job_that_nobody_works_at_is_cancelled_at_once(jobs, store):
    """And nobody takes it up any more."""
    await jobs.add(new())
    assert "cancelled" == (await jobs.cancel("j1", who="admin:ida")).state
    assert await jobs.claim("a", hold_s=LONG) is None
    with pytest.raises(Conflict, match="has ended: cancelled"):
        await jobs.cancel("j1", who="admin:ida")


async def test_a_worker_hears_of_the_cancelling_when_it_saves(jobs):
    """Its last lines are kept until it ends the job itself."""
    await jobs.add(new())
    await held(jobs)
    job = await jobs.cancel("j1", who="admin:ida")
    assert ("running", True) == (job.state, job.cancelling)
    assert "cancelled" == await jobs.save("j1", "a", ["head", "one"], first=0, hold_s=LONG)
    assert await jobs.end("j1", "a", "cancelled")


async def test_a_job_that_was_cancelled_and_whose_worker_died_is_ended_by_who_looks_next(jobs):
    """It is not recorded to the end in vain."""
    await jobs.add(new())
    await held(jobs)
    await jobs.cancel("j1", who="admin:ida")
    await jobs.save("j1", "a", [], first=0, hold_s=OVER)
    assert await jobs.claim("b", hold_s=LONG) is None
    assert "cancelled" == (await jobs.job("j1")).state


@pytest.mark.parametrize("end", ["done", "failed", "cancelled"])
async def test_the_end_deletes_prompts_and_answers(jobs, store, end):
    """They hold what is to be forgotten; the row that stays says nothing of it."""
    await jobs.add(new())
    await held(jobs)
    await jobs.save("j1", "a", ["head", "born in Seltal"], first=0, hold_s=LONG)
    await jobs.end("j1", "a", end)
    async with store.database.engine.connect() as connection:
        rows = [
            *(await connection.exec_driver_sql("SELECT * FROM calibrations")).all(),
            *(await connection.exec_driver_sql("SELECT * FROM calibration_lines")).all(),
        ]
    assert (1, False) == (len(rows), "Seltal" in str(rows))


async def test_a_job_that_ends_every_process_that_takes_it_up_fails_in_the_end(jobs):
    """Unless something new is recorded each time."""
    await jobs.add(new())
    for number in range(MOST_ATTEMPTS):
        await held(jobs, f"p{number}", OVER)
    assert await jobs.claim("last", hold_s=LONG) is None
    job = await jobs.job("j1")
    assert ("failed", "given up: 5 attempts recorded nothing new") == (job.state, job.note)


async def test_progress_makes_the_count_of_attempts_begin_anew(jobs):
    """A long calibration may outlive many restarts."""
    await jobs.add(new())
    for number in range(2 * MOST_ATTEMPTS):
        await held(jobs, f"p{number}", OVER)
        await jobs.save("j1", f"p{number}", [f"line {number}"], first=number, hold_s=OVER)
    assert "running" == (await jobs.job("j1")).state


async def test_no_more_than_some_wait(jobs):
    """Each holds its prompts in the database."""
    for number in range(MOST_WAITING):
        await jobs.add(new(f"j{number}"))
    with pytest.raises(Conflict, match="cancel one"):
        await jobs.add(new("more"))
    await jobs.cancel("j0", who="admin:ida")
    await jobs.add(new("more"))


async def test_jobs_are_taken_up_in_the_order_in_which_they_were_asked_for(jobs):
    """And listed the newest first."""
    for name in ("b", "a", "c"):
        await jobs.add(new(name))
    assert ["b", "a", "c"] == [(await held(jobs, f"of {n}")).job.id for n in range(3)]
    assert ["c", "a", "b"] == [job.id for job in await jobs.jobs()]


async def test_a_job_that_there_is_not_is_not_found(jobs):
    """Neither shown nor cancelled."""
    with pytest.raises(NotFound):
        await jobs.job("nobody's")
    with pytest.raises(NotFound):
        await jobs.cancel("nobody's", who="admin:ida")


async def test_who_asked_for_a_job_and_who_cancelled_it_are_in_the_audit_log(jobs, store):
    """With what it was before and after; of its prompts only a digest. What was refused is not there."""
    await jobs.add(new())
    await held(jobs)
    await jobs.cancel("j1", who="cli:otto")
    with pytest.raises(NotFound):
        await jobs.cancel("nobody's", who="cli:otto")
    revision, rows = await store.audit()
    assert isinstance(checked(rows, revision=revision), Whole)
    asked, cancelled = (entry_of(row) for row in rows[1:])
    assert ("admin:ida", "calibrations.start", "calibration j1", 1, None) == tuple(
        asked[name] for name in ("who", "what", "subject", "revision", "before")
    )
    assert ("waiting", "m", 2) == tuple(asked["after"][name] for name in ("state", "model", "total"))
    assert "'level': 0.1" in str(asked["after"]["wish"]).replace(
        '"', "'"
    )  # a text in a file, an object on a server
    assert ("cli:otto", "calibrations.cancel", ["cancelling"], 2) == tuple(
        cancelled[name] for name in ("who", "what", "changed", "revision")
    )
    assert (("running", 0), ("running", 1)) == tuple(
        (cancelled[side]["state"], cancelled[side]["cancelling"]) for side in ("before", "after")
    )
    assert "Seltal" not in str(rows)
    assert await store.unlogged() is None  # though the worker has written since


async def test_what_a_process_does_at_a_job_is_no_write_of_the_policy(jobs, store):
    """Nothing is entered into the audit log, and no replica is told."""
    await jobs.add(new())
    await jobs.add(new("j2"))
    await store.snapshot()
    before = await store.audit()
    await held(jobs)
    await jobs.save("j1", "a", ["head", "one"], first=0, hold_s=LONG)
    await jobs.let_go("j1", "a")
    await held(jobs, "b")
    await jobs.end("j1", "b", "failed")
    assert before == await store.audit()
    if store.shared:
        await asyncio.sleep(0.1)
        assert not store.revision_changed()
