"""Calibration jobs done by running gateways: to their end, interrupted, cancelled, failed."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from calibration.verification import verify
from gateway.calibrating import Wish, calibrate
from gateway.certificates import stored_certificate
from gateway.errors import UpstreamUnreachable
from gateway.jobs.asking import prompts_of
from gateway.store.calibration_jobs import CalibrationJobs
from gateway.store.chain import entry_of
from tests.gateway.jobs.conftest import LEAK, QUICK, lines, revised


async def when(gateway, job, true):
    """Wait until something is so of a job, and give it."""
    jobs = CalibrationJobs(gateway.store.database)
    for _ in range(3000):
        found = await jobs.job(job.id)
        if true(found):
            return found
        await asyncio.sleep(0.02)
    raise AssertionError(found)


async def ended(gateway, job):
    """Wait for a job's end."""
    return await when(gateway, job, lambda found: found.ended)


async def rewritten(gateway, values):
    """Set something of every job behind Lethe's back."""
    async with gateway.store.database.engine.begin() as connection:
        await connection.exec_driver_sql(f"UPDATE calibrations SET {values}")


async def kept(gateway):
    """Read all certificates of the store."""
    return [stored_certificate(one.body) for one in await gateway.store.certificates()]


async def uninterrupted(gateway, tmp_path, job, count=40):
    """Make the certificate that `lethe calibrate` would have made at the time of the job."""
    return await calibrate(
        gateway, prompts_of(lines(count)), Wish(0.1), model="m",
        trajectories=tmp_path / "t.jsonl", labels=None, created=job.created_at, progress=lambda *_: None,
    )  # fmt: skip


async def test_a_job_becomes_the_certificate_that_the_command_makes(site, tmp_path):
    """In the store, in the name of who asked, and not in force."""
    async with site.gateway() as gateway, site.working(gateway):
        job = await ended(gateway, await site.ask(gateway))
        (made,) = await kept(gateway)
        assert (await uninterrupted(gateway, tmp_path, job), job.certificate_id) == (made, made.id)
        assert ("done", 40, 40, ()) == (job.state, job.done, job.total, verify(made))
        assert () == await gateway.store.active_certificates()
        last = entry_of((await gateway.store.audit())[1][-1])
    assert ("certificates.put", "admin:ida") == (last["what"], last["who"])


async def test_what_ends_in_the_middle_is_resumed_by_another_and_asks_nothing_twice(site, tmp_path):
    """The certificate is that of a run without the interruption, to the letter."""
    async with site.gateway(stalls_after=11) as gateway:
        job = await site.ask(gateway, concurrency=1)
        await rewritten(gateway, "created_at = '2026-01-31 12:00:00.000000'")
        async with site.working(gateway):
            await when(gateway, job, lambda found: found.done == 5)
            site.upstream.after = 21
            await when(gateway, job, lambda found: found.done == 10)
        waiting = await CalibrationJobs(gateway.store.database).job(job.id)
        assert ("waiting", "its process ended") == (waiting.state, waiting.note)
    asked = []

    def counted(request):
        asked.append(request)
        return revised(request)

    async with site.gateway(counted) as second:
        async with site.working(second, "b"):
            job = await ended(second, job)
        assert ("done", 2 * 30) == (job.state, len(asked))
        assert [await uninterrupted(second, tmp_path, job)] == await kept(second)


class Failing:
    """Answers by a script so many times, and fails from then on."""

    def __init__(self, script, after):
        self.script, self.left = script, after

    def __call__(self, request):
        """Answer or fail."""
        self.left -= 1
        if self.left < 0:
            raise UpstreamUnreachable("the model is away")
        return self.script(request)


async def test_of_two_processes_one_does_the_job(site):
    """Each prompt is asked as often as one alone would ask."""
    asked = []

    def counted(request):
        asked.append(request)
        return revised(request)

    async with (
        site.gateway(counted) as first,
        site.gateway(counted) as second,
        site.working(first, "a"),
        site.working(second, "b"),
    ):
        job = await ended(first, await site.ask(first))
    assert ("done", 80) == (job.state, len(asked))
    assert 1 == [event for event, _ in site.events].count("calibration_taken")


async def test_a_job_that_is_cancelled_stops_and_leaves_nothing(site):
    """Its worker hears of it when it saves next."""
    async with site.gateway(stalls_after=20) as gateway:
        jobs = CalibrationJobs(gateway.store.database)
        async with site.working(gateway):
            job = await site.ask(gateway)
            await when(gateway, job, lambda found: found.done > 0)
            await jobs.cancel(job.id, who="admin:ida")
            job = await ended(gateway, job)
        assert ("cancelled", None) == (job.state, job.certificate_id)
        async with gateway.store.database.engine.connect() as connection:
            assert 0 == (await connection.exec_driver_sql("SELECT count(*) FROM calibration_lines")).scalar_one()
        assert [] == await kept(gateway)


async def test_while_the_model_is_away_a_job_rests_and_goes_on_by_itself(site):
    """With the reason shown; what was recorded is kept."""
    failing = Failing(revised, after=30)
    async with site.gateway(failing) as gateway:
        async with site.working(gateway, pace=replace(QUICK, pause_s=600)):
            job = await when(gateway, await site.ask(gateway), lambda found: found.note != "")
        assert ("waiting", True, True) == (job.state, job.done > 0, "the model is away" in job.note)
        failing.left = 1000
        await rewritten(gateway, "held_until = NULL")
        async with site.working(gateway):
            assert "done" == (await ended(gateway, job)).state


async def test_a_job_that_cannot_be_done_says_why_and_quotes_nothing(site):
    """No topic is active any more when its turn comes."""
    async with site.gateway() as gateway:
        job = await site.ask(gateway)
        await gateway.store.set_active("maren", False)
        async with site.working(gateway):
            job = await ended(gateway, job)
    assert ("failed", True) == (job.state, "no topic is active" in job.note)


async def test_a_job_does_not_go_on_under_other_settings_than_it_began_with(site):
    """What was recorded with two rounds is no evidence about three."""
    async with site.gateway(stalls_after=20) as gateway, site.working(gateway):
        job = await site.ask(gateway)
        await when(gateway, job, lambda found: found.done > 0)
    async with site.gateway(rounds=3) as gateway, site.working(gateway):
        job = await ended(gateway, job)
    assert ("failed", True, False) == (job.state, "ask for a new calibration" in job.note, "/proc" in job.note)


async def test_too_few_prompts_are_infeasible_and_the_job_says_how_many_it_takes(site):
    """The certificate is kept; it lets nothing out."""
    async with site.gateway() as gateway, site.working(gateway):
        job = await ended(gateway, await site.ask(gateway, count=5))
        (made,) = await kept(gateway)
    assert ("done", None, True) == (job.state, made.threshold, "No leak bound" in job.note)


async def test_a_fault_that_nobody_thought_of_fails_the_job_by_its_kind_alone(site):
    """Its words may quote a conversation."""

    def faulty(request):
        raise RuntimeError(LEAK)

    async with site.gateway(faulty) as gateway, site.working(gateway):
        job = await ended(gateway, await site.ask(gateway))
    assert ("failed", "unexpected error: RuntimeError") == (job.state, job.note)


async def test_nothing_that_is_reported_quotes_prompts_or_answers(site):
    """Job ids, counts and states are."""
    async with site.gateway() as gateway, site.working(gateway):
        await ended(gateway, await site.ask(gateway))
    assert {"calibration_taken", "calibration_left"} <= {event for event, _ in site.events}
    for word in ("Maren", "Seltal", "born"):
        assert word not in str(site.events)


async def test_a_worker_that_the_database_gave_up_on_writes_nothing_more(site):
    """Another has the job by then, and its certificate is the only one."""
    async with site.gateway(stalls_after=20) as gateway:
        jobs = CalibrationJobs(gateway.store.database)
        job = await site.ask(gateway)
        async with site.working(gateway):
            await when(gateway, job, lambda found: found.done > 0)
            await rewritten(gateway, "owner = 'another'")
            for _ in range(3000):
                if ("calibration_left", {"job": job.id, "state": "lost"}) in site.events:
                    break
                await asyncio.sleep(0.02)
        found = await jobs.job(job.id)
        assert ("running", []) == (found.state, await kept(gateway))
