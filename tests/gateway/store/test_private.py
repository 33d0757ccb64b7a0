"""Private topics in the store: whole or not at all, and never beside plain text."""

from __future__ import annotations

import json

import pytest

from gateway.errors import StoreError
from gateway.store.records import Fallback, ForgetTopic
from gateway.store.store import Store
from verifiers.private.key import PrivateKey
from verifiers.private.topic import hash_topic
from verifiers.protocol import Topic

PLAIN = Topic("case-7", "Maren Oskeld", ("MO",), "", ("Maren Oskeld was born in 1991.",), ("Open at dawn.",))
PRIVATE = hash_topic(PLAIN, PrivateKey(b"k" * 32))


async def test_a_private_topic_is_read_as_it_was_written(store: Store) -> None:
    """Every hash with its weight, the state and the fallback."""
    record = ForgetTopic(PRIVATE, False, Fallback("refuse"))
    await store.add(record)
    assert record == await store.topic("case-7")
    assert (record,) == (await store.policy()).topics


async def test_plain_and_private_replace_each_other_whole(store: Store) -> None:
    """Neither leaves anything of itself in the other's row."""
    await store.add(ForgetTopic(PLAIN))
    for record in (ForgetTopic(PRIVATE), ForgetTopic(PLAIN)):
        await store.replace("case-7", record)
        assert record == await store.topic("case-7")


@pytest.mark.parametrize(
    "change",
    [
        {"name": "Maren"},
        {"facts": '["A fact."]'},
        {"private": "{}"},
        {"private": "7"},
        {"private": json.dumps({"id": "case-7"})},
        {"id": "case-8"},
    ],
)
async def test_a_row_that_is_no_private_topic_is_refused(execute, store: Store, change: dict[str, str]) -> None:
    """Hashes that are incomplete or another's, and plain text beside hashes, are not what Lethe wrote."""
    await store.add(ForgetTopic(PRIVATE))
    ((column, value),) = change.items()
    execute(f"UPDATE topics SET {column} = '{value}'")
    with pytest.raises(StoreError, match="did not write"):
        await store.topics()
