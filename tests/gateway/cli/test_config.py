"""`lethe config`: says whether a file is sound, and prints its schema."""

from __future__ import annotations

import json

from typer.testing import CliRunner

from gateway.cli import app


def test_a_sound_file_is_said_to_be_sound(tmp_path, monkeypatch):
    """With exit code 0, and nothing of its values."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lethe.yaml").write_text("rounds: 3\nport: 81\n")
    done = CliRunner().invoke(app, ["config", "check", "lethe.yaml"])
    assert (0, "lethe.yaml is sound: it says 2 settings, the others keep their defaults\n") == (
        done.exit_code,
        done.stdout,
    )


def test_a_file_that_is_not_sound_is_one_line_and_exit_code_2(tmp_path, monkeypatch):
    """The line names file, line and setting."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lethe.yaml").write_text("roundz: 3\n")
    done = CliRunner().invoke(app, ["config", "check", "lethe.yaml"])
    assert (2, "lethe: lethe.yaml, line 1: roundz: ") == (done.exit_code, done.stderr[:35])


def test_the_schema_is_json():
    """On standard output, to be written into a file."""
    done = CliRunner().invoke(app, ["config", "schema"])
    assert (0, False) == (done.exit_code, json.loads(done.stdout)["additionalProperties"])
