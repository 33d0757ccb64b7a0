"""`lethe audit` through typer's own runner, on a real database."""

from __future__ import annotations

import json
import sqlite3

import pytest
from typer.testing import CliRunner

from gateway.cli import app


class Desk:
    """Somebody at a terminal, with a database that has seen three writes."""

    def __init__(self, folder):
        self.folder = folder
        self.database = folder / "lethe.db"
        for command in ("topics add --name Ada", "topics off ada", "keys create alice"):
            assert 0 == self.says(command).exit_code

    def says(self, command):
        """Run `lethe …`; words in braces are paths in the folder."""
        words = [str(self.folder / w[1:-1]) if w.startswith("{") else w for w in command.split()]
        environment = {"LETHE_DATABASE": str(self.database), "COLUMNS": "200", "LOGNAME": "ida"}
        return CliRunner().invoke(app, words, env=environment)

    def tamper(self, statement):
        """Change the log as somebody who drops the triggers."""
        connection = sqlite3.connect(self.database)
        for one in ("DROP TRIGGER audit_keeps_on_update", "DROP TRIGGER audit_keeps_on_delete", statement):
            connection.execute(one)
        connection.commit()
        connection.close()


@pytest.fixture
def desk(tmp_path):
    """Begin with three writes."""
    return Desk(tmp_path)


def test_the_log_is_listed_with_who_did_what(desk):
    """The newest last, as many as are asked for."""
    lines = desk.says("audit list").stdout.splitlines()
    assert [True] * 3 == [word in lines[5] for word in ("cli:ida", "topics.switch", "topic ada")]
    newest = desk.says("audit list --last 1").stdout
    assert [True, True, False] == [word in newest for word in ("keys.add", "cli:ida", "topics.add")]


def test_a_whole_log_is_verified_and_its_head_found_again(desk):
    """Also after more was written."""
    head = desk.says("audit head").stdout.strip()
    desk.says("topics on ada")
    done = desk.says(f"audit verify --head {head}")
    assert (0, True) == (done.exit_code, "5 rows" in done.stdout), done.output


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE audit SET entry = replace(entry, 'ida', 'eve') WHERE number = 3", "row 3 was edited"),
        ("DELETE FROM audit WHERE number = 2", "row 2 is missing"),
        ("DELETE FROM audit WHERE number = 4", "row 3, the last"),
    ],
)
def test_a_broken_log_is_an_error_that_names_the_row(desk, statement, words):
    """And has no head."""
    desk.tamper(statement)
    for command in ("audit verify", "audit head"):
        done = desk.says(command)
        assert (1, "", True) == (done.exit_code, done.stdout, words in done.stderr), done.output


def test_an_exported_log_is_verified_without_the_database(desk):
    """Line by line; an edited one is found, and so is one that lacks its end, by a head."""
    head = desk.says("audit head").stdout.strip()
    assert 0 == desk.says("audit export --out {log.jsonl}").exit_code
    assert 0 == desk.says(f"audit verify --file {{log.jsonl}} --head {head}").exit_code
    lines = (desk.folder / "log.jsonl").read_text().splitlines(keepends=True)
    assert ["number", "entry", "previous", "hash"] == list(json.loads(lines[0]))
    assert "".join(lines) == desk.says("audit export").stdout
    for wrong in ("".join(lines).replace("ida", "eve"), "".join(lines[:-1])):
        (desk.folder / "wrong.jsonl").write_text(wrong)
        assert 1 == desk.says(f"audit verify --file {{wrong.jsonl}} --head {head}").exit_code


@pytest.mark.parametrize("text", ["no json\n", "{}\n", '{"number": 1}\n'])
def test_what_is_no_export_is_refused_with_its_line(desk, text):
    """Rather than verified as an empty log."""
    (desk.folder / "other").write_text(text)
    refused = desk.says("audit verify --file {other}")
    assert (2, True) == (refused.exit_code, "line 1" in refused.stderr), refused.output
    assert 2 == desk.says("audit verify --file {nowhere}").exit_code


def test_an_export_overwrites_nothing(desk):
    """The log of yesterday stays what it was."""
    (desk.folder / "log.jsonl").write_text("yesterday")
    assert 2 == desk.says("audit export --out {log.jsonl}").exit_code
    assert "yesterday" == (desk.folder / "log.jsonl").read_text()
