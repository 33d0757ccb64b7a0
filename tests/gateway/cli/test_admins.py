"""`lethe admins` on a real database."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from gateway.cli import app


@pytest.fixture
def says(tmp_path):
    """Run `lethe admins …` on a database of the test's own."""

    def run(command):
        environment = {"LETHE_DATABASE": str(tmp_path / "lethe.db"), "COLUMNS": "200"}
        return CliRunner().invoke(app, ["admins", *command.split()], env=environment)

    return run


def test_an_admin_key_is_made_listed_and_revoked(says):
    """It is printed once, alone on standard output."""
    made = says("create ida --role operator")
    assert (0, True) == (made.exit_code, made.stdout.startswith("lethe-admin-"))
    assert "ida" in says("list").output
    assert made.stdout.strip() not in says("list").output
    assert 0 == says("revoke ida").exit_code
    assert "revoked" in says("list").output


@pytest.mark.parametrize("command", ["create ida --role king", "create -- -- --role admin", "revoke nobody"])
def test_what_cannot_be_done_is_refused(says, command):
    """An unknown role, a bad name, nobody to revoke."""
    assert 0 != says(command).exit_code
