"""Calibrations whose disk fills up or whose database server dies: they wait, say why, and end all the same."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess

import pytest

from gateway.calibrating import Wish, calibrate
from gateway.errors import InvalidInput
from gateway.jobs.asking import prompts_of
from gateway.jobs.working import Pace
from gateway.store.chain import Whole, checked
from tests.cluster.processes import free_port
from tests.faults.test_database import fill, small_disk
from tests.gateway.jobs.conftest import Site, lines, revised
from tests.gateway.jobs.test_working import ended, when
from tests.postgres import own_postgres, server_programs
from tests.wire.test_calibrate_command import Desk

ROOT_ONLY = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("mount"), reason="mounting a small disk needs root"
)
PACE = Pace(hold_s=6, save_s=0.05, pause_s=0, look_s=0.05)


def long(request):
    """Answer as ``revised`` does, in many words."""
    return revised(request) + " It was so." * 200


async def reported(site, words):
    """Wait until the gateway says that it could not save, and these words of why."""
    for _ in range(1000):
        if any(name == "calibration_not_saved" and words in fields["reason"] for name, fields in site.events):
            return True
        await asyncio.sleep(0.02)
    return False


async def undisturbed(gateway, folder, job):
    """Make the certificate of a run that nobody disturbed."""
    made = await calibrate(
        gateway, prompts_of(lines(job.total)), Wish(0.1), model="m", trajectories=folder / "undisturbed.jsonl",
        labels=None, created=job.created_at, progress=lambda *_: None,
    )  # fmt: skip
    return json.loads(made.to_json())


@ROOT_ONLY
async def test_a_job_on_a_full_disk_waits_and_is_finished_with_room_again(tmp_path):
    """What cannot be saved is reported with the reason; nothing saved is asked again or lost."""
    with small_disk(tmp_path / "disk", "6m") as disk:
        site = Site(str(disk / "lethe.db"))
        async with site.gateway(long, stalls_after=60) as gateway, site.working(gateway, pace=PACE):
            job = await site.ask(gateway, 120)
            await when(gateway, job, lambda found: found.done >= 10)
            ballast = fill(disk)
            site.upstream.after = None
            assert await reported(site, "full; make room")
            ballast.unlink()
            job = await ended(gateway, job)
            assert ("done", 120) == (job.state, job.done)
            (kept,) = await gateway.store.certificates()
            assert await undisturbed(gateway, tmp_path, job) == kept.body
            revision, rows = await gateway.store.audit()
            assert isinstance(checked(rows, revision=revision), Whole)


@ROOT_ONLY
async def test_a_calibration_whose_file_is_on_a_full_disk_says_so_and_goes_on_with_room(tmp_path):
    """By the same call, which asks nothing again that is in the file."""
    with small_disk(tmp_path / "disk", "1m") as disk:
        site = Site(str(tmp_path / "lethe.db"))
        async with site.gateway(long) as gateway:
            job = await site.ask(gateway, 100)

            async def run():
                return await calibrate(
                    gateway, prompts_of(lines(100)), Wish(0.1), model="m", trajectories=disk / "t.jsonl",
                    labels=None, created=job.created_at, progress=lambda *_: None, concurrency=1,
                )  # fmt: skip

            ballast = fill(disk)
            os.truncate(ballast, ballast.stat().st_size - 65_536)
            with pytest.raises(InvalidInput, match="No space left on device; free some space, then resume"):
                await run()
            ballast.unlink()
            recorded = len((disk / "t.jsonl").read_text().splitlines()) - 1
            before = len(site.upstream.requests)
            made = json.loads((await run()).to_json())
            assert (True, 2 * (100 - recorded)) == (recorded > 5, len(site.upstream.requests) - before)
            assert await undisturbed(gateway, tmp_path, job) == made


@pytest.mark.faults
async def test_a_job_outlives_a_crash_of_its_postgresql_server(tmp_path):
    """Killed in the middle and started again: the certificate is that of an undisturbed run, the log is whole."""
    programs = server_programs()
    if programs is None:
        pytest.skip("no PostgreSQL server is installed")
    pytest.importorskip("asyncpg", reason="the extra `postgres` is not installed")
    with own_postgres(programs, port=free_port()) as server:
        site = Site(server.new_database())
        async with site.gateway(stalls_after=30) as gateway, site.working(gateway, pace=PACE):
            job = await site.ask(gateway, 60)
            await when(gateway, job, lambda found: found.done >= 5)
            await asyncio.to_thread(server.stop, signal.SIGQUIT)
            site.upstream.after = None
            assert await reported(site, "cannot be reached")
            await asyncio.sleep(PACE.hold_s)
            await asyncio.to_thread(server.start)
            job = await ended(gateway, job)
            assert ("done", 60) == (job.state, job.done)
            (kept,) = await gateway.store.certificates()
            assert await undisturbed(gateway, tmp_path, job) == kept.body
            revision, rows = await gateway.store.audit()
            assert isinstance(checked(rows, revision=revision), Whole)


@ROOT_ONLY
@pytest.mark.faults
@pytest.mark.parametrize("there", [True, False], ids=["with a database", "without one"])
async def test_on_a_read_only_disk_the_start_is_refused_with_what_to_do(tmp_path, there):
    """Rather than serve what nobody could switch on any more; what can only be read is left as it is."""
    with small_disk(tmp_path / "disk", "4m") as disk:
        desk = Desk(disk, "http://127.0.0.1:9/v1")
        if there:
            await desk.set_up(1)
        await asyncio.to_thread(subprocess.run, ["mount", "-o", "remount,ro", str(disk)], check=True)
        code, _, err = await desk.run("serve", "--port", "0")
        assert (True, True) == (code in (1, 2, 3), str(disk / "operator.db") in err), err
        assert any(words in err for words in ("may not be written", "cannot be opened", "cannot be made"))
        assert "Traceback" not in err
