"""Settings: one source for every command, and no misspelt or empty one that leaves a door open."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.errors import InvalidInput
from gateway.settings import given_settings
from gateway.settings_reading import read_settings


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, and an environment without settings."""
    monkeypatch.chdir(tmp_path)
    for name in ("LETHE_DATABASE", "LETHE_UPSTREAM_URL", "LETHE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ({"LETHE_ROUNDZ": "3"}, "did you mean LETHE_ROUNDS"),
        ({"LETHE_API_KEY": ""}, "LETHE_API_KEY"),
        ({"LETHE_ADMIN_KEY": ""}, "LETHE_ADMIN_KEY"),
        ({"LETHE_VERIFIERS": "lexical"}, "written as JSON"),
        ({"LETHE_VERIFIERS": "[]"}, "LETHE_VERIFIERS"),
        ({"LETHE_ROUNDS": "0"}, "LETHE_ROUNDS"),
        ({"LETHE_UPSTREAM_URL": "localhost:9000"}, "http://"),
        ({"LETHE_UPSTREAM_URL": "http://a/v1", "LETHE_MODEL_DIR": "m"}, "not both"),
        ({"LETHE_FALLBACK": "custom"}, "LETHE_FALLBACK_TEXT"),
        ({"LETHE_READ_TIMEOUT_S": "30", "LETHE_DEADLINE_S": "30"}, "LETHE_READ_TIMEOUT_S=30 must be shorter"),
        (
            {"LETHE_UPSTREAMS": '[{"name": "a", "url": "http://a", "read_timeout_s": 120}]'},
            "read_timeout_s=120 of a must be shorter than LETHE_DEADLINE_S=120",
        ),
    ],
)
def test_a_setting_that_cannot_be_meant_is_named(monkeypatch, said, complaint):
    """A misspelt name is refused too: its default would stay in force."""
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InvalidInput, match=complaint):
        read_settings()


def test_variables_of_the_tests_are_nobodys_settings(monkeypatch):
    """A session that runs the tests may have them; others that begin alike are still refused."""
    monkeypatch.setenv("LETHE_TEST_VLLM_PYTHON", "python")
    assert 5 == read_settings().rounds
    monkeypatch.setenv("LETHE_TESTS", "1")
    with pytest.raises(InvalidInput, match="LETHE_TESTS"):
        read_settings()


def test_a_server_that_hangs_fails_before_the_deadline():
    """By default after half of it, whatever it is; the breaker counts nothing else."""
    assert (60.0, 5.0, 7.0) == (
        given_settings().longest_read_s,
        given_settings(deadline_s=10).longest_read_s,
        given_settings(deadline_s=10, read_timeout_s=7).longest_read_s,
    )


def test_a_misspelt_name_in_the_env_file_is_refused(folder):
    """It is read like the environment; names of other programs are none of ours."""
    (folder / ".env").write_text("OTHER=1\nLETHE_ROUNDS=3\n")
    assert 3 == read_settings().rounds
    (folder / ".env").write_text("LETHE_ROUNDZ=3\n")
    with pytest.raises(InvalidInput, match="LETHE_ROUNDZ"):
        read_settings()


def test_an_env_file_that_is_no_text_is_one_line(folder):
    """Not a traceback."""
    (folder / ".env").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidInput, match=r"\.env"):
        read_settings()


def test_topics_go_into_the_database_that_the_gateway_reads(folder):
    """`lethe topics` takes LETHE_DATABASE from .env like `lethe serve`, and says where it wrote."""
    (folder / ".env").write_text("LETHE_DATABASE=from-env.db\n")
    done = CliRunner().invoke(app, ["topics", "add", "--name", "Maren Oskeld"])
    assert (0, True, False) == (done.exit_code, (folder / "from-env.db").exists(), (folder / "lethe.db").exists())
    assert str(folder / "from-env.db") in done.stdout


def test_given_settings_ignore_the_environment(monkeypatch):
    """The demo must not change with the operator's own settings."""
    monkeypatch.setenv("LETHE_ROUNDS", "9")
    assert (5, 9) == (given_settings().rounds, read_settings().rounds)


@pytest.mark.parametrize("command", [["calibrate", "--prompts", "p.jsonl"], ["certificate", "deactivate"]])
def test_a_mistyped_database_is_not_begun(folder, command):
    """Only adding a topic begins one."""
    (folder / "p.jsonl").write_text('{"prompt": "Who?", "forbidden": ["x"]}')
    arguments = [
        *command,
        "--database",
        "typo.db",
        *(["--upstream", "http://a/v1"] if "calibrate" in command else []),
    ]
    done = CliRunner().invoke(app, arguments)
    assert (3, False) == (done.exit_code, (folder / "typo.db").exists()), done.output
