"""`lethe backends` and `lethe keys` through typer's own runner, on a real database."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from gateway.cli import app
from gateway.clients import Client, KeyRing
from gateway.errors import Unauthenticated
from gateway.registering import unlearning_in_brief
from gateway.store.records import Checkpoint, ForgetTopic, PolicyRecord, Server
from gateway.store.store import Store
from unlearners.certificate import DataSeen, Served, UnlearningCertificate, Unlimited
from unlearners.promise import NothingPromised
from unlearners.weights import with_weights
from verifiers.protocol import Topic

CERTIFICATE = UnlearningCertificate(
    id="",
    created="2026-01-31T12:00:00+00:00",
    method="npo",
    promise=NothingPromised("it is a heuristic"),
    data=DataSeen("0" * 64, 5, 7),
    parameters={},
    assumptions=(),
    served=(Served((0, 1), 2.0),),
    remaining=Unlimited("each trains further"),
    gradients_spent=10,
    training_gradients=0,
    seed=0,
)


class Operator:
    """Somebody at a terminal with a database that has two topics, and a checkpoint of a few bytes."""

    def __init__(self, folder: Path) -> None:
        self.database = folder / "lethe.db"
        self.checkpoint = folder / "unlearned"
        self.checkpoint.mkdir()
        (self.checkpoint / "config.json").write_text("{}")
        (self.checkpoint / "model.safetensors").write_bytes(b"weights")
        bound = with_weights(CERTIFICATE, self.checkpoint)
        (self.checkpoint / "unlearning.json").write_text(bound.to_json(), encoding="utf-8")
        self._runner = CliRunner()
        self.do(lambda store: store.add(ForgetTopic(Topic("ada", "Ada")), ForgetTopic(Topic("zoe", "Zoë"))))

    def says(self, *arguments: str) -> Result:
        """Run one command."""
        environment = {"LETHE_DATABASE": str(self.database)}
        return self._runner.invoke(app, list(arguments), env=environment)

    def do(self, work):
        """Use the store."""

        async def act():
            store = await Store.open(self.database)
            try:
                return await work(store)
            finally:
                await store.aclose()

        return asyncio.run(act())

    def record(self) -> PolicyRecord:
        """Read what the database holds."""
        return self.do(lambda store: store.policy())


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    """Begin with two topics and no backend."""
    return Operator(tmp_path)


def test_a_checkpoint_is_added_with_its_unlearning_certificate(operator):
    """It lies in the directory under the name that `lethe unlearn` gives it; the path is made absolute."""
    done = operator.says("backends", "add", "u", "--model", str(operator.checkpoint), "--topic", "ada")
    assert 0 == done.exit_code, done.output
    (found,) = operator.record().backends
    assert (Checkpoint(operator.checkpoint.resolve()), ("ada",)) == (found.place, found.topics)
    assert ("npo", "nothing") == unlearning_in_brief(found.unlearning)
    assert found.fingerprint in done.output


def test_weights_that_their_certificate_is_not_about_are_not_added(operator):
    """Nor a certificate that was edited."""
    (operator.checkpoint / "model.safetensors").write_bytes(b"others")
    done = operator.says("backends", "add", "u", "--model", str(operator.checkpoint))
    assert (2, ()) == (done.exit_code, operator.record().backends)
    assert "are not those that were certified" in done.output
    (operator.checkpoint / "unlearning.json").write_text("{}")
    assert 2 == operator.says("backends", "add", "u", "--model", str(operator.checkpoint)).exit_code


def test_a_server_is_added_by_its_url(operator):
    """The key is named, never given."""
    arguments = ("--upstream", "http://h:9/v1/", "--upstream-model", "big", "--key-env", "H_KEY")
    assert 0 == operator.says("backends", "add", "s", *arguments).exit_code
    assert Server("http://h:9/v1", "big", "H_KEY") == operator.record().backends[0].place


def test_replacing_keeps_the_topics_unless_others_are_named(operator):
    """And takes the new checkpoint's fingerprint."""
    add = ("backends", "add", "u", "--model", str(operator.checkpoint))
    operator.says(*add, "--topic", "ada")
    before = operator.record().backends[0]
    (operator.checkpoint / "config.json").write_text('{"other": 1}')
    assert 2 == operator.says(*add).exit_code
    assert before == operator.record().backends[0]
    assert 0 == operator.says(*add, "--replace").exit_code
    after = operator.record().backends[0]
    assert (("ada",), True) == (after.topics, after.fingerprint != before.fingerprint)
    operator.says(*add, "--replace", "--topic", "zoe")
    assert ("zoe",) == operator.record().backends[0].topics


def test_adding_says_what_was_replaced_and_whether_a_certificate_fits(operator):
    """Both decide whether its answers go out at once."""
    add = ("backends", "add", "u", "--model", str(operator.checkpoint))
    added = operator.says(*add).output
    fingerprint = operator.record().backends[0].fingerprint
    assert f"added u (fingerprint {fingerprint})" in added
    assert "No certificate in force fits it" in added

    async def certify(store):
        await store.put_certificate("c7", {"id": "c7", "bindings": {"generator": fingerprint}})
        await store.activate_certificate("c7")

    operator.do(certify)
    again = operator.says(*add, "--replace").output
    assert f"replaced u (fingerprint {fingerprint}; the same as before)" in again
    assert "The certificate c7, which is in force, fits it." in again
    (operator.checkpoint / "config.json").write_text('{"other": 1}')
    other = operator.says(*add, "--replace").output
    assert f"; before: {fingerprint})" in other
    assert "No certificate in force fits it" in other


def test_the_list_says_what_is_unlearned_promised_routed_and_certified(operator):
    """In one line a backend."""
    operator.says("backends", "add", "u", "--model", str(operator.checkpoint), "--topic", "ada")
    operator.says("keys", "create", "alice", "--backend", "u")
    fingerprint = operator.record().backends[0].fingerprint

    async def certify(store):
        await store.put_certificate("c7", {"id": "c7", "bindings": {"generator": fingerprint}})
        await store.activate_certificate("c7")

    operator.do(certify)
    (line,) = [line for line in operator.says("backends", "list").output.splitlines() if line.startswith("  u ")]
    for word in ("ada", "alice", "npo", "nothing", "c7", str(operator.checkpoint)):
        assert word in line
    (operator.checkpoint / "config.json").unlink()
    assert "no checkpoint there now" in operator.says("backends", "list").output


def test_topics_are_routed_and_unrouted(operator):
    """These and no others."""
    operator.says("backends", "add", "s", "--upstream", "http://h/v1")
    assert 0 == operator.says("backends", "route", "s", "--topic", "zoe", "--topic", "ada").exit_code
    assert ("ada", "zoe") == operator.record().backends[0].topics
    assert 0 == operator.says("backends", "route", "s", "--no-topic").exit_code
    assert () == operator.record().backends[0].topics
    assert [2, 2] == [
        operator.says("backends", "route", "s").exit_code,
        operator.says("backends", "route", "s", "--topic", "ada", "--no-topic").exit_code,
    ]


def test_a_backend_is_removed(operator):
    """Once."""
    operator.says("backends", "add", "s", "--upstream", "http://h/v1")
    assert [0, 3] == [operator.says("backends", "remove", "s").exit_code for _ in range(2)]
    assert "no backends" in operator.says("backends", "list").output


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (("add", "x"), 2, "either"),
        (("add", "x", "--upstream", "nowhere"), 2, "http://"),
        (("add", "x", "--model", "/no/such/directory"), 2, "There is no model at"),
        (("add", "x y", "--upstream", "http://h/v1"), 2, "name: must be"),
        (("add", "x", "--upstream", "http://h/v1", "--key-env", "sk-123"), 2, "not a key"),
        (("add", "x", "--upstream", "http://h/v1", "--topic", "nobody"), 3, "'nobody'"),
        (("add", "x", "--upstream", "http://h/v1", "--certificate", "none.json"), 2, "none.json"),
        (("route", "x", "--topic", "ada"), 3, "'x'"),
        (("compare", "--prompts", "none.jsonl"), 2, "none.jsonl"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_to_do(operator, arguments, code, complaint):
    """And changes nothing."""
    done = operator.says("backends", *arguments)
    assert (code, True) == (done.exit_code, complaint in done.stderr), done.stderr
    assert () == operator.record().backends


def test_a_key_is_printed_once_and_kept_as_a_digest(operator):
    """What is printed lets its owner in; what is listed and kept lets nobody in."""
    operator.says("backends", "add", "s", "--upstream", "http://h/v1")
    made = operator.says("keys", "create", "alice", "--backend", "s")
    key = made.stdout.strip()
    ring = KeyRing(operator.record().keys)
    assert Client("alice", "s") == ring.client(key)
    listed = operator.says("keys", "list").output
    assert (True, False) == ("alice" in listed, key in listed)
    assert key.encode() not in operator.database.read_bytes()
    assert 0 == operator.says("keys", "revoke", "alice").exit_code
    with pytest.raises(Unauthenticated):
        KeyRing(operator.record().keys).client(key)
    assert "revoked" in operator.says("keys", "list").output


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(("create", "a b"), 2), (("create", "alice", "--backend", "none"), 3), (("revoke", "alice"), 3)],
)
def test_a_key_that_cannot_be_made_or_revoked_is_an_error(operator, arguments, code):
    """Nothing is kept."""
    assert code == operator.says("keys", *arguments).exit_code
    assert () == operator.record().keys


@pytest.mark.parametrize(
    ("body", "brief"),
    [
        (None, ("", "")),
        ({"method": "npo", "promise": {"kind": "nothing", "reason": "none"}}, ("npo", "nothing")),
        (
            {"method": "pcmu", "promise": {"kind": "exact_retrain", "rows": 3, "failure": 0.0}},
            ("pcmu", "weights of retraining, up to 3 rows"),
        ),
        ({"method": "new", "promise": {"kind": "unheard-of"}}, ("new", "unheard-of")),
        ({}, ("unnamed", "not stated")),
    ],
)
def test_an_unlearning_certificate_is_told_in_a_few_words(body, brief):
    """As it says of itself; a kind of promise that is unknown here is named, not guessed at."""
    assert brief == unlearning_in_brief(body)
