"""`lethe serve` killed in the middle of what it does, and ended while it answers: each a process of its own."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import sys
import time
from contextlib import suppress

import httpx
import pytest

from calibration.certificate import Certificate
from gateway.parts import open_gateway
from gateway.settings import given_settings
from gateway.store.calibration_jobs import CalibrationJobs
from gateway.store.chain import Whole, checked, entry_of
from gateway.store.store import Store
from tests.cluster.processes import ADMIN_KEY, Replica
from tests.faults.conftest import MAREN
from tests.faults.model import LAKE, LEAK, SECRET, faulty_model, head, saying
from tests.faults.wire import asking, connected, read_all
from tests.gateway.jobs.conftest import lines
from tests.wire.test_calibrate_command import CALIBRATE, Desk
from tests.wire.test_upstreams import certify

pytestmark = pytest.mark.faults
AS_ADMIN = {"x-admin-key": ADMIN_KEY}
TOPIC = {"id": "maren", "name": "Maren Oskeld", "facts": [LEAK.strip()], "active": True}


class Served:
    """A gateway's process with its database in a folder, and what became of it."""

    def __init__(self, folder, upstream, **settings):
        self.path = folder / "lethe.db"
        url = upstream.removesuffix("/v1")
        self.replica = Replica("gateway", folder, str(self.path), url, **settings)
        self.url = self.replica.url

    async def start(self):
        """Start it and wait until it is ready."""
        self.replica.start()
        await asyncio.to_thread(self.replica.ready)

    async def stop(self, how=signal.SIGTERM):
        """End it; gives its status."""
        return await asyncio.to_thread(self.replica.stop, how)

    async def history(self):
        """Read revision, topics and the log of changes, which has to be whole."""
        store = await Store.open(self.path)
        revision, rows = await store.audit()
        topics = await store.topics()
        await store.aclose()
        assert isinstance(checked(rows, revision=revision), Whole)
        return revision, {topic.topic.id: topic.active for topic in topics}


async def asked(url, text="Where was Maren Oskeld born?"):
    """Ask, keeping every byte."""
    reader, writer = await connected(url)
    try:
        writer.write(asking(text))
        return await read_all(reader)
    finally:
        writer.close()


async def test_kill_9_while_toggling_loses_no_acknowledged_toggle(tmp_path):
    """Three times: after the restart the revision counts what was acknowledged, and at most the one under way."""
    async with faulty_model(listing_or(saying(LEAK))) as model, httpx.AsyncClient(headers=AS_ADMIN) as client:
        gateway = Served(tmp_path, model.url)
        await gateway.start()
        (await client.post(f"{gateway.url}/admin/topics", json=TOPIC)).raise_for_status()
        acknowledged, wanted = (await gateway.history())[0], True
        for _ in range(3):
            killing = asyncio.create_task(after(0.7, gateway.stop(signal.SIGKILL)))
            last = wanted
            try:
                while True:
                    wanted = not last
                    switch = "activate" if wanted else "deactivate"
                    answer = await client.post(f"{gateway.url}/admin/topics/maren/{switch}")
                    assert 200 == answer.status_code
                    acknowledged, last = acknowledged + 1, wanted
            except httpx.TransportError:
                await killing
            await gateway.start()
            revision, active = await gateway.history()
            assert (revision, active) in ((acknowledged, {"maren": last}), (acknowledged + 1, {"maren": not last}))
            acknowledged, wanted = revision, active["maren"]
        (await client.post(f"{gateway.url}/admin/topics/maren/activate")).raise_for_status()
        answer = await asked(gateway.url)
        assert (200, False) == (answer.status, SECRET.encode() in answer.received)
        await gateway.stop()


async def after(seconds, work):
    """Do it later."""
    await asyncio.sleep(seconds)
    return await work


def revised(body, writer):
    """Leak at first, not when asked again; slowly enough to be killed in between."""
    leaks = len(body["messages"]) == 1 and "Maren" in str(body["messages"])
    return late(saying(LEAK if leaks else LAKE), 0.05)(body, writer)


def late(behaviour, seconds):
    """Answer some time later."""

    async def behave(body, writer):
        await asyncio.sleep(seconds)
        await behaviour(body, writer)

    return behave


def listing_or(behaviour):
    """List the model where nothing is asked."""

    async def behave(body, writer):
        if body:
            await behaviour(body, writer)
        else:
            listing = json.dumps({"object": "list", "data": [{"id": "m", "object": "model"}]}).encode()
            writer.write(head(length=len(listing)) + listing)
            await writer.drain()

    return behave


async def test_a_calibration_that_was_killed_ends_in_the_same_certificate(tmp_path):
    """kill -9 twice on the way; apart from its date it is the certificate of a run that nobody disturbed."""
    async with faulty_model(listing_or(revised)) as model:
        found = []
        for name, kills in (("whole", 0), ("killed", 2)):
            (tmp_path / name).mkdir()
            desk = Desk(tmp_path / name, model.url)
            await desk.set_up(40)
            for kill in range(kills):
                running = await desk.start(*CALIBRATE, "--concurrency", "2")
                log = desk.folder / "certificate.trajectories.jsonl"
                while not log.exists() or log.read_bytes().count(b"\n") < 8 * (kill + 1):  # noqa: ASYNC110 - another process writes it
                    await asyncio.sleep(0.02)
                os.kill(running.pid, signal.SIGKILL)
                await running.communicate()
            code, _, err = await desk.run(*CALIBRATE)
            assert 0 == code, err
            found.append(json.loads((desk.folder / "certificate.json").read_text()))
            assert isinstance(desk.certificate(), Certificate)
    for certificate in found:
        certificate.pop("id")
        certificate.pop("created")
    assert found[0] == found[1]


class Writing:
    """Clients that add topics and ask about one, until nobody answers; what was acknowledged is counted."""

    def __init__(self, url):
        self.url = url
        self.tried: set[str] = set()
        self.acknowledged: set[str] = set()
        self.answered = 0
        self._number = itertools.count(1)

    async def until_killed(self):
        """Write and ask, several at once."""
        async with httpx.AsyncClient(headers=AS_ADMIN, timeout=20) as client:
            await asyncio.gather(*(self._add(client) for _ in range(3)), *(self._ask() for _ in range(3)))

    async def _add(self, client):
        with suppress(httpx.TransportError):
            while True:
                name = f"t{next(self._number)}"
                self.tried.add(name)
                body = {"id": name, "name": f"Ormund {name}", "active": False}
                assert 201 == (await client.post(f"{self.url}/admin/topics", json=body)).status_code
                self.acknowledged.add(name)

    async def _ask(self):
        with suppress(ConnectionError):
            while (await asked(self.url)).status == 200:
                self.answered += 1


async def test_kill_9_while_audit_entries_and_drawn_answers_are_written_loses_none(tmp_path):
    """Twice: `lethe audit verify` passes, each acknowledged write is in the log, each answer in the file."""
    drawn = tmp_path / "drawn.jsonl"
    async with faulty_model(listing_or(saying(LAKE))) as model:
        settings = given_settings(
            database=str(tmp_path / "lethe.db"), upstream_url=model.url, rounds=1, decoding={"temperature": 0.0}
        )
        async with open_gateway(settings) as gateway:
            await gateway.store.add(MAREN)
            await certify(gateway, "m")
        served = Served(tmp_path, model.url, LETHE_AUDIT_FILE=str(drawn), LETHE_AUDIT_PROBABILITY="1")
        writing = Writing(served.url)
        for _ in range(2):
            await served.start()
            killing = asyncio.create_task(after(1.0, served.stop(signal.SIGKILL)))
            await writing.until_killed()
            await killing
            code, out, err = await Desk(tmp_path, model.url).run("audit", "verify", "--database", str(served.path))
            assert 0 == code, (out, err)
        store = await Store.open(served.path)
        _, rows = await store.audit()
        await store.aclose()
        logged = {entry["subject"].removeprefix("topic ") for entry in map(entry_of, rows) if entry["subject"]}
        assert (True, True) == (writing.acknowledged <= logged, writing.answered > 20)
        assert logged <= writing.tried | {"maren", *(name for name in logged if name.startswith("certificate"))}
        await served.start()
        await served.stop()
        numbers = [json.loads(line)["number"] for line in drawn.read_text().splitlines()]
        assert [*range(1, len(numbers) + 1)] == numbers
        assert writing.answered <= len(numbers) <= writing.answered + 2 * 3


async def test_sigterm_under_load_finishes_what_runs(tmp_path):
    """Fifty answers under way are all given, whole and verified; then the process ends by itself."""
    slow = listing_or(late(saying(LAKE), 1.0))
    async with faulty_model(slow) as model:
        gateway = Served(tmp_path, model.url)
        await gateway.start()
        asking_now = [asyncio.create_task(asked(gateway.url, f"Where is the lake? {n}")) for n in range(50)]
        while sum(bool(body) for body in model.asked) < 50:  # noqa: ASYNC110 - a connection has no event
            await asyncio.sleep(0.01)
        began = time.monotonic()
        status = await gateway.stop()
        answers = await asyncio.gather(*asking_now)
        assert {(200, True)} == {(answer.status, LAKE.strip().encode() in answer.body) for answer in answers}
        assert (0, True) == (status, time.monotonic() - began < 9)
        with pytest.raises(ConnectionError):
            await asked(gateway.url)


async def test_sigterm_is_held_up_by_clients_that_stall_for_its_grace_alone(tmp_path):
    """Sixty stall in a head, in a body or before a long answer: no later than 10 s the process has ended."""
    async with faulty_model(listing_or(saying(LAKE * 2_000))) as model:
        gateway = Served(tmp_path, model.url)
        await gateway.start()
        stalled = [await connected(gateway.url) for _ in range(60)]
        for number, (reader, writer) in enumerate(stalled):
            reader._transport.pause_reading()
            writer.write((asking()[:20], asking()[:-20], asking("Where is the lake?", stream=True))[number % 3])
        assert 200 == (await asked(gateway.url, "Where is the lake?")).status
        began = time.monotonic()
        status = await gateway.stop()
        assert (0, True) == (status, time.monotonic() - began < 20)
        for _, writer in stalled:
            writer.transport.abort()
        with pytest.raises(ConnectionError):
            await asked(gateway.url)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
async def test_an_ended_process_closes_what_it_opened(tmp_path, how):
    """A calibration is handed over at once, and what the monitors of drift saw is kept."""
    slow = listing_or(late(saying(LAKE), 0.2))
    async with faulty_model(slow) as model:
        settings = given_settings(database=str(tmp_path / "lethe.db"), upstream_url=model.url, rounds=1)
        async with open_gateway(settings) as gateway:
            await gateway.store.add(MAREN)
            await certify(gateway, "m")
        served = Served(tmp_path, model.url)
        await served.start()
        assert 200 == (await asked(served.url)).status
        body = {"prompts": lines(200)}
        async with httpx.AsyncClient(headers=AS_ADMIN, timeout=20) as client:
            url = f"{served.url}/admin/calibrations"
            job = (await client.post(url, json=body)).json()
            while (await client.get(f"{url}/{job['id']}")).json()["done"] == 0:  # noqa: ASYNC110 - another process records
                await asyncio.sleep(0.05)
        assert 0 == await served.stop(how)
        store = await Store.open(served.path)
        left = await CalibrationJobs(store.database).job(job["id"])
        await store.aclose()
    assert ("waiting", "its process ended") == (left.state, left.note)
    (watch,) = json.loads((tmp_path / "gateway.drift.json").read_text())["certificates"].values()
    assert 1 == sum(watch["scores"]["counts"])


HUNG = """
import asyncio, threading
from gateway.serving import run_fast
from gateway.threads import Threads

async def work():
    asyncio.get_running_loop().set_default_executor(Threads(0.0))
    asyncio.create_task(asyncio.to_thread(threading.Event().wait))
    await asyncio.sleep(0.1)
    print("closed", flush=True)

run_fast(work(), grace_s=0.5)
"""


async def test_a_thread_that_hangs_does_not_keep_the_process():
    """It ends once all is closed and the thread has had its time, with a status that says so."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", HUNG, stdout=asyncio.subprocess.PIPE)
    said, _ = await asyncio.wait_for(process.communicate(), 60)
    assert (1, b"closed\n") == (process.returncode, said)
