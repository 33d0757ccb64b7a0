"""`lethe certificate list|rollback` on a real database."""

from __future__ import annotations

import asyncio

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.store.store import Store


@pytest.fixture
def says(tmp_path):
    """Run `lethe certificate …` on a database with two certificates, put in force in turn."""
    path = tmp_path / "lethe.db"

    async def fill():
        store = await Store.open(path)
        for id_ in ("c1", "c2"):
            await store.put_certificate(id_, {"id": id_, "bindings": {"generator": "g"}})
            await store.activate_certificate(id_)
        await store.aclose()

    asyncio.run(fill())
    return lambda command: CliRunner().invoke(
        app, ["certificate", *command.split(), "--database", str(path)], env={"COLUMNS": "200"}
    )


def test_the_one_before_is_put_in_force_again(says):
    """And listed so."""
    assert "certificate c1 is in force again" in says("rollback c2").output
    lines = [line for line in says("list").output.splitlines() if "in force" in line.split("put in force")[-1]]
    assert ["c1"] == [line.split()[0] for line in lines if line.split()[0] in ("c1", "c2")]


@pytest.mark.parametrize("command", ["rollback c1", "rollback unknown"])
def test_there_is_no_way_back_from_what_is_not_in_force(says, command):
    """Nor from what is not there."""
    assert 0 != says(command).exit_code
