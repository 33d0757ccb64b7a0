"""Model servers that are slow, break off, refuse, talk nonsense or never end, on every way to an answer."""

from __future__ import annotations

import asyncio
import gzip
import time

import orjson
import pytest

from tests.faults.model import (
    LEAK,
    answering,
    body_of,
    dripping,
    endless,
    event,
    head,
    silent,
)
from tests.faults.wire import ASK

SSE = "text/event-stream"
WHOLE = body_of(LEAK)
DEEP = b"[" * 500_000
EVENTS = event({"role": "assistant", "content": LEAK})
CODES = {f"upstream_{kind}" for kind in ("garbage", "timeout", "unreachable")} | {"rate_limit_exceeded"}
WAYS = pytest.mark.parametrize(
    ("way", "streaming"),
    [({}, "whole"), ({"stream": True}, "whole"), ({"stream": True}, "segment")],
    ids=["plain", "streamed whole", "streamed in segments"],
)


def unended(first, streamed):
    """Announce more than what comes."""
    plain = head(length=100_000) + first
    return answering(plain, head(kind=SSE, length=100_000) + streamed)


def refusing(status):
    """Refuse, quoting the secret."""
    quoting = orjson.dumps({"error": {"message": LEAK}})
    return answering(head(status, length=len(quoting), x_said=LEAK.strip()) + quoting)


def bomb(kind="application/json"):
    """Compress 200 MB of the same letter to 200 kB."""
    return head(kind=kind, content_encoding="gzip") + gzip.compress(b"x" * 200_000_000, 1)


FAULTS = {
    "silence": (silent, {504}),
    "one byte now and then": (dripping(head(), b" "), {502, 504}),
    "one comment now and then": (dripping(head(kind=SSE), b":\n"), {502, 504}),
    "cut before the answer": (answering(b""), {502}),
    "cut in the head": (answering(b"HTTP/1.1 200 OK\r\ncontent-"), {502}),
    "cut in the body": (unended(WHOLE[:-20], EVENTS[:-9]), {502}),
    # In segments, the leak is found before the end is missed: then it is the fallback.
    "a length beyond the body": (unended(WHOLE, EVENTS), {200, 502}),
    "a length within the body": (answering(head(length=40) + WHOLE, head(kind=SSE, length=40) + EVENTS), {502}),
    "broken chunks": (answering(head(transfer_encoding="chunked") + b"zz\r\n" + WHOLE), {502}),
    "429": (refusing("429 Too Many Requests"), {429}),
    "400": (refusing("400 Bad Request"), {400}),
    "401": (refusing("401 Unauthorized"), {502}),
    "500": (refusing("500 Internal Server Error"), {502}),
    "503": (refusing("503 Service Unavailable"), {502}),
    "a redirection": (refusing("302 Found"), {502}),
    "a status that there is not": (answering(head("99 Seltal") + WHOLE), {502}),
    "no HTTP": (answering(LEAK.encode()), {502}),
    "HTML": (answering(head(kind="text/html") + LEAK.encode()), {502}),
    "bytes that are no text": (answering(head() + b"\xff\xfe", head(kind=SSE) + b"data: \xff\xfe\n\n"), {502}),
    "JSON that never closes": (answering(head() + DEEP, head(kind=SSE) + b"data: " + DEEP + b"\n\n"), {502}),
    "an endless body": (endless(head(), b"x" * 65_536), {502, 504}),  # by size, or by time where that is short
    "an endless line": (endless(head(kind=SSE), b"data: " + b"x" * 65_536), {502, 504}),
    "an endless head": (endless(b"HTTP/1.1 200 OK\r\n", b"x-more: " + b"x" * 4_000 + b"\r\n"), {502, 504}),
    "a compressed flood": (answering(bomb(), bomb(SSE)), {502}),
}  # fmt: skip


async def faulty(body, writer):
    """Misbehave as the question says."""
    named = body["messages"][0]["content"].partition("? ")[2]
    await FAULTS[named][0](body, writer)


@WAYS
async def test_a_model_server_that_fails_costs_the_answer_and_no_more(face, way, streaming):
    """Every fault at once: a clear error before long, with nothing of the answer; a good question is answered."""
    async with face(faulty, streaming=streaming) as faced:
        began = time.monotonic()
        answers = await asyncio.gather(*(faced.ask(f"{ASK} {fault}", **way) for fault in FAULTS))
        assert time.monotonic() - began < 15
        found = dict(zip(FAULTS, answers, strict=True))
        assert {} == {
            fault: found[fault] for fault, (_, statuses) in FAULTS.items() if found[fault].status not in statuses
        }
        assert {"upstream_rejected", *CODES} >= {
            answer.error["code"] for answer in answers if answer.status != 200
        }
        assert await faced.recovers()
        assert [] == [event for event, _ in faced.reported if event != "answered"]
