"""The log: one JSON object a line, whatever the fields hold."""

from __future__ import annotations

import json
from datetime import datetime

from gateway.logs import log_events


def test_an_event_is_one_line_with_its_level_and_time(capsys):
    """In UTC, and with the fields as they were given."""
    log_events()("answered", {"outcome": "released", "rounds": 2, "key": None, "ids": ["a"]})
    (line,) = capsys.readouterr().err.splitlines()
    said = json.loads(line)
    assert datetime.fromisoformat(said.pop("timestamp")).utcoffset().total_seconds() == 0
    fields = {"outcome": "released", "rounds": 2, "key": None, "ids": ["a"]}
    assert {**fields, "event": "answered", "level": "info"} == said


def test_what_json_cannot_say_is_said_somehow(capsys):
    """Half a character, a number beyond 64 bits, an object: an event is never lost for its fields."""
    report = log_events()
    for odd in ("\ud800", 2**70, {1, 2}):
        report("odd", {"value": odd})
    assert ["odd"] * 3 == [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()]
