"""`lethe keys limit` and the limits of `lethe keys create`, on a real database."""

from __future__ import annotations

import asyncio

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.store.records import NO_LIMITS, KeyLimits
from gateway.store.store import Store


@pytest.fixture
def says(tmp_path):
    """Run `lethe keys …` on a database of the test's own."""

    def run(command):
        environment = {"LETHE_DATABASE": str(tmp_path / "lethe.db"), "COLUMNS": "200"}
        return CliRunner().invoke(app, ["keys", *command.split()], env=environment)

    return run


@pytest.fixture
def limits(tmp_path):
    """Read the one key's limits from the database."""

    async def read():
        store = await Store.open(tmp_path / "lethe.db", create=False)
        try:
            return (await store.policy()).keys[0].limits
        finally:
            await store.aclose()

    return lambda: asyncio.run(read())


def test_a_key_is_made_with_limits_and_they_are_listed(says, limits):
    """Every option reaches the store."""
    done = says("create alice --model m --model b --rpm 60 --tpm 9000 --concurrent 4")
    assert 0 == done.exit_code, done.output
    assert KeyLimits(("m", "b"), 60, 9000, 4) == limits()
    assert "models m b, rpm 60, tpm 9000, concurrent 4" in says("list").output


def test_limits_are_set_and_lifted_one_by_one(says, limits):
    """What is not named stays as it is."""
    says("create alice --model m --rpm 60")
    assert 0 == says("limit alice --rpm 5 --concurrent 2 --lift model").exit_code
    assert KeyLimits(None, 5, None, 2) == limits()
    assert "no limits" in says("limit alice --lift rpm --lift concurrent").output
    assert NO_LIMITS == limits()


@pytest.mark.parametrize(
    ("command", "code", "complaint"),
    [
        ("limit alice", 2, "name a limit"),
        ("limit alice --rpm 0", 2, "requests_per_minute"),
        ("limit alice --rpm 5 --lift rpm", 2, "not both"),
        ("limit bob --rpm 5", 3, "no key"),
    ],
)
def test_a_limit_that_cannot_be_set_is_an_error_and_changes_nothing(says, limits, command, code, complaint):
    """One line says what to do."""
    says("create alice --rpm 60")
    refused = says(command)
    assert (code, True) == (refused.exit_code, complaint in refused.stderr), refused.stderr
    assert KeyLimits(requests_per_minute=60) == limits()
