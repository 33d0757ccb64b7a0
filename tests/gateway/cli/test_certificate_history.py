"""`lethe certificate list|rollback` on a real database."""

from __future__ import annotations

import asyncio
import json

import pytest
from typer.testing import CliRunner

from calibration.issue import issue_certificate
from gateway.cli import app
from gateway.store.store import Store
from tests.calibration.samples import CREATED, recording


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


@pytest.fixture
def kept(terminal):
    """The id of a certificate that lies in the database and in no file, as a calibration job leaves it."""
    certificate = issue_certificate(recording(), level=0.1, confidence=0.9, created=CREATED)

    async def fill():
        store = await Store.open(terminal.folder / "lethe.db")
        await store.put_certificate(certificate.id, json.loads(certificate.to_json()))
        await store.aclose()

    asyncio.run(fill())
    return certificate.id


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("show", "With confidence 90 %"),
        ("verify", "its threshold follows from its evidence"),
        ("report --out {report.html}", "With confidence 90 %"),
        ("activate", "is in force (policy revision 2)"),
    ],
)
def test_a_certificate_of_the_database_goes_by_its_id(terminal, kept, command, words):
    """As those of calibration jobs must, which are in no file."""
    assert words in terminal.done(f"certificate {command} {kept} --database {{lethe.db}}")


def test_an_id_that_the_database_lacks_is_refused(terminal, kept):
    """With the way to those that there are."""
    said = terminal("certificate activate 0123456789abcdef --database {lethe.db}")
    assert (3, True) == (said.exit_code, "`lethe certificate list`" in said.stderr)
