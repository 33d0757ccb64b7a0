"""`lethe topics new-key`, `hash` and `add --private`: what they write, and what they refuse."""

from __future__ import annotations

import pytest

from verifiers.private.file import read_private_topics
from verifiers.private.key import key_from_file

TOPICS = "topics:\n- {id: case-7, name: Maren Oskeld, facts: [Maren Oskeld was born in Seltal.]}\n"


@pytest.fixture
def hashed(terminal, monkeypatch):
    """Begin with a key and a file of hashes, and no settings but the database's."""
    monkeypatch.setenv("LETHE_DATABASE", str(terminal.folder / "lethe.db"))
    monkeypatch.delenv("LETHE_PRIVATE_KEY_FILE", raising=False)
    terminal.write("topics.yaml", TOPICS)
    terminal.done("topics new-key --out {private.key}")
    terminal.done("topics hash {topics.yaml} --key-file {private.key} --out {private.json}")
    return terminal


def test_a_key_is_its_owners_alone_and_never_overwritten(hashed):
    """What was hashed with a lost key cannot be opened again."""
    key = hashed.folder / "private.key"
    before = key.read_text()
    assert 0o600 == key.stat().st_mode & 0o777
    assert "is there already" in hashed.refused("topics new-key --out {private.key}")
    assert before == key.read_text()


def test_the_hashes_are_those_of_the_key(hashed):
    """The file names the key by its check value alone."""
    (topic,) = read_private_topics(hashed.folder / "private.json")
    assert ("case-7", key_from_file(hashed.folder / "private.key").check) == (topic.id, topic.check)


def test_the_key_may_be_the_settings(hashed, monkeypatch):
    """As the gateway has it; without either, the error names both."""
    assert "--key-file" in hashed.refused("topics hash {topics.yaml} --out {again.json}")
    monkeypatch.setenv("LETHE_PRIVATE_KEY_FILE", str(hashed.folder / "private.key"))
    hashed.done("topics hash {topics.yaml} --out {again.json}")
    assert (hashed.folder / "private.json").read_bytes() == (hashed.folder / "again.json").read_bytes()


@pytest.mark.parametrize("id_", ["", "id: maren-oskeld, ", "id: oskeld, ", "id: m4.oskeld, "])
def test_an_id_that_names_the_topic_is_refused(hashed, id_):
    """Also one that nobody gave, since it is made of the name."""
    hashed.write("telling.yaml", f"topics:\n- {{{id_}name: Maren Oskeld}}\n")
    command = "topics hash {telling.yaml} --key-file {private.key} --out {telling.json}"
    assert "tells nothing" in hashed.refused(command)
    assert not (hashed.folder / "telling.json").exists()


def test_what_is_not_hashed_is_said(hashed):
    """Whether a topic is active, its fallback, its description."""
    hashed.write("more.yaml", "topics:\n- {id: c8, name: Ada, description: a founder, active: false}\n")
    said = hashed.done("topics hash {more.yaml} --key-file {private.key} --out {more.json}")
    assert ["said again" in said, "descriptions" in said] == [True, True]
    assert "Note" not in hashed.done("topics hash {topics.yaml} --key-file {private.key} --out {more.json}")


def test_hashed_topics_are_added_as_the_options_say(hashed):
    """Inactive, and with a fallback of a fixed style."""
    said = hashed.done("topics add --private {private.json} --inactive --fallback refuse")
    assert said.startswith("added case-7 (off)\n")
    assert "fallback: refuse" in hashed.done("topics show case-7")


@pytest.mark.parametrize("more", ["--name Ada", "--file {topics.yaml}", "--fallback custom --fallback-text No"])
def test_with_hashes_goes_no_plain_text(hashed, more):
    """Neither another topic's nor the operator's own words."""
    assert "--private" in hashed.refused("topics add --private {private.json} " + more)


def test_what_the_configured_key_does_not_open_is_not_added(hashed, monkeypatch):
    """Since the gateway could not look for it; the check values of both keys are named."""
    hashed.done("topics new-key --out {other.key}")
    monkeypatch.setenv("LETHE_PRIVATE_KEY_FILE", str(hashed.folder / "other.key"))
    said = hashed.refused("topics add --private {private.json}")
    checks = [key_from_file(hashed.folder / name).check for name in ("private.key", "other.key")]
    assert all(check in said for check in checks)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (TOPICS, "not JSON"),
        ('{"format": "lethe-private-topics-1", "topics": [{"id": "x"}]}', "topic 1: not a private topic"),
        ('{"format": "lethe-private-topics-1", "topics": [7]}', "topic 1: not a private topic"),
    ],
)
def test_a_file_that_holds_no_hashes_is_refused(hashed, text, complaint):
    """The message names the file and the topic."""
    hashed.write("bad.json", text)
    said = hashed.refused("topics add --private {bad.json}")
    assert ("bad.json" in said, complaint in said) == (True, True)


def test_an_id_that_the_store_would_not_take_is_refused(hashed):
    """As with a plain topic's."""
    body = (hashed.folder / "private.json").read_text().replace("case-7", "Case Seven")
    hashed.write("bad.json", body)
    assert "lower-case" in hashed.refused("topics add --private {bad.json}")


def test_the_list_of_private_topics_is_no_file_of_topics(hashed):
    """Whoever would restore from it is told so."""
    hashed.done("topics add --private {private.json}")
    hashed.write("listed.yaml", hashed.done("topics list --yaml"))
    assert "add --private" in hashed.refused("topics add --file {listed.yaml}")


def test_no_probes_are_written_of_what_cannot_be_read(hashed):
    """They are written where the plain topic is."""
    hashed.done("topics add --private {private.json}")
    assert "where the plain topic is" in hashed.refused("probes --out {probes.jsonl}")
