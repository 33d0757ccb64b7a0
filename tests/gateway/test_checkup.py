"""The doctor: each thing that can be wrong with a deployment is found, named, and comes with advice."""

from __future__ import annotations

import json
import sqlite3
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.app import create_app
from gateway.checkup import examined
from gateway.cli import app
from gateway.errors import UpstreamUnreachable
from gateway.parts import open_gateway
from gateway.serving import serving
from gateway.settings import given_settings
from gateway.store.records import ForgetTopic
from gateway.store.store import Store
from gateway.upstream.scripted import ScriptedUpstream
from verifiers.private.key import PrivateKey
from verifiers.private.topic import PrivateTopic, hash_topic
from verifiers.protocol import Topic

MAREN = ForgetTopic(Topic("maren", "Maren Oskeld"), active=True)
SOUND = {"admin_key": "a-long-random-text", "upstream_retries": 0}


@asynccontextmanager
async def model_server(folder: Path, *script):
    """Start an OpenAI-compatible server: a gateway that forgets nothing before a scripted model."""
    settings = given_settings(database=str(folder / "server.db"))
    upstream = ScriptedUpstream(script or ["Hello."], model="m")
    async with open_gateway(settings, upstream=upstream) as gateway, serving(create_app(gateway)) as url:
        yield f"{url}/v1"


@pytest.fixture
async def database(tmp_path: Path) -> Path:
    """A database of no topics."""
    store = await Store.open(tmp_path / "l.db")
    await store.aclose()
    return tmp_path / "l.db"


async def add(database: Path, *topics: ForgetTopic) -> None:
    """Write topics into it."""
    store = await Store.open(database)
    await store.add(*topics)
    await store.aclose()


async def found(now=None, **given):
    """Examine, and give the findings by their names."""
    return {
        one.name: one async for one in examined(given_settings(**{**SOUND, **given}), now or datetime.now(UTC))
    }


def states(findings) -> dict[str, str]:
    """Give the states alone."""
    return {name: one.state for name, one in findings.items()}


async def test_a_sound_deployment_has_nothing_to_fix(tmp_path, database):
    """Every check is made, and none of them advises anything."""
    async with model_server(tmp_path) as url:
        findings = await found(database=str(database), upstream_url=url)
    names = ["keys", "verifiers", "store", "audit log", "clock", "private topics", "certificate"]
    assert dict.fromkeys([*names, "upstream default", "streaming", "canary"], "ok") == states(findings)
    assert {""} == {one.advice for one in findings.values()}


async def test_an_active_topic_without_a_certificate_is_told(tmp_path, database):
    """Nothing but the fallback would go out; with zero evidence it is a warning."""
    await add(database, MAREN)
    async with model_server(tmp_path) as url:
        given = {"database": str(database), "upstream_url": url}
        closed = await found(**given)
        loose = await found(**given, without_certificate="zero-evidence")
    assert ("failed", "warning") == (closed["certificate"].state, loose["certificate"].state)
    assert "lethe calibrate" in closed["certificate"].advice


async def test_verifiers_that_let_the_canary_through_are_told(database):
    """Verbatim knows protected texts alone, and the canary has none."""
    findings = await found(database=str(database), verifiers=("verbatim",), screened_verifiers=())
    assert ("failed", "an answer told what was to be forgotten") == (
        findings["canary"].state,
        findings["canary"].found,
    )


async def test_a_server_that_is_not_there_is_named(database):
    """And what depends on it is left out, not guessed."""
    findings = await found(database=str(database), upstream_url="http://127.0.0.1:9/v1")
    assert {"upstream default": "failed", "streaming": "skipped", "certificate": "skipped", "store": "ok"} == {
        name: findings[name].state for name in ("upstream default", "streaming", "certificate", "store")
    }


async def test_a_model_that_its_server_does_not_list_is_named(tmp_path, database):
    """One server of two may be right."""
    async with model_server(tmp_path) as url:
        servers = [
            {"name": "a", "url": url, "models": {"m": "m"}},
            {"name": "b", "url": url, "models": {"m": "n"}},
        ]
        findings = await found(database=str(database), upstreams=servers)
    assert ("ok", "failed", "it does not list n") == (
        findings["upstream a"].state,
        findings["upstream b"].state,
        findings["upstream b"].found,
    )


async def test_a_stream_that_fails_is_told(tmp_path, database):
    """The server is there and lists its model, and does not answer."""
    async with model_server(tmp_path, UpstreamUnreachable("gone")) as url:
        findings = await found(database=str(database), upstream_url=url)
    assert ("ok", "failed") == (findings["upstream default"].state, findings["streaming"].state)


async def test_a_database_that_is_not_there_is_not_begun(tmp_path):
    """A mistyped path must not become an empty policy."""
    findings = await found(database=str(tmp_path / "typo.db"))
    assert ("failed", False) == (findings["store"].state, (tmp_path / "typo.db").exists())


async def test_an_edited_audit_log_is_told(database):
    """With the row."""
    await add(database, MAREN)
    with closing(sqlite3.connect(database)) as connection, connection:
        triggers = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for (name,) in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute("UPDATE audit SET entry = replace(entry, 'maren', 'other')")
    findings = await found(database=str(database))
    assert ("failed", True) == (findings["audit log"].state, "edited" in findings["audit log"].found)


async def test_private_topics_without_their_key_are_told(database, hashed):
    """An open gateway would not start."""
    await add(database, ForgetTopic(hashed, active=True))
    assert "failed" == (await found(database=str(database)))["private topics"].state


@pytest.fixture
def hashed() -> PrivateTopic:
    """A private topic, hashed with a key that nobody has any more."""
    return hash_topic(Topic("p", "Maren Oskeld"), PrivateKey(bytes(range(32))))


async def test_a_clock_that_is_behind_what_was_written_is_told(database):
    """Certificates and entries would come from the future."""
    await add(database, MAREN)
    findings = await found(now=datetime(2020, 1, 1, tzinfo=UTC), database=str(database))
    assert ("failed", "set this machine's clock") == (findings["clock"].state, findings["clock"].advice)


@pytest.mark.parametrize("given", [{"admin_key": None}, {"admin_key": "short"}])
async def test_keys_that_are_missing_or_short_are_a_warning(database, given):
    """The key itself is not in the words."""
    finding = (await found(database=str(database), **given))["keys"]
    assert ("warning", False) == (finding.state, "short" in finding.found)


def test_the_command_says_what_failed_and_exits_with_1(tmp_path, monkeypatch):
    """Line by line, and as JSON."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LETHE_UPSTREAM_URL", "http://127.0.0.1:9/v1")
    told = CliRunner().invoke(app, ["doctor"])
    assert (1, True) == (told.exit_code, "FAILED   store: " in told.stdout), told.output
    lines = CliRunner().invoke(app, ["doctor", "--json"]).stdout.splitlines()
    assert "failed" == {one["name"]: one["state"] for one in map(json.loads, lines)}["upstream default"]


def test_a_configuration_that_cannot_be_read_is_the_only_finding(tmp_path, monkeypatch):
    """Everything else hangs on it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lethe.yaml").write_text("roundz: 3\n")
    told = CliRunner().invoke(app, ["doctor", "--config", "lethe.yaml"])
    assert (1, 1) == (told.exit_code, told.stdout.count("FAILED"))
    assert "lethe.yaml, line 1: roundz" in told.stdout
