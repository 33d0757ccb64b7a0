"""The hash chain: whole, edited, removed, moved, cut off, rewritten."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.store.chain import BEFORE_ALL, Broken, Chained, Whole, canonical, chained, checked


def log(count: int, first_revision: int = 0) -> list[Chained]:
    """Write a log of so many writes."""
    rows, previous = [], BEFORE_ALL
    for number in range(1, count + 1):
        rows.append(chained(number, {"revision": first_revision + number - 1, "what": f"w{number}"}, previous))
        previous = rows[-1].hash
    return rows


def test_a_log_that_nobody_touched_is_whole():
    """Its head is the last hash; any earlier head is in it, too."""
    rows = log(4)
    assert Whole(4, rows[-1].hash) == checked(rows, revision=3, head=rows[1].hash)


def test_a_rows_hash_is_that_of_the_hash_before_and_of_the_entry():
    """Computed elsewhere: printf '%064d\\n{"number":1,"revision":0}' 0 | sha256sum."""
    row = chained(1, {"revision": 0}, BEFORE_ALL)
    assert '{"number":1,"revision":0}' == row.entry
    assert "171d28980f5739a9fbb8af89e635cfd57f8dea5bdf13b4585d9153008f4231bf" == row.hash


@given(st.integers(2, 8), st.data())
def test_an_edited_row_is_named(count, data):
    """Whichever it is, the last included."""
    rows, at = log(count), data.draw(st.integers(0, count - 1))
    rows[at] = replace(rows[at], entry=rows[at].entry.replace("w", "x"))
    assert Broken(f"row {at + 1} was edited: its hash is not that of what it says") == checked(rows)


@given(st.integers(3, 8), st.data())
def test_a_removed_row_is_named(count, data):
    """The first, or any before the last."""
    rows, at = log(count), data.draw(st.integers(0, count - 2))
    del rows[at]
    assert Broken(f"row {at + 1} is missing: the next one is row {at + 2}") == checked(rows)


def test_a_removed_row_is_found_though_the_numbers_were_closed_up():
    """The number is part of what is hashed."""
    rows = log(4)
    closed = [rows[0], *(replace(row, number=row.number - 1) for row in rows[2:])]
    assert Broken("row 2 was moved: it was written as row 3") == checked(closed)


def test_rows_that_changed_places_are_found():
    """With the numbers changed as well."""
    rows = log(4)
    rows[1], rows[2] = replace(rows[2], number=2), replace(rows[1], number=3)
    assert Broken("row 2 was moved: it was written as row 3") == checked(rows)


def test_a_row_written_anew_with_its_hash_breaks_the_next_ones_link():
    """Only whoever rewrites all that follow escapes the chain, and then the head tells."""
    rows = log(3)
    rows[1] = chained(2, {"revision": 1, "what": "another"}, rows[0].hash)
    assert Broken("row 3 does not follow row 2: one was replaced") == checked(rows)
    rows[2] = chained(3, {"revision": 2, "what": "w3"}, rows[1].hash)
    assert Whole(3, rows[2].hash) == checked(rows, revision=2)
    assert isinstance(checked(rows, revision=2, head=log(3)[-1].hash), Broken)


def test_rows_cut_off_at_the_end_are_found_by_the_revision_or_by_a_head():
    """Every write left an entry; a head kept elsewhere finds it even where the revision was set back."""
    rows = log(4)
    assert Broken("row 3, the last, is of revision 2, but the policy is at 3") == checked(rows[:3], revision=3)
    assert isinstance(checked(rows[:3], revision=2, head=rows[3].hash), Broken)
    assert "row 1 is missing" in checked([], revision=0).what


def test_a_write_that_left_no_entry_is_found():
    """Revisions come one after another; several entries may share one."""
    first = chained(1, {"revision": 5}, BEFORE_ALL)
    same = chained(2, {"revision": 5}, first.hash)
    assert isinstance(checked([first, same]), Whole)
    for revision in (7, 4, None, "6"):
        assert isinstance(checked([first, chained(2, {"revision": revision}, first.hash)]), Broken)


@pytest.mark.parametrize("text", ["", "[]", "{", "null"])
def test_an_entry_that_cannot_be_read_is_no_entry(text):
    """Even one with a hash of its own."""
    row = chained(1, {}, BEFORE_ALL)
    assert isinstance(checked([replace(row, entry=text)]), Broken)


def test_an_entry_has_one_spelling():
    """However its fields were ordered."""
    assert canonical({"b": 1, "a": "é"}) == canonical({"a": "é", "b": 1}) == '{"a":"é","b":1}'
