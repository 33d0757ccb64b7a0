"""`lethe calibrations` on a real database."""

from __future__ import annotations

import asyncio

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.store.calibration_jobs import CalibrationJobs
from gateway.store.calibration_records import NewJob
from gateway.store.store import Store


@pytest.fixture
def says(tmp_path):
    """Run `lethe calibrations …` on a database with one job, which a process works at."""

    async def prepare():
        store = await Store.open(tmp_path / "lethe.db")
        jobs = CalibrationJobs(store.database)
        await jobs.add(NewJob("j1", "m", {"level": 0.1}, '{"prompt": "Seltal?"}\n', 7, "admin:ida"))
        await jobs.claim("a", hold_s=600)
        await store.aclose()

    asyncio.run(prepare())

    def run(*command):
        environment = {"LETHE_DATABASE": str(tmp_path / "lethe.db"), "COLUMNS": "200"}
        return CliRunner().invoke(app, ["calibrations", *command], env=environment)

    return run


def test_calibrations_are_listed_and_cancelled(says):
    """With how far they are, and nothing of their prompts."""
    listed = says("list").output
    assert ([True] * 4, False) == (
        [word in listed for word in ("j1", "admin:ida", "running", "0 of 7")],
        "Seltal" in listed,
    )
    assert (0, "j1: cancelling\n") == ((done := says("cancel", "j1")).exit_code, done.output)
    assert "cancelling" in says("list").output


def test_a_calibration_is_shown(says):
    """With what it should promise."""
    shown = says("show", "j1").output.splitlines()
    assert ["state: running", "recorded: 0 of 7 prompts", "model: m", "level: 0.1"] == [
        line for line in shown if line.split(":")[0] in ("state", "recorded", "model", "level")
    ]


@pytest.mark.parametrize("command", ["show", "cancel"])
def test_a_calibration_that_there_is_not_is_not_found(says, command):
    """Exit code 3."""
    assert 3 == says(command, "nobody's").exit_code
