"""Channels: every text that a client could see is read, and nothing else is kept."""

from __future__ import annotations

import pytest

from gateway.errors import UpstreamGarbage
from gateway.guard.channels import judged, verifiable, visible
from gateway.upstream.protocol import Choice


def choice(**message):
    """Make a choice of a message."""
    return Choice({"role": "assistant", **message}, "stop")


CALL = {"id": "1", "type": "function", "function": {"name": "seltal", "arguments": '{"p": "\\u004daren"}'}}


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"content": "Maren"}, "Maren"),
        ({"content": [{"type": "text", "text": "Maren"}]}, "Maren"),
        ({"content": None, "refusal": "not Maren"}, "not Maren"),
        ({"content": "x", "reasoning_content": "Maren?"}, "Maren?"),
        ({"content": "x", "reasoning": "Maren?"}, "Maren?"),
        ({"tool_calls": [CALL]}, "seltal"),
        ({"tool_calls": [CALL]}, "Maren"),
    ],
)
def test_each_channel_is_read(message, expected):
    """Text, parts, refusal, reasoning, function names, and arguments with their escapes undone."""
    assert expected in visible([choice(**message)])


def test_all_choices_are_read():
    """Every choice of n is something the client sees."""
    assert "a\nb" == visible([choice(content="a"), choice(content="b")])


def test_what_is_kept_reads_the_same_as_what_was_judged():
    """Keeping drops only channels that were not read, so the verdict holds for what goes out."""
    full = choice(content=[{"type": "text", "text": "a"}], tool_calls=[CALL], audio={"data": "x"}, annotations=[1])
    kept = verifiable(full)
    assert visible([full]) == visible([kept])
    assert {"role", "content", "tool_calls"} == set(kept.message)
    assert {} == dict(kept.extras)


@pytest.mark.parametrize("wrong", ["text", [1], [{"function": {}}], [{"function": {"name": 3}}]])
def test_a_shape_that_cannot_be_read_is_withheld(wrong):
    """An unknown shape is an error, never passed on."""
    with pytest.raises(UpstreamGarbage):
        verifiable(choice(tool_calls=wrong))


def test_content_of_an_unknown_type_is_withheld():
    """A number is no text."""
    with pytest.raises(UpstreamGarbage):
        verifiable(choice(content=7))


def test_what_is_not_text_is_made_anew():
    """An id of a call and a finish reason are the gateway's words, not the model's."""
    kept = verifiable(Choice({"role": "assistant", "tool_calls": [{**CALL, "id": "Maren"}]}, "born in Seltal"))
    assert "stop" == kept.finish_reason
    assert kept.message["tool_calls"][0]["id"].startswith("call_")


@pytest.mark.parametrize("arguments", ["\\" + "[" * 100_000, "\\" + "9" * 5_000, '{"a": "\\ud800"}', "\ud800"])
def test_arguments_that_cannot_be_read_are_withheld(arguments):
    """Too deep, too long a number, half a character: nothing goes out unread."""
    call = {"function": {"name": "f", "arguments": arguments}}
    with pytest.raises(UpstreamGarbage):
        visible([choice(tool_calls=[call])])


def test_a_word_split_between_channels_is_judged_whole():
    """Half of it was thought, the other half said."""
    assert "Sel\ntal\nSeltal" == judged(choice(reasoning_content="Sel", content="tal"))
    assert "Seltal" == judged(choice(content="Seltal"))


@pytest.mark.parametrize(
    ("said", "lines"),
    [
        ('{"first": "Maren", "last": "Oskeld"}', ["firstlast", "first last", "MarenOskeld", "Maren Oskeld"]),
        ('["Sel", ["tal"], 9, true, null]', ["Seltal9", "Sel tal 9"]),
        ('{"Sel": {"tal": null}}', ["Seltal", "Sel tal"]),
        ('```json\n["Sel", "tal"]\n```', ["Seltal", "Sel tal"]),
        ('{"only": "one"}', []),
        ('{"broken": "Sel', []),
        ("[Sel] and {tal}", []),
    ],
)
def test_json_is_judged_without_its_signs_too(said, lines):
    """A name can have a field for each of its words, and a word one for each of its halves; keys can as well."""
    assert "\n".join([said, *lines]) == judged(choice(content=said))
