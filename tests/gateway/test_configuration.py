"""The configuration file: what it may say, what wins over it, and that every error names its line."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from gateway.errors import InvalidInput
from gateway.settings_reading import check_configuration, read_settings


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, and an environment without settings."""
    monkeypatch.chdir(tmp_path)
    for name in ("LETHE_CONFIG", "LETHE_ROUNDS", "LETHE_UPSTREAM_URL", "OUR_KEY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def written(text: str) -> Path:
    """Write the file."""
    path = Path("lethe.yaml")
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_says_every_kind_of_value():
    """Numbers, lists, mappings, words, and servers."""
    read = read_settings(
        written("""
rounds: 3
verifiers: [lexical, facts]
decoding: {temperature: 0.5}
disclose: true
doubt: [0.1, 0.8]
upstreams:
  - name: a
    url: http://a/v1
    models: [m]
  - {name: b, url: http://b/v1, models: {m: big-m}, retries: 0}
""")
    )
    assert (3, ("lexical", "facts"), {"temperature": 0.5}, True, (0.1, 0.8)) == (
        read.rounds,
        read.verifiers,
        read.decoding,
        read.disclose,
        read.doubt,
    )
    assert [("a", {"m": "m"}, None), ("b", {"m": "big-m"}, 0)] == [
        (one.name, one.models, one.retries) for one in read.upstreams
    ]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("rounds: 5\nroundz: 3\n", r"lethe.yaml, line 2: roundz: there is no such setting; did you mean rounds\?"),
        ("LETHE_ROUNDS: 3\n", r"line 1: LETHE_ROUNDS: .* did you mean rounds\?"),
        ("\n\nrounds: 0\n", "line 3: rounds: "),
        ("port: 1\nrounds: many\n", "line 2: rounds: "),
        ("rounds: 5\nport: 1\nrounds: 6\n", "line 3: rounds: is given twice"),
        ("- rounds\n", "line 1: must be a mapping"),
        ("rounds: [\n", "line 2, column 1: not YAML"),
        ("port: 1\napi_key: hunter2\n", "line 2: api_key: a secret does not belong in this file"),
        ("port: 1\napi_key: ${OUR_KEY}\n", "line 2: api_key: the environment variable OUR_KEY is not set"),
        ("upstreams:\n- name: a\n  url: here\n", r"line 3: upstreams\[0\].url: must start with http://"),
        (
            "upstreams:\n- name: a\n  url: http://a\n  retrys: 1\n",
            r"line 4: upstreams\[0\].retrys: .*mean retries\?",
        ),
        ("upstreams:\n- url: http://a\n", r"line 2: upstreams\[0\].name: Field required"),
        (
            "upstreams:\n- &a {name: a, url: http://a}\n- *a\n",
            "line 2: LETHE_UPSTREAMS: the name a is given twice",
        ),
        ("port: 1\nupstream_url: http://a\nmodel_dir: m\n", "line 2: .*not both"),
        ("fallback: custom\n", "line 1: LETHE_FALLBACK_TEXT belongs to"),
        (
            "upstreams:\n- {name: a, url: http://a, weights: w, models: [m]}\n"
            "- {name: b, url: http://b, weights: w}\n",
            "line 2: .*must name the same models",
        ),
    ],
)
def test_what_cannot_be_meant_is_named_with_its_line(text, complaint):
    """A misspelt setting would leave its default in force, and a door open."""
    with pytest.raises(InvalidInput, match=complaint) as told:
        check_configuration(written(text))
    assert "hunter2" not in str(told.value)


def test_a_file_that_is_not_there_is_said_so():
    """Whoever names one means it."""
    with pytest.raises(InvalidInput, match=r"nowhere\.yaml cannot be read"):
        read_settings(Path("nowhere.yaml"))


def test_an_empty_file_is_all_defaults():
    """So is one of comments alone."""
    assert 5 == read_settings(written("# rounds: 9\n")).rounds


def test_the_environment_wins_over_the_file_and_options_over_both(monkeypatch, folder):
    """And .env lies between."""
    path = written("rounds: 2\nport: 2\nmax_batch: 2\nmodel_threads: 2\n")
    (folder / ".env").write_text("LETHE_PORT=3\nLETHE_MAX_BATCH=3\nLETHE_MODEL_THREADS=3\n")
    monkeypatch.setenv("LETHE_MAX_BATCH", "4")
    monkeypatch.setenv("LETHE_MODEL_THREADS", "4")
    read = read_settings(path, model_threads=5)
    assert (2, 3, 4, 5) == (read.rounds, read.port, read.max_batch, read.model_threads)


def test_an_error_of_the_environment_is_not_blamed_on_the_file(monkeypatch):
    """Where both say something, what counts is wrong."""
    path = written("rounds: 2\n")
    monkeypatch.setenv("LETHE_ROUNDS", "0")
    with pytest.raises(InvalidInput, match="LETHE_ROUNDS: ") as told:
        read_settings(path)
    assert "lethe.yaml" not in str(told.value)


def test_every_command_finds_the_file_by_its_variable(monkeypatch):
    """So that `lethe topics` writes where `lethe serve` reads."""
    monkeypatch.setenv("LETHE_CONFIG", str(written("database: elsewhere.db\n")))
    assert "elsewhere.db" == read_settings().database


def test_a_reference_is_replaced_by_what_the_environment_says(monkeypatch, folder):
    """Keys, and anything else that is one value; .env counts as the environment."""
    monkeypatch.setenv("OUR_KEY", "k")
    (folder / ".env").write_text("OUR_PORT=81\n")
    read = read_settings(written("api_key: ${OUR_KEY}\nport: ${OUR_PORT}\n"))
    assert (SecretStr("k"), 81) == (read.api_key, read.port)


def test_references_within_servers_and_lists_are_replaced(monkeypatch):
    """As those of single settings are: whole values only."""
    monkeypatch.setenv("OUR_URL", "http://a/v1")
    monkeypatch.setenv("OUR_RETRIES", "0")
    monkeypatch.setenv("OUR_VERIFIER", "facts")
    read = read_settings(
        written(
            """
verifiers: [lexical, "${OUR_VERIFIER}"]
upstreams:
  - {name: a, url: "${OUR_URL}", retries: "${OUR_RETRIES}", models: {m: "x${OUR_URL}"}}
"""
        )
    )
    (one,) = read.upstreams
    assert (("lexical", "facts"), "http://a/v1", 0, {"m": "x${OUR_URL}"}) == (
        read.verifiers,
        one.url,
        one.retries,
        one.models,
    )


def test_a_reference_within_a_server_that_is_not_set_names_its_line():
    """Not the line where the list of servers begins."""
    with pytest.raises(
        InvalidInput, match=r"line 3: upstreams\[0\].url: the environment variable OUR_KEY is not set"
    ):
        read_settings(written("upstreams:\n- name: a\n  url: ${OUR_KEY}\n"))


def test_an_anchor_inside_itself_is_refused():
    """It has no end."""
    with pytest.raises(InvalidInput, match="an anchor stands inside itself"):
        read_settings(written("decoding: &a {more: *a}\n"))
