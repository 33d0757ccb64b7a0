"""Certificates over the admin API of a started gateway: listed, put in force, rolled back."""

from __future__ import annotations

import json
from dataclasses import replace

import httpx

from calibration.issue import issue_certificate
from calibration.trajectories import Candidate, Recording, Trajectory
from gateway.guard.policy import Closed


async def made(started, *, count: int = 60, generator: str | None = None):
    """Keep a certificate of so many prompts in the store, inactive."""
    async with started.gateway.policies.for_calibration("m") as subject:
        bindings = replace(subject.bindings, prompts="p")
    if generator is not None:
        bindings = replace(bindings, generator=generator)
    leak = (Candidate(0, 0.5, leak=True),)
    recording = Recording(bindings, tuple(Trajectory(f"p{n}", leak, topic="maren") for n in range(count)))
    one = issue_certificate(recording, level=0.1, confidence=0.95, created="2026-01-31T12:00:00Z")
    await started.gateway.store.put_certificate(one.id, json.loads(one.to_json()))
    return one


def talking(started) -> httpx.AsyncClient:
    """Ask with the admin key."""
    return httpx.AsyncClient(base_url=f"{started.url}/admin/certificates", headers={"x-admin-key": "boss"})


async def in_force(started) -> str | None:
    """Name the certificate that the gateway serves under."""
    rule = (await started.gateway.policies.now("m"))[1]
    return None if isinstance(rule, Closed) else rule.certificate_id


async def test_certificates_are_put_in_force_one_after_another_and_rolled_back_in_turn(start):
    """Going back leads further back each time, and ends where there was nothing before."""
    async with (
        start(["x"], admin_key="boss", without_certificate="fallback") as started,
        talking(started) as admin,
    ):
        ids = [(await made(started, count=count)).id for count in (60, 61, 62)]
        for number, id_ in enumerate(ids):
            answer = await admin.post(f"/{id_}/activate")
            assert (200, id_) == (answer.status_code, await in_force(started)), number
        for current, before in ((ids[2], ids[1]), (ids[1], ids[0])):
            back = await admin.post(f"/{current}/rollback")
            assert (before, before) == (back.json()["id"], await in_force(started))
        assert 409 == (await admin.post(f"/{ids[0]}/rollback")).status_code
        assert ids[0] == await in_force(started)
        assert 200 == (await admin.post(f"{started.url}/admin/deactivate-certificates")).status_code
        assert await in_force(started) is None


async def test_only_what_is_in_force_is_rolled_back_and_only_to_its_own_models(start):
    """A certificate of another generator is no certificate to go back to."""
    async with start(["x"], admin_key="boss") as started, talking(started) as admin:
        other, own = await made(started, generator="another"), await made(started)
        for one in (other, own):
            await admin.post(f"/{one.id}/activate")
        assert 409 == (await admin.post(f"/{own.id}/rollback")).status_code
        await admin.post(f"{started.url}/admin/deactivate-certificates")
        assert 409 == (await admin.post(f"/{own.id}/rollback")).status_code
        assert 404 == (await admin.post("/unknown/rollback")).status_code


async def test_certificates_are_listed_and_given_whole(start):
    """The newest first, with what is in force; the body is the certificate as it was issued."""
    async with start(["x"], admin_key="boss") as started, talking(started) as admin:
        first, second = await made(started, count=60), await made(started, count=61)
        await admin.post(f"/{first.id}/activate")
        listed = (await admin.get(f"{started.url}/admin/certificates")).json()["certificates"]
        whole = (await admin.get(f"/{first.id}")).json()
        assert 404 == (await admin.get("/unknown")).status_code
    assert [(second.id, False), (first.id, True)] == [(one["id"], one["active"]) for one in listed]
    assert json.loads(first.to_json()) == whole["body"]


async def test_nothing_is_put_in_force_that_lets_nothing_out_or_is_not_sound(start):
    """400, and nothing changes."""
    async with start(["x"], admin_key="boss") as started, talking(started) as admin:
        few = await made(started, count=3)
        assert 400 == (await admin.post(f"/{few.id}/activate")).status_code
        await started.gateway.store.put_certificate("forged", {"id": "forged"})
        assert 400 == (await admin.post("/forged/activate")).status_code
        assert 404 == (await admin.post("/unknown/activate")).status_code
        assert () == await started.gateway.store.active_certificates()
