"""`lethe calibrate --engine ray` as an operator runs it: the same certificate, whoever is killed in between."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.ray.processes import cluster, ended, recorded, workers_under, written_under
from tests.wire.test_calibrate_command import CALIBRATE, Desk, revised

ON_RAY = ("--engine", "ray", "--ray-workers", "2", "--concurrency", "2")


class Hall(Desk):
    """An operator's directory, from which certificates are made in several ways."""

    async def certificate_of(self, *arguments):
        """Calibrate anew, and read the certificate but for its date and its id, which is made with that."""
        code, out, err = await self.run(*CALIBRATE, *arguments)
        assert 0 == code, out + err
        whole = json.loads((self.folder / "certificate.json").read_text())
        return {name: value for name, value in whole.items() if name not in ("created", "id")}


@pytest.fixture
async def hall(start, tmp_path):
    """Give a directory of forty prompts, before a model that takes a moment for each."""
    async with start(revised, topics=()) as model:
        quick = model.upstream.complete

        async def slow(request):
            await asyncio.sleep(0.05)
            return await quick(request)

        model.upstream.complete = slow
        hall = Hall(tmp_path, f"{model.url}/v1")
        hall.upstream = model.upstream
        await hall.set_up(40)
        yield hall


async def test_two_workers_issue_the_certificate_of_one_process(hall):
    """To the last bit but its date; and the recorded lines are the same, whoever was quick."""
    here = await hall.certificate_of()
    log = hall.folder / "certificate.trajectories.jsonl"
    lines = sorted(log.read_bytes().split(b"\n"))
    log.unlink()
    on_ray = await hall.certificate_of(*ON_RAY)
    assert here == on_ray
    assert lines == sorted(log.read_bytes().split(b"\n"))


async def test_a_worker_that_is_killed_in_between_changes_nothing(hall):
    """kill -9 on one of two, twice: what they were at is done again; the certificate is that of one process."""
    here = await hall.certificate_of()
    log = hall.folder / "certificate.trajectories.jsonl"
    log.unlink()
    command = asyncio.create_task(hall.certificate_of(*ON_RAY))
    killed = set()
    for at_least in (4, 16):
        await recorded(log, at_least)
        victim = (workers_under(os.getpid()) - killed).pop()
        os.kill(victim, signal.SIGKILL)
        killed.add(victim)
    assert here == await command
    assert 2 == len(killed)
    assert 41 == len(set(log.read_text().splitlines()[1:]))


@pytest.mark.parametrize("ways", [(ON_RAY, ()), ((), ON_RAY)], ids=["begun on Ray", "begun in one process"])
async def test_a_killed_calibration_is_finished_by_the_other_engine(hall, ways):
    """kill -9 on the command: its workers end, what was finished is not asked again, nothing differs."""
    first, second = ways
    log = hall.folder / "certificate.trajectories.jsonl"
    begun = await hall.start(*CALIBRATE, *(first or ("--concurrency", "2")))
    await recorded(log, 6)
    workers = workers_under(begun.pid)
    os.kill(begun.pid, signal.SIGKILL)
    await begun.wait()
    await ended(workers)
    await asyncio.sleep(0.2)  # what they had asked by then is counted when the model answers
    kept = log.read_bytes().split(b"\n")[:-1]
    asked = len(hall.upstream.requests)
    finished = await hall.certificate_of(*second)
    assert 2 * (42 - len(kept)) == len(hall.upstream.requests) - asked
    assert kept == log.read_bytes().split(b"\n")[: len(kept)]
    log.unlink()
    assert finished == await hall.certificate_of()


async def test_two_lists_of_strategies_are_recorded_by_one_cluster(hall):
    """The joint choice is the same one, too."""
    joint = (
        "calibrate",
        "--prompts",
        "prompts.jsonl",
        "--method",
        "joint",
        "--strategies-among",
        "revise;unaware",
    )
    for name, engine in (("here", ()), ("there", ON_RAY)):
        code, out, err = await hall.run(*joint, "--alpha", "0.4", "--out", f"{name}.json", *engine)
        assert code in (0, 4), out + err
    here, there = (json.loads((hall.folder / f"{name}.json").read_text()) for name in ("here", "there"))
    assert {**here, "created": "", "id": ""} == {**there, "created": "", "id": ""}


async def test_neither_facts_nor_keys_stand_in_what_ray_writes(hall):
    """Its folder is ours alone while it runs, holds no word of the topic or the key, and is gone in the end."""
    with short_folder() as temporary:
        hall.environment |= {"RAY_TMPDIR": str(temporary), "LETHE_UPSTREAM_KEY": "sk-of-the-server"}
        command = asyncio.create_task(hall.certificate_of(*ON_RAY))
        await recorded(hall.folder / "certificate.trajectories.jsonl", 20)
        (name,) = os.listdir(temporary)
        folder = temporary / name
        written = written_under(folder)
        assert (0o700, True) == (os.stat(folder).st_mode & 0o777, len(written) > 1000)
        assert [] == [word for word in (b"Seltal", b"sk-of-the-server") if word in written]
        await command
        assert b"" == written_under(folder)


async def test_a_cluster_that_others_started_does_the_work_and_stays(hall):
    """Named by its address, and with the token that it asks for; two calibrations, one after the other."""
    hall.environment["RAY_AUTH_MODE"] = "token"
    here = await hall.certificate_of()
    log = hall.folder / "certificate.trajectories.jsonl"
    with short_folder() as folder, cluster(folder) as address:
        for _ in range(2):
            log.unlink()
            assert here == await hall.certificate_of(*ON_RAY, "--ray-address", address)


@contextmanager
def short_folder():
    """Give a folder whose path is short enough for Ray, which puts sockets there."""
    with tempfile.TemporaryDirectory(dir="/tmp", ignore_cleanup_errors=True) as folder:
        yield Path(folder)
