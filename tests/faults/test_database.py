"""The database locked, gone, read-only, on a full disk: nothing goes out under a policy that cannot be read."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import subprocess
import time
from contextlib import contextmanager

import pytest

from gateway.store.chain import Whole, checked
from tests.faults.model import LAKE, LEAK, saying
from tests.faults.wire import exchange


def knowing(body, writer):
    """Tell the secret to whoever asks about Maren, and of the lake otherwise."""
    about = "Maren" in str(body.get("messages", ""))
    return saying(LEAK if about else LAKE)(body, writer)


async def toggle(faced, active, topic="maren"):
    """Switch the topic over HTTP; gives the status."""
    head = f"POST /admin/topics/{topic}/{'activate' if active else 'deactivate'} HTTP/1.1\r\n"
    raw = f"{head}host: l\r\nx-admin-key: admin-key\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode()
    return (await exchange(faced.url, raw)).status


async def revision_and_log(faced):
    """Read the revision and check the log of changes against it."""
    revision, rows = await faced.gateway.store.audit()
    assert isinstance(checked(rows, revision=revision), Whole)
    return revision


async def safe(faced):
    """Ask about the topic; the answer is not searched here but in the end. Gives the status."""
    return (await faced.ask()).status


async def test_a_lock_on_the_database_holds_up_writes_and_is_over_when_it_is_over(face, tmp_path):
    """Reads go on; a toggle is refused with 503 and changed nothing; afterwards it works."""
    async with face(knowing) as faced:
        before = await revision_and_log(faced)
        locker = sqlite3.connect(tmp_path / "lethe.db", isolation_level=None)
        locker.execute("BEGIN EXCLUSIVE")
        assert 200 == await safe(faced)
        assert 503 == await toggle(faced, False)
        locker.close()
        assert before == await revision_and_log(faced)
        assert [200, 200] == [await toggle(faced, True), await safe(faced)]
        assert await revision_and_log(faced) >= before
        assert await faced.recovers()


async def test_a_database_that_is_away_closes_the_gateway_until_it_is_back(face, tmp_path):
    """Moved away: every answer and every toggle is 503, and it is not ready; moved back, all is as before."""
    path, away = tmp_path / "lethe.db", tmp_path / "away"
    async with face(knowing) as faced:
        before = await revision_and_log(faced)
        away.mkdir()
        for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
            os.rename(tmp_path / name, away / name)
        assert [503, 503] == [await safe(faced), (await faced.get("/readyz")).status]
        assert 200 == (await faced.get("/healthz")).status
        acknowledged = before + (await toggle(faced, True) == 200)
        for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
            os.rename(away / name, tmp_path / name)
        assert 200 == await safe(faced)
        assert acknowledged == await revision_and_log(faced)
        assert await faced.recovers()


async def test_another_file_in_the_databases_place_closes_the_gateway_until_a_restart(face, tmp_path):
    """Even a copy: nobody says that it is the newest. The original put back is taken up at once."""
    path = tmp_path / "lethe.db"
    async with face(knowing) as faced:
        os.rename(path, tmp_path / "original.db")
        shutil.copy(tmp_path / "original.db", path)
        assert 503 == await safe(faced)
        os.replace(tmp_path / "original.db", path)
        assert 200 == await safe(faced)
        assert await faced.recovers()


@contextmanager
def small_disk(path, size):
    """Mount a small disk at the path; skips where that is not permitted."""
    path.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)], capture_output=True)
    if done.returncode:
        pytest.skip("a small disk cannot be mounted here (needs root)")
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


def fill(folder):
    """Write until nothing more fits; gives the file."""
    ballast = folder / "ballast"
    with open(ballast, "wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            pass
    return ballast


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("mount"), reason="mounting a small disk needs root")
async def test_on_a_full_disk_no_toggle_is_acknowledged_and_none_is_half_done(face, tmp_path):
    """A toggle that does not fit is 503; the policy and its log are those before it; with room again it works."""
    with small_disk(tmp_path / "disk", "2m") as disk:
        async with face(knowing, database=str(disk / "lethe.db")) as faced:
            acknowledged = await revision_and_log(faced)
            ballast = fill(disk)
            statuses = []
            for number in range(40):  # what is left of the journal's last page takes a few
                statuses.append(await toggle(faced, number % 2 == 1))
                acknowledged += statuses[-1] == 200
                if number % 2:
                    await safe(faced)
                if statuses[-1] == 503:
                    break
            assert 503 == statuses[-1]
            ballast.unlink()
            assert acknowledged == await revision_and_log(faced)
            assert [200, 200] == [await toggle(faced, True), await safe(faced)]
            assert await faced.recovers()


@pytest.mark.faults
async def test_toggles_while_the_database_is_locked_now_and_then_are_all_or_nothing(face, tmp_path):
    """For some seconds of locks and toggles: the revision counts exactly the acknowledged ones."""
    async with face(knowing) as faced:
        before = await revision_and_log(faced)

        def lock_now_and_then():
            locker = sqlite3.connect(tmp_path / "lethe.db", isolation_level=None, timeout=10)
            for _ in range(4):
                locker.execute("BEGIN IMMEDIATE")
                time.sleep(1.5)
                locker.execute("ROLLBACK")
            locker.close()

        locking = asyncio.create_task(asyncio.to_thread(lock_now_and_then))
        statuses = []
        while not locking.done():
            statuses.append(await toggle(faced, True))
            assert 200 == await safe(faced)
        await locking
        assert {200} <= set(statuses) <= {200, 503}
        assert before + statuses.count(200) == await revision_and_log(faced)
        assert await faced.recovers()
