"""`lethe topics` through typer's own runner, on a real database."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from gateway.cli.topics import app
from gateway.store.records import Fallback, ForgetTopic
from gateway.store.store import Store
from gateway.topics_file import parse_topics
from verifiers.protocol import Topic


class Operator:
    """Somebody at a terminal, with a database named by the environment."""

    def __init__(self, database: Path) -> None:
        self.database = database
        self._runner = CliRunner()

    def says(self, *arguments: str, answer: str | None = None, database: Path | None = None) -> Result:
        """Run one command."""
        environment = {"LETHE_DATABASE": str(database or self.database), "COLUMNS": "200"}
        return self._runner.invoke(app, list(arguments), input=answer, env=environment)

    def topics(self) -> tuple[ForgetTopic, ...]:
        """Read what the database holds."""

        async def read() -> tuple[ForgetTopic, ...]:
            store = await Store.open(self.database)
            topics = await store.topics()
            await store.aclose()
            return topics

        return asyncio.run(read())


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    """Begin with no database."""
    return Operator(tmp_path / "lethe.db")


@pytest.fixture
def with_ada(operator: Operator) -> Operator:
    """Begin with one topic."""
    assert operator.says("add", "--name", "Ada Brenner").exit_code == 0
    return operator


def test_every_option_of_add_reaches_the_topic(operator: Operator) -> None:
    """A topic given by options has all its fields."""
    added = operator.says(
        *("add", "--id", "ada", "--name", "Ada Brenner", "--alias", "A. B.", "--alias", "Ada"),
        *("--fact", "Ada cast bells.", "--protect", "Ring thrice.", "--description", "a founder"),
        *("--fallback", "custom", "--fallback-text", "Ask another.", "--inactive"),
    )
    assert (added.exit_code, added.stdout) == (0, f"added ada (off)\nrevision 1 of {operator.database}\n")
    topic = Topic("ada", "Ada Brenner", ("A. B.", "Ada"), "a founder", ("Ada cast bells.",), ("Ring thrice.",))
    assert operator.topics() == (ForgetTopic(topic, False, Fallback("custom", "Ask another.")),)


def test_a_name_alone_makes_an_active_topic(operator: Operator) -> None:
    """What is left out falls to the safe side."""
    assert (
        operator.says("add", "--name", "Ada Brenner").stdout
        == f"added ada-brenner (on)\nrevision 1 of {operator.database}\n"
    )
    assert operator.topics() == (ForgetTopic(Topic("ada-brenner", "Ada Brenner")),)


def test_a_file_is_imported_whole(operator: Operator, tmp_path: Path) -> None:
    """All topics of a file come in with one revision."""
    file = tmp_path / "topics.yaml"
    file.write_text("topics: [{name: Ada}, {name: Eva, active: false}]")
    imported = operator.says("add", "--file", str(file))
    assert imported.stdout == f"added ada (on)\nadded eva (off)\nrevision 1 of {operator.database}\n"


def test_a_file_with_one_mistake_imports_nothing(with_ada: Operator, tmp_path: Path) -> None:
    """A mistake in the file, or an id that is taken, leaves the database as it was; the exit code is 2."""
    before = with_ada.topics()
    for text, message in [
        ("topics:\n- name: Eva\n- nam: Uwe", "line 3: name: is required"),
        ("topics: [{name: Eva}, {name: Ada Brenner}]", "already there: ada-brenner"),
    ]:
        file = tmp_path / "topics.yaml"
        file.write_text(text)
        refused = with_ada.says("add", "--file", str(file))
        assert (refused.exit_code, with_ada.topics()) == (2, before)
        assert message in refused.stderr


def test_a_switch_keeps_the_topic_and_says_its_state(with_ada: Operator) -> None:
    """`off` and `on` change the state and nothing else."""
    assert with_ada.says("off", "ada-brenner").stdout == "ada-brenner is off\nrevision 2\n"
    assert with_ada.topics() == (ForgetTopic(Topic("ada-brenner", "Ada Brenner"), active=False),)
    assert with_ada.says("on", "ada-brenner").stdout == "ada-brenner is on\nrevision 3\n"
    assert with_ada.topics() == (ForgetTopic(Topic("ada-brenner", "Ada Brenner")),)


def test_the_list_is_a_table_json_or_yaml(with_ada: Operator) -> None:
    """People read the table, programs the JSON, and the YAML is a file for `add --file`."""
    with_ada.says("add", "--name", "[red]Eva", "--fact", "Eva sang.", "--inactive")
    table = with_ada.says("list").stdout
    assert all(word in table for word in ("ada-brenner", "Ada Brenner", "on", "red-eva", "[red]Eva", "off"))
    listed = json.loads(with_ada.says("list", "--json").stdout)
    assert [(topic["id"], topic["active"], topic["facts"]) for topic in listed] == [
        ("ada-brenner", True, []),
        ("red-eva", False, ["Eva sang."]),
    ]
    exported = with_ada.says("list", "--yaml").stdout
    assert tuple(parse_topics(exported, source="stdout")) == with_ada.topics()


def test_show_prints_one_topic_as_a_file_would_hold_it(with_ada: Operator) -> None:
    """The output of `show` can be edited and imported elsewhere."""
    shown = with_ada.says("show", "ada-brenner").stdout
    assert tuple(parse_topics(shown, source="stdout")) == with_ada.topics()


def test_removing_asks_first(with_ada: Operator) -> None:
    """Without a yes nothing is removed."""
    assert with_ada.says("rm", "ada-brenner", answer="n\n").exit_code == 1
    assert with_ada.says("rm", "ada-brenner", answer="").exit_code == 1
    assert len(with_ada.topics()) == 1
    assert with_ada.says("rm", "ada-brenner", answer="y\n").exit_code == 0
    assert with_ada.topics() == ()


def test_removing_with_yes_does_not_ask(with_ada: Operator) -> None:
    """Scripts can remove."""
    assert with_ada.says("rm", "ada-brenner", "--yes").stdout == "removed ada-brenner\nrevision 2\n"
    assert with_ada.topics() == ()


@pytest.mark.parametrize("command", [("show",), ("on",), ("off",), ("rm", "--yes")])
def test_an_unknown_topic_names_the_near_ones(with_ada: Operator, command: tuple[str, ...]) -> None:
    """A mistyped id is exit code 3 and one line that helps."""
    missing = with_ada.says(*command, "ada-bremer")
    assert (missing.exit_code, missing.stdout) == (3, "")
    assert missing.stderr == "lethe: there is no topic 'ada-bremer'; did you mean ada-brenner?\n"
    far = with_ada.says(*command, "xyz")
    assert far.stderr == "lethe: there is no topic 'xyz'; `lethe topics list` shows them all\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["add"], "give the topic a --name, or import topics with --file"),
        (["add", "--name", " "], "name: must not be empty"),
        (["add", "--name", "!!"], "no id can be derived from this name; give one"),
        (["add", "--name", "A", "--id", "A B"], "id: may hold only lower-case letters"),
        (["add", "--name", "A", "--fallback", "custom"], "--fallback custom needs --fallback-text"),
        (["add", "--name", "A", "--fallback-text", "x"], "--fallback-text goes with --fallback custom"),
        (["add", "--file", "none.yaml", "--name", "A"], "--file goes alone"),
        (["add", "--file", "none.yaml"], "none.yaml cannot be read: No such file or directory"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(operator: Operator, arguments: list[str], message: str) -> None:
    """Wrong options say what to do, and no database is begun."""
    refused = operator.says(*arguments)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr.startswith(f"lethe: {message}")
    assert refused.stderr.count("\n") == 1
    assert not operator.database.exists()


def test_a_database_that_cannot_be_used_is_exit_code_3(operator: Operator, tmp_path: Path) -> None:
    """A missing database, a missing directory and a file that is none are each one line."""
    notes = tmp_path / "notes.txt"
    notes.write_text("no database " * 100)
    for database, message in [
        (tmp_path / "none.db", "there is no database"),
        (tmp_path / "none" / "lethe.db", "there is no directory"),
        (notes, "is not a SQLite database"),
    ]:
        refused = operator.says("list", database=database)
        assert (refused.exit_code, refused.stdout) == (3, "")
        assert message in refused.stderr
        assert refused.stderr.count("\n") == 1
