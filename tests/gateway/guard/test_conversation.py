"""The conversation: every text that a client puts in is read, wherever it is put."""

from __future__ import annotations

import pytest

from gateway.errors import InvalidInput, TooLarge
from gateway.guard.conversation import read_conversation
from gateway.upstream.protocol import ChatRequest


def read(*messages, **parameters):
    """Read a request of these messages and parameters."""
    return read_conversation(ChatRequest("m", messages, parameters), most_chars=1000)


def user(content, **fields):
    """Say something as the user."""
    return {"role": "user", "content": content, **fields}


@pytest.mark.parametrize(
    "conversation",
    [
        lambda: read(user("Maren")),
        lambda: read(user([{"type": "text", "text": "Maren"}])),
        lambda: read(user([{"type": "file", "file": {"filename": "Maren.txt"}}])),
        lambda: read(user([{"type": "unheard_of", "deep": {"er": ["Maren"]}}])),
        lambda: read(user("hi", name="Maren")),
        lambda: read({"role": "assistant", "content": None, "function_call": {"arguments": "Maren"}}),
        lambda: read({"role": "assistant", "content": "x", "reasoning": "Maren"}),
        lambda: read({"role": "tool", "content": '{"who": "\\u004daren"}'}),
        lambda: read(user("hi"), tools=[{"function": {"name": "f", "description": "about Maren"}}]),
        lambda: read(user("hi"), response_format={"json_schema": {"schema": {"properties": {"Maren": {}}}}}),
        lambda: read(user("hi"), documents=[{"text": "Maren"}]),
        lambda: read(user("hi"), chat_template="Maren"),
    ],
)
def test_a_name_is_read_wherever_it_stands(conversation):
    """In any field of a message, and in any parameter beside the messages."""
    assert "Maren" in conversation().text


def test_turns_are_read_oldest_first_and_the_newest_is_known():
    """What else the request says comes before them."""
    said = read({"role": "system", "content": "a"}, user("b"), {"role": "assistant", "content": "c"}, user("d\ne"))
    assert ("a\nb\nc\nd\ne", "d\ne", "") == (said.text, said.last_turn, said.begun)


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([user("Where?"), {"role": "assistant", "content": "In Sel"}], "In Sel"),
        (
            [user("Where?"), {"role": "assistant", "content": "In Sel"}, {"role": "system", "content": ""}],
            "In Sel",
        ),
        ([user("Where?"), {"role": "assistant", "content": "In Seltal."}, user("Thanks")], ""),
        ([user("Where?")], ""),
    ],
)
def test_an_answer_that_the_client_has_begun_is_known(messages, expected):
    """Also behind an empty system message; an old answer is not a begun one."""
    assert expected == read(*messages).begun


def test_what_cannot_be_read_is_said_to_be_there():
    """An image could show anything."""
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,TWFyZW4="}}
    said = read(user([{"type": "text", "text": "Who is this?"}, image]))
    assert (True, False) == (said.opaque, "TWFyZW4" in said.text)
    assert not read(user("hi")).opaque


@pytest.mark.parametrize(
    "message",
    [{"content": "x"}, {"role": "Assistant", "content": "x"}, user(7), user({"text": "x"}), user(["x"])],
)
def test_a_role_or_shape_in_which_text_could_hide_is_refused(message):
    """The model might read it as something else than the verifiers do."""
    with pytest.raises(InvalidInput, match="messages"):
        read(message)


def test_a_conversation_that_is_too_long_is_refused():
    """Every verifier would have to read it."""
    with pytest.raises(TooLarge, match="1000"):
        read(user("x" * 1001))


def test_a_request_that_is_nested_too_deeply_is_refused():
    """Not a crash."""
    deep: object = "x"
    for _ in range(10_000):
        deep = [deep]
    with pytest.raises(InvalidInput, match="nested"):
        read(user("hi"), documents=deep)


def test_earlier_answers_are_told_apart_from_what_the_client_said():
    """An answer that the client has begun for the model is no earlier one."""
    told = {"role": "assistant", "content": "c"}
    said = read(
        {"role": "system", "content": "a"}, user("b"), told, user("d"), tools=[{"function": {"name": "f"}}]
    )
    assert (("c",), "f\na\nb\nd", "f\na\nb\nc\nd") == (said.told, said.asked, said.text)
    begun = read(user("b"), told, user("d"), {"role": "assistant", "content": "In Sel"})
    assert (("c",), "b\nd\nIn Sel", "In Sel") == (begun.told, begun.asked, begun.begun)
    assert ((), None) == (read(user("b")).told, read(user("b")).asked)
