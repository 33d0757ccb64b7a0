"""Calibration jobs over the admin API of a started gateway, and one whose process is killed."""

from __future__ import annotations

import asyncio
import json
import os
import sys

import httpx
import pytest

from calibration.certificate import Certificate
from gateway.calibrating import Wish, calibrate
from gateway.jobs.asking import ask_for, prompts_of
from gateway.jobs.taking import taking_jobs
from gateway.jobs.working import Pace
from gateway.parts import open_gateway
from gateway.settings import given_settings
from gateway.store.calibration_jobs import CalibrationJobs
from gateway.store.chain import entry_of
from tests.wire.conftest import MAREN
from tests.wire.test_calibrate_command import Desk

LEAK = "Maren Oskeld was born in Seltal."
QUICK = Pace(hold_s=600, save_s=0.01, pause_s=0, look_s=0.01)


def revised(request):
    """Leak at first, not when asked again."""
    return LEAK if len(request.messages) == 1 and "Maren" in str(request.messages) else "I do not know."


def probe(number, **fields):
    """Write one line of a prompts file."""
    said = {"id": f"p{number}", "prompt": f"({number}) Where was Maren Oskeld born?", "topic": "maren"}
    return {**said, "forbidden": ["Seltal"], **fields}


def probes(count):
    """Write so many lines as a text."""
    return "".join(json.dumps(probe(number)) + "\n" for number in range(count))


def talking(started) -> httpx.AsyncClient:
    """Ask with the admin key."""
    return httpx.AsyncClient(base_url=f"{started.url}/admin", headers={"x-admin-key": "boss"}, timeout=60)


def events(text: str) -> list[tuple[str, dict[str, object]]]:
    """Read server-sent events, comments passed over."""
    found = []
    for block in text.split("\n\n"):
        if block.startswith("event: "):
            name, data = block.split("\n")
            found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


async def test_a_job_is_followed_to_its_end_and_its_certificate_put_in_force(start):
    """By the routes that there are for certificates."""
    settings = {"admin_key": "boss", "rounds": 2, "without_certificate": "fallback"}
    async with start(revised, **settings) as started, talking(started) as admin:
        asked = await admin.post("/calibrations", json={"prompts": probes(40), "alpha": 0.1})
        assert (202, "waiting", 40) == (asked.status_code, asked.json()["state"], asked.json()["total"])
        url = f"/calibrations/{asked.json()['id']}"
        async with taking_jobs(lambda: started.gateway, name="a", pace=QUICK):
            stream = await admin.get(f"{url}/events")
        assert "text/event-stream; charset=utf-8" == stream.headers["content-type"]
        told = events(stream.text)
        assert ("progress", "ended") == (told[0][0], told[-1][0])
        job = (await admin.get(url)).json()
        assert ("done", 40, "admin") == (job["state"], job["done"], job["asked_by"])
        assert job["certificate_id"] == told[-1][1]["certificate_id"]
        assert [job["id"]] == [one["id"] for one in (await admin.get("/calibrations")).json()["calibrations"]]
        made = await admin.post(f"/certificates/{job['certificate_id']}/activate")
        assert (200, job["certificate_id"]) == (made.status_code, made.json()["id"])
        answer = await started.openai.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "Where was Maren Oskeld born?"}]
        )
    assert "I do not know." == answer.choices[0].message.content


async def test_prompts_as_objects_are_calibrated_alike(start):
    """Every wish reaches the certificate."""
    wish = {"alpha": 0.2, "confidence": None, "every_group": "topic", "tries": 1, "streamed": True}
    async with start(revised, admin_key="boss", rounds=2) as started, talking(started) as admin:
        body = {"prompts": [probe(n) for n in range(40)], "model": "m", **wish}
        job = (await admin.post("/calibrations", json=body)).json()
        async with taking_jobs(lambda: started.gateway, name="a", pace=QUICK):
            (_, told) = events((await admin.get(f"/calibrations/{job['id']}/events")).text)[-1]
        (kept,) = await started.gateway.store.certificates()
    made = Certificate.from_json(json.dumps(kept.body))
    assert (told["certificate_id"], 0.2, None, "topic", 1, True) == (
        *(made.id, made.level, made.confidence, made.every_group, made.tries, made.bindings.streamed),
    )


async def test_a_job_is_cancelled(start):
    """Once; then it has ended, and what has ended is followed to its one last event."""
    async with start(revised, admin_key="boss") as started, talking(started) as admin:
        url = f"/calibrations/{(await admin.post('/calibrations', json={'prompts': probes(5)})).json()['id']}"
        cancelled = await admin.post(f"{url}/cancel")
        assert (200, "cancelled") == (cancelled.status_code, cancelled.json()["state"])
        assert 409 == (await admin.post(f"{url}/cancel")).status_code
        assert ["ended"] == [name for name, _ in events((await admin.get(f"{url}/events")).text)]


@pytest.mark.parametrize(
    ("body", "status", "complaint"),
    [
        ({"prompts": "{"}, 400, "the prompts, line 1"),
        ({"prompts": []}, 422, "prompts"),
        ({"prompts": [{"prompt": "Hill?", "benign": True}]}, 400, "no prompt that probes"),
        ({"prompts": [{"id": "bare", "prompt": "Who?"}]}, 400, "'bare' has no `forbidden`"),
        ({"prompts": [probe(1, forbidden=["?"])]}, 400, "the prompts"),
        ({"prompts": [probe(1)], "every_group": "family"}, 400, "'family'"),
        ({"prompts": [probe(1)], "tries": 2}, 400, "1 prompts of 2"),
        ({"prompts": [probe(1)], "model": "unheard-of"}, 404, "no such model"),
        ({"prompts": [probe(1)], "alpha": 1}, 422, "alpha"),
        ({"prompts": [probe(1)], "alfa": 0.1}, 422, "unknown field; the known ones are prompts, model, alpha,"),
        ({"prompts": [probe(1)], "method": "ltt", "tries": 2}, 422, "ltt"),
        ({"prompts": [probe(1)], "most_lost": 0.1, "confidence": None}, 422, "most_lost"),
    ],
)
async def test_what_cannot_be_calibrated_is_refused_before_any_work(start, body, status, complaint):
    """With what to mend, and without a word of the prompts."""
    async with start(revised, admin_key="boss") as started, talking(started) as admin:
        answer = await admin.post("/calibrations", json=body)
        assert (status, True) == (answer.status_code, complaint in answer.json()["error"]["message"]), answer.text
        assert "Seltal" not in answer.text
        assert [] == (await admin.get("/calibrations")).json()["calibrations"]


async def test_a_method_whose_engine_is_not_installed_is_refused_at_once(start, monkeypatch):
    """With what to install, and not after thousands of answers."""
    monkeypatch.setitem(sys.modules, "mapie", None)  # as where the extra is missing
    async with start(revised, admin_key="boss") as started, talking(started) as admin:
        body = {"prompts": probes(40), "method": "ltt"}
        answer = await admin.post("/calibrations", json=body)
        error = answer.json()["error"]
        assert (422, "method", True) == (answer.status_code, error["param"], "'.[ltt]'" in error["message"])
        assert [] == (await admin.get("/calibrations")).json()["calibrations"]
        assert [] == started.upstream.requests


async def test_asking_and_cancelling_are_in_the_audit_log_in_the_name_of_the_key(start):
    """As every write of the admin API."""
    async with start(revised, admin_key="boss") as started, talking(started) as admin:
        job = (await admin.post("/calibrations", json={"prompts": probes(5)})).json()
        await admin.post(f"/calibrations/{job['id']}/cancel")
        _, rows = await started.gateway.store.audit()
    assert [("admin", "calibrations.start"), ("admin", "calibrations.cancel")] == [
        (entry["who"], entry["what"]) for entry in map(entry_of, rows[-2:])
    ]
    assert ("waiting", "cancelled") == tuple(entry_of(rows[-1])[side]["state"] for side in ("before", "after"))


async def test_an_operator_asks_for_a_job_and_ends_it_from_the_command_line(start, tmp_path):
    """In their own name; what cannot be calibrated is refused as it is over HTTP."""
    async with start(revised, topics=()) as model:
        desk = Desk(tmp_path, f"{model.url}/v1")
        await desk.set_up(3)
        ask = ("calibrations", "start", "--prompts", "prompts.jsonl", "--alpha", "0.2", "--streamed")
        code, out, err = await desk.run(*ask)
        assert (0, "") == (code, err)
        (job_id, _) = out.split(":", 1)
        code, out, _ = await desk.run("calibrations", "show", job_id)
        assert (0, [True] * 4) == (
            code,
            [word in out for word in ("waiting", "level: 0.2", "streamed: True", "by cli:")],
        )
        assert (0, f"{job_id}: cancelled\n") == (await desk.run("calibrations", "cancel", job_id))[:2]
        code, _, err = await desk.run(*ask, "--tries", "2")
        assert (2, True) == (code, "1 prompts of 2" in err)


async def test_a_job_that_there_is_not_is_not_found(start):
    """By no route."""
    async with start(revised, admin_key="boss") as started, talking(started) as admin:
        ways = (("GET", ""), ("GET", "/events"), ("POST", "/cancel"))
        found = [(await admin.request(method, f"/calibrations/nobody{end}")).status_code for method, end in ways]
    assert [404, 404, 404] == found


WORKER = """
import asyncio, sys
from gateway.parts import open_gateway
from gateway.jobs.taking import taking_jobs
from gateway.jobs.working import Pace
from gateway.settings import given_settings

async def main(database, url):
    settings = given_settings(database=database, upstream_url=url, rounds=2)
    pace = Pace(hold_s=3, save_s=0.05, pause_s=0, look_s=0.05)
    async with open_gateway(settings) as gateway, taking_jobs(lambda: gateway, name="killed", pace=pace):
        await asyncio.sleep(600)

asyncio.run(main(*sys.argv[1:]))
"""


async def _killed_in_the_middle(gateway, model, address):
    """Ask for a job, have another process begin it and kill that; give the job as it was left."""
    quick = model.upstream.complete

    async def slow(request):
        await asyncio.sleep(0.02)
        return await quick(request)

    model.upstream.complete = slow
    jobs = CalibrationJobs(gateway.store.database)
    job = await ask_for(gateway, jobs, probes(40), Wish(0.1), model="m", concurrency=2, asked_by="admin:ida")
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", WORKER, address, f"{model.url}/v1")
    try:
        while (await jobs.job(job.id)).done < 5:
            assert process.returncode is None
            await asyncio.sleep(0.02)
    finally:
        process.kill()
        await process.wait()
    left = await jobs.job(job.id)
    assert ("running", True) == (left.state, left.done < 40)
    return left


async def _ended(jobs, job_id):
    """Wait for a job's end."""
    while not (job := await jobs.job(job_id)).ended:  # noqa: ASYNC110 - another task ends it
        await asyncio.sleep(0.05)
    return job


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_a_job_whose_process_is_killed_is_resumed_by_another_to_the_same_certificate(
    start, request, tmp_path, kind
):
    """kill -9 in the middle. What was saved is asked nobody again, and the promise is that of one run."""
    address = str(tmp_path / "site.db")
    if kind == "postgresql":
        address = request.getfixturevalue("postgres").new_database()
    async with start(revised, topics=()) as model:
        settings = given_settings(database=address, upstream_url=f"{model.url}/v1", rounds=2)
        async with open_gateway(settings) as gateway:
            await gateway.store.add(MAREN)
            left = await _killed_in_the_middle(gateway, model, address)
            before = len(model.upstream.requests)
            async with taking_jobs(lambda: gateway, name="b", pace=QUICK):
                job = await asyncio.wait_for(_ended(CalibrationJobs(gateway.store.database), left.id), 60)
            asked = len(model.upstream.requests) - before
            assert ("done", 40) == (job.state, job.done)
            in_flight = asked - 2 * (40 - left.done)  # what the killed process had asked may arrive after it
            assert 0 <= in_flight <= 2
            (kept,) = await gateway.store.certificates()
            whole = await calibrate(
                gateway, prompts_of(probes(40)), Wish(0.1), model="m", trajectories=tmp_path / "t.jsonl",
                labels=None, created=job.created_at, progress=lambda *_: None,
            )  # fmt: skip
    assert json.loads(whole.to_json()) == kept.body


async def test_lethe_serve_takes_jobs_up_beside_serving(start, tmp_path):
    """The command as an operator starts it; on SIGTERM it ends."""
    async with start(revised, topics=()) as model:
        settings = given_settings(database=str(tmp_path / "site.db"), upstream_url=f"{model.url}/v1")
        async with open_gateway(settings) as gateway:
            await gateway.store.add(MAREN)
            jobs = CalibrationJobs(gateway.store.database)
            job = await ask_for(
                gateway, jobs, probes(40), Wish(0.1), model="m", concurrency=4, asked_by="admin:ida"
            )
            environment = {key: value for key, value in os.environ.items() if not key.startswith("LETHE_")}
            serve = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", "from gateway.cli import main; main()", "serve", "--port", "0"),
                *("--database", settings.database, "--upstream", f"{model.url}/v1"),
                env=environment,
                stderr=asyncio.subprocess.PIPE,
            )
            try:
                job = await asyncio.wait_for(_ended(jobs, job.id), 100)
            finally:
                serve.terminate()
                _, said = await serve.communicate()
            (kept,) = await gateway.store.certificates()
    assert ("done", kept.id) == (job.state, job.certificate_id)
    assert ("calibration_left" in said.decode(), "Maren" in said.decode()) == (True, False)
