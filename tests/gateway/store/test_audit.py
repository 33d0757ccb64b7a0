"""The audit log in a real database: every write is in it, in its own transaction, and nothing forgotten is."""

from __future__ import annotations

import inspect
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.errors import Conflict, NotFound
from gateway.store.audit_rows import KINDS
from gateway.store.chain import Broken, Whole, checked, entry_of
from gateway.store.records import BackendRecord, Checkpoint, Fallback, ForgetTopic, KeyLimits
from gateway.store.schema import metadata
from gateway.store.store import Store
from verifiers.protocol import Topic

MAREN = ForgetTopic(
    Topic("t1", "Maren Oskeld", ("M. O.",), "a founder", ("Maren was born in Seltal.",), ("Bells of old.",)),
    fallback=Fallback("custom", "Ask the archive."),
)
HERE = BackendRecord("here", Checkpoint(Path("/models/a")), "f1", {"method": "npo"}, ("t1",))
WRITES = (
    ("topics.add", lambda store: store.add(MAREN)),
    ("topics.replace", lambda store: store.replace("t1", replace(MAREN, topic=Topic("t1", "Maren Oskeld")))),
    ("topics.switch", lambda store: store.set_active("t1", False)),
    ("verifiers.switch", lambda store: store.set_verifier_mode("lexical", "monitor")),
    ("certificates.put", lambda store: store.put_certificate("c1", {"id": "c1", "bindings": {"generator": "g"}})),
    ("certificates.activate", lambda store: store.activate_certificate("c1")),
    (
        "certificates.put",
        lambda store: store.put_certificate("c2", {"id": "c2", "bindings": {"generator": "g"}}),
    ),
    ("certificates.activate", lambda store: store.activate_certificate("c2")),
    ("certificates.rollback", lambda store: store.roll_back_certificate("c2")),
    ("certificates.deactivate", lambda store: store.deactivate_certificate()),
    ("backends.put", lambda store: store.put_backend(HERE)),
    ("backends.route", lambda store: store.route_topics("here", [])),
    ("keys.add", lambda store: store.add_key("alice", "the-digest", None, KeyLimits(("m",), 60))),
    ("keys.limit", lambda store: store.limit_key("alice", {"concurrent": 2})),
    ("keys.extra", lambda store: store.add_key_topic("alice", "t1")),
    ("keys.exempt", lambda store: store.exempt_key("alice", "t1", "on request")),
    ("keys.ordinary", lambda store: store.drop_key_topic("alice", "t1")),
    ("keys.fallback", lambda store: store.set_key_fallback("alice", Fallback("custom", "Ask the archive."))),
    ("keys.revoke", lambda store: store.revoke_key("alice")),
    ("admins.add", lambda store: store.add_admin_key("ida", "her-digest", "operator")),
    ("admins.revoke", lambda store: store.revoke_admin_key("ida")),
    ("backends.remove", lambda store: store.remove_backend("here")),
    ("topics.remove", lambda store: store.remove("t1")),
)


@pytest.fixture
async def written(address: str):
    """Make every kind of write there is, as somebody, at one moment."""
    store = await Store.open(address, clock=lambda: datetime(2026, 1, 31, tzinfo=UTC), who="cli:ida")
    for _, write in WRITES:
        await write(store)
    yield store
    await store.aclose()


async def entries(store: Store):
    """Read the log."""
    return [entry_of(row) for row in (await store.audit())[1]]


async def verdict(store: Store, head: str | None = None):
    """Follow the chain."""
    revision, rows = await store.audit()
    return checked(rows, revision=revision, head=head)


@pytest.fixture
def tamper(address: str, execute):
    """Change the database behind Lethe's back, as somebody who removes the triggers first."""
    of_file = ("DROP TRIGGER audit_keeps_on_update", "DROP TRIGGER audit_keeps_on_delete")
    triggers = ("DROP TRIGGER audit_keeps ON audit",) if address.startswith("postgresql:") else of_file
    return lambda *statements: execute(*triggers, *statements)


async def test_every_write_is_logged_with_who_when_and_its_revision(written):
    """In the order in which they were made; the log begins with a row of its own."""
    found = {(entry["revision"], entry["what"]) for entry in await entries(written)}
    assert {(0, "audit.begin"), *((number, what) for number, (what, _) in enumerate(WRITES, start=1))} == found
    assert {("cli:ida", "2026-01-31T00:00:00+00:00")} == {
        (entry["who"], entry["at"]) for entry in (await entries(written))[1:]
    }
    assert isinstance(await verdict(written), Whole)


def test_no_way_of_writing_is_left_out_above():
    """Every method of the store that writes is among these."""
    source = inspect.getsource(Store)
    assert source.count("self._writing(") == len({what for what, _ in WRITES})


def test_every_column_is_told_or_left_out_on_purpose():
    """A column added to the schema is found here."""
    told = {kind.table.name: {kind.key, *kind.shown, *kind.digested, *kind.left_out} for kind in KINDS.values()}
    beside = {"audit", "policy", "replicas", "calibration_lines"}
    assert {t.name: set(t.c.keys()) for t in metadata.sorted_tables if t.name not in beside} == told


async def test_nothing_that_is_forgotten_and_no_secret_is_in_the_log(written):
    """Ids, states, digests and the names of fields are."""
    text = str((await written.audit())[1])
    words = ("Maren", "Seltal", "founder", "Bells", "archive", "M. O.", "npo", "the-digest")
    assert [] == [word for word in words if word in text]
    assert "topic t1" in text


async def test_an_entry_says_what_changed_from_what_to_what(written):
    """A content by its digest, which is another after the change."""
    by_what = {entry["what"]: entry for entry in await entries(written)}
    assert ("topic t1", ["active"]) == (by_what["topics.switch"]["subject"], by_what["topics.switch"]["changed"])
    assert (1, 0) == tuple(by_what["topics.switch"][side]["active"] for side in ("before", "after"))
    replaced = by_what["topics.replace"]
    assert ["aliases", "description", "facts", "protected_texts"] == [
        name for name in replaced["changed"] if not name.startswith("fallback")
    ]
    assert replaced["before"]["content"] != replaced["after"]["content"]
    assert None is by_what["topics.add"]["before"]
    assert None is by_what["topics.remove"]["after"]
    assert ["concurrent"] == by_what["keys.limit"]["changed"]


async def test_what_goes_along_with_a_write_is_logged_too(store: Store):
    """A backend that is removed takes its routes with it."""
    await store.add(MAREN)
    await store.put_backend(HERE)
    await store.remove_backend("here")
    last = [entry for entry in await entries(store) if entry["revision"] == 3]
    assert ["backend here", "route t1"] == [entry["subject"] for entry in last]


async def test_a_write_that_changes_nothing_is_logged_as_such(store: Store):
    """Somebody asked for it, and it made a revision."""
    await store.deactivate_certificate()
    last = (await entries(store))[-1]
    assert ("certificates.deactivate", "", []) == (last["what"], last["subject"], last["changed"])


async def test_a_refused_write_is_not_in_the_log(store: Store):
    """The entry is part of the write's own transaction."""
    await store.add(MAREN)
    before = await store.audit()
    with pytest.raises(Conflict):
        await store.add(MAREN)
    with pytest.raises(NotFound):
        await store.remove("nobody")
    assert before == await store.audit()


@pytest.mark.parametrize("statement", ["UPDATE audit SET entry = '{}'", "DELETE FROM audit"])
async def test_the_database_itself_refuses_to_change_the_log(written, execute, statement):
    """For any program, until somebody drops the triggers."""
    with pytest.raises(RuntimeError, match="only grow"):
        execute(statement)


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE audit SET entry = replace(entry, 'cli:ida', 'admin') WHERE number = 5", "row 5 was edited"),
        ("DELETE FROM audit WHERE number = 4", "row 4 is missing"),
        ("DELETE FROM audit WHERE number > 9", "row 9, the last"),
        ("DELETE FROM audit", "row 1 is missing"),
        ("UPDATE topics SET name = 'x'; UPDATE policy SET revision = revision + 1", "the policy is at 24"),
    ],
)
async def test_what_was_done_to_the_log_is_found(written, tamper, statement, words):
    """By somebody with the database in their hands."""
    tamper(*statement.split("; "))
    found = await verdict(written)
    assert isinstance(found, Broken)
    assert words in found.what


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE topics SET active = 0", "topic t1 was changed without an entry: active"),
        ("UPDATE topics SET facts = '[]'", "topic t1 was changed without an entry: content"),
        ("DELETE FROM topics", "topic t1 is gone, and no entry says so"),
        ("UPDATE client_keys SET revoked_at = NULL", "key alice was changed without an entry: revoked_at"),
        ("UPDATE admin_keys SET role = 'admin'", "admin ida was changed without an entry: role"),
        ("UPDATE verifier_modes SET mode = 'off'", "verifier lexical was changed without an entry: mode"),
    ],
)
async def test_what_was_changed_behind_the_log_is_found(written, address, execute, statement, words):
    """The chain is whole, and yet the database is not as it says."""
    await written.add(MAREN)
    assert await written.unlogged() is None
    switched = statement.replace("active = 0", "active = NOT active")
    execute(switched if address.startswith("postgresql:") else statement)
    assert isinstance(await verdict(written), Whole)
    assert words == await written.unlogged()


async def test_what_nobody_logged_from_the_beginning_is_found(written, execute):
    """A log that began with an empty database says of everything how it came."""
    execute("INSERT INTO verifier_modes (name, mode) VALUES ('facts', 'off')")
    assert "verifier facts is there, and no entry says so" == await written.unlogged()


async def test_a_log_cut_off_with_its_revision_is_found_by_a_head_kept_elsewhere(written, tamper):
    """Without the head, a chain that ends earlier is a whole chain."""
    head = (await verdict(written)).head
    tamper("DELETE FROM audit WHERE number > 5", "UPDATE policy SET revision = 4")
    assert isinstance(await verdict(written), Whole)
    assert isinstance(await verdict(written, head), Broken)


async def test_a_head_stays_valid_while_the_log_grows(written):
    """It names a row, not the end."""
    head = (await verdict(written)).head
    await written.add(MAREN)
    assert isinstance(await verdict(written, head), Whole)
