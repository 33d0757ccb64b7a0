"""Changing settings while the gateway runs: what takes effect, what is refused whole, what goes on meanwhile."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from gateway.errors import InvalidInput
from gateway.parts import open_gateway
from gateway.reloading import Reloading, reloading_on_change
from gateway.settings import HOT, Settings, given_settings
from gateway.store.records import ForgetTopic
from gateway.upstream.scripted import ScriptedUpstream
from verifiers.protocol import Topic

MAREN = ForgetTopic(Topic("maren", "Maren Oskeld"), active=True)
OPERATOR = {"authorization": "Bearer op"}


class Desk:
    """A gateway whose settings can be changed, and a client of it."""

    def __init__(self, given, told):
        self.given = given
        self.told = told
        self.app = None
        self.client = None
        self.upstream = None

    async def asked(self, text="hi"):
        """Ask, and read status and text."""
        body = {"model": "m", "messages": [{"role": "user", "content": text}]}
        answer = await self.client.post("/v1/chat/completions", json=body)
        return answer.status_code, answer.json()["choices"][0]["message"]["content"] if answer.is_success else None

    async def changed(self, **given):
        """Change settings and reload."""
        self.given.update(given)
        return await self.app.reload()


@pytest.fixture
def desk(tmp_path: Path):
    """Open a gateway before a scripted model."""

    @asynccontextmanager
    async def opened(*topics, **given):
        told = []
        it = Desk({"database": str(tmp_path / "l.db"), "metrics_key": "op", **given}, told)
        it.upstream = ScriptedUpstream(["fine"], model="m")

        def read():
            if "unreadable" in it.given:
                raise InvalidInput("lethe.yaml, line 3: roundz: there is no such setting")
            return given_settings(**it.given)

        def report(event, fields):
            told.append((event, dict(fields)))

        async with open_gateway(read(), upstream=it.upstream, report=report) as gateway:
            if topics:
                await gateway.store.add(*topics)
            it.app = Reloading(gateway, read)
            transport = httpx.ASGITransport(it.app)
            async with httpx.AsyncClient(base_url="http://lethe", transport=transport) as it.client:
                yield it

    return opened


async def test_a_setting_takes_effect_with_the_next_request(desk):
    """Here the fallback's words, and a key for clients."""
    async with desk(MAREN) as it:
        before = await it.asked()
        assert await it.changed(fallback="custom", fallback_text="Ask the archive.")
        assert (200, "Ask the archive.") == await it.asked()
        assert before != await it.asked()
        assert await it.changed(api_key="k")
        assert 401 == (await it.asked())[0]
    assert ("configuration_read", {"changed": ["fallback", "fallback_text"]}) in it.told


async def test_what_needs_a_restart_is_refused_together_with_the_rest(desk):
    """The settings in force are always those of one file."""
    async with desk(MAREN) as it:
        assert not await it.changed(port=81, fallback="refuse")
        assert "unaware" == it.app.parts.settings.fallback
        reason = it.told[-1][1]["reason"]
        shown = (await it.client.get("/metrics", headers=OPERATOR)).text
    assert "port: needs a restart; nothing was changed" == reason
    assert "lethe_configuration_refused 1.0" in shown


async def test_a_file_that_does_not_validate_leaves_the_old_settings_in_force(desk):
    """And says so; when it is sound again, it counts."""
    async with desk() as it:
        assert not await it.changed(unreadable=True, disclose=True)
        assert (200, "fine") == await it.asked()
        assert (
            "configuration_refused",
            {"reason": "lethe.yaml, line 3: roundz: there is no such setting"},
        ) == it.told[-2]
        del it.given["unreadable"]
        assert await it.changed()
        assert it.app.parts.settings.disclose
        assert "lethe_configuration_refused 0.0" in (await it.client.get("/metrics", headers=OPERATOR)).text


async def test_a_request_under_way_is_finished_by_the_model_that_began_it(desk):
    """Which is closed only then."""
    async with desk() as it:
        begun, go, well = asyncio.Event(), asyncio.Event(), it.upstream.complete

        async def slowly(request):
            begun.set()
            await go.wait()
            assert not it.upstream.closed
            return await well(request)

        it.upstream.complete = slowly
        asking = asyncio.create_task(it.asked())
        await begun.wait()
        assert await it.changed(upstream_url="http://127.0.0.1:9/v1", upstream_retries=0)
        assert (502, None) == await it.asked()
        go.set()
        assert (200, "fine") == await asking
        await asyncio.sleep(0.01)
        assert it.upstream.closed


async def test_a_toggle_is_seen_after_a_request_of_before_has_read_it(desk):
    """Who reads the store counts a write as seen; it must not be lost on those that serve by the new settings."""
    async with desk() as it:
        old = it.app.parts
        assert await it.changed(disclose=True)
        assert (200, "fine") == await it.asked()
        await it.app.parts.store.add(MAREN)
        await old.policies.now("m")
        assert (200, "fine") != await it.asked()


async def test_the_limits_of_keys_go_on_counting(desk):
    """Or a reload would hand out every minute's requests anew."""
    async with desk() as it:
        meters = it.app._meters
        assert await it.changed(disclose=True)
        assert meters is it.app._meters
        assert any(meters in middleware.kwargs.values() for middleware in it.app._app.user_middleware)


def test_every_hot_setting_is_one():
    """A list of names that nobody checks would go stale."""
    assert frozenset() == HOT - Settings.model_fields.keys()


async def test_a_changed_file_and_a_signal_reload(tmp_path):
    """Once each; a file that is away for a moment changes nothing."""
    seen = asyncio.Queue()

    class Told:
        async def reload(self):
            seen.put_nowait("reloaded")

    file = tmp_path / "lethe.yaml"
    file.write_text("rounds: 3\n")
    async with reloading_on_change(Told(), file, every_s=0.01):
        await asyncio.sleep(0.05)
        assert seen.empty()
        file.unlink()
        await asyncio.sleep(0.05)
        assert seen.empty()
        file.write_text("rounds: 44\n")
        assert "reloaded" == await asyncio.wait_for(seen.get(), 5)
        os.kill(os.getpid(), signal.SIGHUP)
        assert "reloaded" == await asyncio.wait_for(seen.get(), 5)
        await asyncio.sleep(0.05)
        assert seen.empty()
