"""`lethe keys topics|exempt|fallback` on a real database."""

from __future__ import annotations

import asyncio

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.store.records import Fallback, KeyTopic
from gateway.store.store import Store


@pytest.fixture
def says(tmp_path):
    """Run `lethe …` on a database with one topic and one key."""

    def run(*words):
        environment = {"LETHE_DATABASE": str(tmp_path / "lethe.db"), "COLUMNS": "200"}
        return CliRunner().invoke(app, list(words), env=environment)

    run("topics", "add", "--name", "Maren", "--inactive")
    run("keys", "create", "alice")
    return run


@pytest.fixture
def key(tmp_path):
    """Read the one key."""

    async def read():
        store = await Store.open(tmp_path / "lethe.db", create=False)
        try:
            return (await store.policy()).keys[0]
        finally:
            await store.aclose()

    return lambda: asyncio.run(read())


def test_a_key_gets_a_topic_more_an_exemption_and_a_fallback(says, key):
    """And loses each of them again."""
    assert 0 == says("keys", "topics", "alice", "--add", "maren").exit_code
    assert (KeyTopic("maren", "extra"),) == key().topics
    assert "+maren" in says("keys", "list").output
    assert 0 == says("keys", "exempt", "alice", "maren", "--reason", "on request").exit_code
    assert (KeyTopic("maren", "exempt", "on request"),) == key().topics
    assert 0 == says("keys", "exempt", "alice", "maren", "--end").exit_code
    assert () == key().topics
    assert 0 == says("keys", "fallback", "alice", "--text", "Ask the desk.").exit_code
    assert Fallback("custom", "Ask the desk.") == key().fallback
    assert 0 == says("keys", "fallback", "alice", "--lift").exit_code
    assert None is key().fallback


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("keys exempt alice maren", "--reason"),
        ("keys exempt alice maren --reason r --end", "--reason"),
        ("keys exempt nobody maren --reason r", "no key"),
        ("keys topics alice --add unknown", "no topic"),
        ("keys topics alice", "--add"),
        ("keys topics alice --drop maren", "neither more nor less"),
        ("keys fallback alice --style loud", "unaware or refuse"),
        ("keys fallback alice", "--style"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(says, words, complaint):
    """And nothing is changed."""
    result = says(*words.split())
    assert 0 != result.exit_code
    assert complaint in result.output
