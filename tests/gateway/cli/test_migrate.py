"""`lethe migrate`, on a real database."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from gateway.cli import app


@pytest.fixture
def says(tmp_path):
    """Run a command on a database of the test's own."""

    def run(*words):
        return CliRunner().invoke(app, [*words], env={"LETHE_DATABASE": str(tmp_path / "lethe.db")})

    return run


def test_a_database_is_made_and_left_alone_when_it_is_there(says):
    """A hook may run as often as it likes."""
    assert (0, "the database is of this version; it holds 0 topics\n") == (
        (first := says("migrate")).exit_code,
        first.stdout,
    )
    assert 0 == says("topics", "add", "--name", "Maren Oskeld").exit_code
    assert "the database is of this version; it holds 1 topic\n" == says("migrate").stdout


def test_a_database_of_another_program_is_refused(says, tmp_path):
    """With an exit code that stops an upgrade."""
    (tmp_path / "lethe.db").write_text(
        "not a database, and much longer than the header of one would have to be" * 9
    )
    assert 0 != says("migrate").exit_code
