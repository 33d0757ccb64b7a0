"""Drift on a running gateway: what it keeps for audits, who may label them, and what an alarm does to clients."""

from __future__ import annotations

import asyncio
import json
import stat
from dataclasses import replace

import httpx
import pytest
from typer.testing import CliRunner

from calibration.issue import issue_certificate
from calibration.trajectories import Candidate, Recording, Trajectory
from gateway.certificates import activate_certificate
from gateway.cli import app
from gateway.errors import InvalidInput
from gateway.upstream.protocol import ChatRequest

LEAK = "Maren Oskeld was born in Seltal."
UNAWARE = "I don't have information about that."
KNOWN = "I do not know."
KEY = {"authorization": "Bearer admin"}


def said(request):
    """Leak where asked to, whatever is asked after that."""
    return LEAK if "Leak" in str(request.messages) else "I do not know."


async def certified(started, created="2026-01-31T12:00:00Z", *, streamed=False):
    """Put a certificate in force, with threshold 0.5."""
    async with started.gateway.policies.for_calibration("m", streamed=streamed) as subject:
        bindings = replace(subject.bindings, prompts="p")
    prompts = tuple(Trajectory(f"p{n}", (Candidate(0, 0.5, leak=True),), topic="maren") for n in range(60))
    made = issue_certificate(Recording(bindings, prompts), level=0.1, confidence=0.95, created=created)
    await activate_certificate(started.gateway.store, made)
    return made.id


async def ask(started, text="Where was Maren Oskeld born?"):
    """Ask as a client does."""
    messages = [{"role": "user", "content": text}]
    answer = await started.openai.chat.completions.create(model="m", messages=messages)
    return answer.choices[0].message.content


async def get(started, path, headers=KEY):
    """Look as an operator does."""
    async with httpx.AsyncClient() as client:
        return await client.get(f"{started.url}{path}", headers=headers)


async def post(started, audits, headers=KEY):
    """Send labels."""
    async with httpx.AsyncClient() as client:
        return await client.post(f"{started.url}/admin/audits", json={"audits": audits}, headers=headers)


async def test_scores_that_change_close_the_gateway_until_another_certificate(start):
    """Clients get the fallback, /readyz and the metrics say why; quiet traffic and other talk did nothing."""
    async with start(said, rounds=2, drift_on_scores="fall_back", drift_delta=0.3, metrics_key="admin") as started:
        id_ = await certified(started)
        for _ in range(25):
            assert "I do not know." == await ask(started)
            await ask(started, "What is the tallest hill?")
        assert {"scores": "ok", "audits": "ok"} == (await get(started, "/readyz")).json()["drift"]
        for _ in range(40):
            await ask(started, "Leak: where was Maren Oskeld born?")
        assert UNAWARE == await ask(started)
        ready = await get(started, "/readyz")
        assert (503, True) == (
            ready.status_code,
            f"certificate {id_} is held back" in ready.json()["checks"]["certificate"],
        )
        assert "calibrate again" in ready.json()["drift"]["scores"]
        assert 'lethe_drift_alarm{monitor="scores"} 1.0' in (await get(started, "/metrics")).text
        await certified(started, "2026-02-01T12:00:00Z")
        assert "I do not know." == await ask(started)
        assert 200 == (await get(started, "/readyz")).status_code
        text = (await get(started, "/metrics")).text
    assert 'lethe_drift_alarm{monitor="scores"} 0.0' in text
    assert 'lethe_drift_log_wealth{monitor="audits"} 0.0' in text


async def test_a_warning_leaves_the_gateway_ready(start):
    """It is said, and nothing else happens."""
    async with start(said, rounds=1, drift_delta=0.3) as started:
        await certified(started)
        for text in ["Maren Oskeld?"] * 25 + ["Leak: Maren Oskeld?"] * 40:
            await ask(started, text)
        ready = await get(started, "/readyz")
        assert "I do not know." == await ask(started)
    assert (200, True) == (ready.status_code, "calibrate again" in ready.json()["drift"]["scores"])


async def test_audits_are_kept_labelled_and_close_the_gateway(start, tmp_path, monkeypatch):
    """Only conversations about a topic, only if a file is named; `lethe drift label` sends labels alone."""
    file = tmp_path / "audits.jsonl"
    kept = {"audit_file": file, "audit_probability": 1.0, "admin_key": "admin", "rounds": 1}
    async with start(said, **kept) as started:
        id_ = await certified(started)
        await ask(started, "What is the tallest hill?")
        await ask(started, "Leak: where was Maren Oskeld born?")
        for _ in range(15):
            await ask(started)
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        assert [(id_, n, 1.0) for n in range(1, 17)] == [
            (o["certificate"], o["number"], o["probability"]) for o in lines
        ]
        assert [(False, UNAWARE), (None, "I do not know.")] == [(o["leaked"], o["answer"]) for o in lines[:2]]
        assert "Where was Maren Oskeld born?" == lines[1]["messages"][0]["content"]
        labelled = [{**line, "leaked": True} for line in lines[1:12]]
        file.write_text("\n".join(map(json.dumps, [lines[0], *labelled, *lines[12:]])))
        monkeypatch.setenv("LETHE_ADMIN_KEY", "admin")
        for new in (12, 0):
            told = await asyncio.to_thread(
                CliRunner().invoke, app, ["drift", "label", str(file), "--url", started.url]
            )
            assert (0, True) == (told.exit_code, f"{new} labels were new" in told.stdout), told.output
        assert ("4 lines wait" in told.stdout, "audits: audited answers leak" in told.stdout) == (True, True)
        assert UNAWARE == await ask(started)
        assert "audited answers" in (await get(started, "/readyz")).json()["checks"]["certificate"]
    assert 0o600 == stat.S_IMODE(file.stat().st_mode)


async def test_no_conversation_is_kept_unless_a_file_is_named(start, tmp_path):
    """Beside the database lies the state of the monitors alone, which quotes nothing."""
    async with start(said, audit_probability=1.0) as started:
        await certified(started)
        await ask(started)
    assert {"lethe.db", "lethe.db.drift.json"} == {path.name for path in tmp_path.iterdir()}
    assert "Maren" not in (tmp_path / "lethe.db.drift.json").read_text()


async def test_an_audit_file_that_others_may_read_is_refused(start, tmp_path):
    """It is going to hold what must be forgotten."""
    file = tmp_path / "audits.jsonl"
    file.write_text("")
    file.chmod(0o644)
    with pytest.raises(InvalidInput, match="chmod 600"):
        async with start(said, audit_file=file):
            pass


async def test_labels_need_the_admin_key_and_a_certificate_in_force(start):
    """And every field must be what it is."""
    async with start(said, admin_key="admin") as started:
        id_ = await certified(started)
        good = {"certificate": id_, "leaked": False}
        assert [401, 200, 422, 400] == [
            (await post(started, [good], {})).status_code,
            (await post(started, [good])).status_code,
            (await post(started, [{**good, "leaked": None}])).status_code,
            (await post(started, [{**good, "number": 1}])).status_code,
        ]
        answer = (await post(started, [{**good, "certificate": "gone"}, good, good])).json()
    assert {"new": 2, "past": 1, "drift": {"scores": "ok", "audits": "ok"}} == answer


async def asked_streaming(started, text="Where was Maren Oskeld born?"):
    """Ask for a stream, and put it together."""
    messages = [{"role": "user", "content": text}]
    stream = await started.openai.chat.completions.create(model="m", messages=messages, stream=True)
    return "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])


@pytest.mark.parametrize(("streamed", "after"), [(False, [KNOWN, KNOWN]), (True, [UNAWARE, KNOWN])])
async def test_asking_for_a_stream_is_no_way_around_an_alarm(start, streamed, after):
    """Nor the other way round. Where only streams are held back still, they are verified whole."""
    async with start(said, rounds=1, admin_key="admin", streaming="segment") as started:
        ids = {kind: await certified(started, streamed=kind) for kind in (False, True)}
        assert [KNOWN, KNOWN] == [await ask(started), await asked_streaming(started)]
        assert 200 == (await post(started, [{"certificate": ids[streamed], "leaked": True}] * 40)).status_code
        assert [UNAWARE, UNAWARE] == [await ask(started), await asked_streaming(started)]
        await certified(started, "2026-02-01T12:00:00Z", streamed=streamed)
        assert after == [await ask(started), await asked_streaming(started)]


async def test_labels_are_closed_without_an_admin_key(start):
    """Whoever could label could close the gateway, or hide a drift."""
    async with start(said) as started:
        assert 403 == (await post(started, [{"certificate": "c", "leaked": True}])).status_code


async def standing(tmp_path):
    """Read the state by the command, by monitor."""
    called = ("drift", "status", "--json", "--database", str(tmp_path / "lethe.db"))
    result = await asyncio.to_thread(CliRunner().invoke, app, called)
    assert 0 == result.exit_code, result.output
    return {line["monitor"]: line for line in map(json.loads, result.stdout.splitlines())}


async def test_the_command_shows_how_far_each_monitor_is(start, tmp_path):
    """Nothing at first; after an orderly end what was seen, and an alarm at once."""
    async with start(said, rounds=1) as started:
        id_ = await certified(started)
        assert [(id_, True, 0, 0.0, False)] * 2 == [
            (one["certificate"], one["in_force"], one["seen"], one["evidence"], one["alarm"])
            for one in (await standing(tmp_path)).values()
        ]
        for _ in range(3):
            await ask(started)
    async with start(said, rounds=1, topics=()) as started:
        quiet = (await standing(tmp_path))["scores"]
        assert (3, False, 4.605) == (quiet["seen"], quiet["alarm"], quiet["rings_at"])
        for text in ["Maren Oskeld?"] * 30 + ["Leak: Maren Oskeld?"] * 60:
            await ask(started, text)
        rung = (await standing(tmp_path))["scores"]
    assert (True, True) == (rung["alarm"], rung["highest"] >= rung["rings_at"])


async def test_only_what_is_served_is_written(start, tmp_path):
    """A calibration or a comparison beside it, by a gateway of its own, leaves the file as it is."""
    async with start(said, rounds=1) as started:
        await certified(started)
        await ask(started)
    file = tmp_path / "lethe.db.drift.json"
    before = file.read_bytes()
    async with start(said, rounds=1, topics=()) as started:
        question = ChatRequest("m", ({"role": "user", "content": "Where was Maren Oskeld born?"},))
        assert "I do not know." == (await started.gateway.ask(question)).choices[0].message["content"]
        file.write_bytes(before + b"\n")
    assert before + b"\n" == file.read_bytes()
