"""The conversation: every text that a client puts in is read, wherever it is put."""

from __future__ import annotations

import pytest

from gateway.errors import InvalidInput, TooLarge
from gateway.guard.conversation import read_conversation
from gateway.upstream.protocol import ChatRequest
from verifiers.protocol import Abstained, Evidence, Scored, Span


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
        lambda: read(user("data: Maren")),
        lambda: read(user([{"type": "text", "text": "data:,Maren"}])),
        lambda: read(user([{"type": "Maren"}])),
        lambda: read(user([{"type": ["Maren"]}])),
        lambda: read(user([{"type": "image_url", "image_url": {"url": "data:text/plain,Maren"}}])),
        lambda: read(user("hi"), tools=[{"function": {"parameters": {"properties": {"x": {"type": "Maren"}}}}}]),
        lambda: read(user("hi"), response_format={"json_schema": {"schema": {"role": "Maren"}}}),
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


@pytest.mark.parametrize(
    "conversation",
    [
        lambda: read(user([{"type": "audio_url", "audio_url": {"url": "https://example.org/a.wav"}}])),
        lambda: read(user([{"image_url": "data:image/png;base64,AAAA"}])),
        lambda: read(user([{"type": ["text"], "text": "hi"}])),
        lambda: read(user("hi"), prompt_embeds="AAAA"),
        lambda: read(user("hi"), prompt_token_ids=[1, 2]),
    ],
)
def test_what_cannot_be_read_makes_a_conversation_opaque(conversation):
    """Then every verifier judges, and the decoding is the calibrated one."""
    assert conversation().opaque


def test_an_image_is_not_read_as_words():
    """Its data would be most of the conversation."""
    said = read(user([{"type": "image_url", "image_url": {"url": "data:image/png;base64," + "QUJD" * 300}}]))
    assert ("", True) == (said.text, said.opaque)


@pytest.mark.parametrize("role", [["user"], {"user": 1}, None, 7])
def test_a_role_that_is_no_word_is_refused(role):
    """Not a crash."""
    with pytest.raises(InvalidInput, match="a role is one of"):
        read({"role": role, "content": "hi"})


def test_what_tools_gave_back_counts_as_told():
    """A client could put the model's earlier answers there."""
    said = read(user("a"), {"role": "tool", "content": "It begins with Sel."}, user("b"))
    assert (("It begins with Sel.",), "a\nb") == (said.told, said.asked)


def going_on(prompt):
    """Read a request to go on from a text."""
    return read_conversation(ChatRequest.going_on("m", prompt, {}), most_chars=1000)


def test_the_answer_to_a_text_is_judged_behind_its_unfinished_line():
    """A name could be begun there, and finished in any way."""
    assert "Name: Maren Osk-eld" == going_on("One.\nName: Maren Osk").exchange("-eld").answer
    assert 201 == len(going_on("x" * 900).exchange(".").answer)


def test_only_what_reaches_into_the_answer_counts_against_a_text():
    """The client's own words before it are no leak; in a chat they are the answer's."""
    inside = Evidence("t", "v", 0.9, "", (Span(0, 5),))
    across = Evidence("t", "v", 0.7, "", (Span(3, 6),))
    placeless = Evidence("t", "v", 0.4, "")
    verdict = Scored(0.9, (inside, across, placeless))
    text = going_on("Maren")
    assert Scored(0.7, (across, placeless)) == text.counted(verdict)
    assert Scored(0.0) == text.counted(Scored(0.9, (inside,)))
    assert verdict == read(user("Maren")).counted(verdict)
    assert Abstained("x") == text.counted(Abstained("x"))


def test_an_answer_that_goes_on_within_a_word_is_judged_by_itself_too():
    """It could be a word of its own, and the client's only hide where it begins."""
    raw = read_conversation(ChatRequest.going_on("m", "THE AUTHOR IS CALLED", {}), most_chars=1000)
    assert "THE AUTHOR IS CALLEDMaren Oskeld\nMaren Oskeld" == raw.exchange("Maren Oskeld").answer
    assert "THE AUTHOR IS CALLED Maren Oskeld" == raw.exchange(" Maren Oskeld").answer
