"""Dialogues from files: both forms, names, digests, and lines that cannot be used."""

import json

import pytest

from unlearners.language.dialogues import Dialogue, Message, digest_of, read_dialogues


def written(tmp_path, *lines):
    """Write the lines to a file."""
    path = tmp_path / "d.jsonl"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_a_prompt_with_an_answer_and_messages_are_the_same_dialogue(tmp_path):
    """The id is the position where none is given, and does not tell two dialogues apart."""
    messages = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    lines = [json.dumps({"prompt": "a", "answer": "b"}), "", json.dumps({"messages": messages, "id": "named"})]
    first, second = read_dialogues(written(tmp_path, *lines))
    assert first == second
    assert ("0", "named") == (first.id, second.id)
    assert ((Message("user", "a"),), "b") == (second.prompt, second.answer)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "not JSON"),
        ('{"prompt": "a"}', "'answer' is missing"),
        ('{"prompt": "a", "answer": 1}', "must be a text"),
        ('{"prompt": "a", "answer": " "}', "is empty"),
        ('{"prompt": "a", "answer": "b", "messages": []}', "not both"),
        ('{"messages": []}', "at least two messages"),
        ('{"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]}', "ends with"),
        ('{"messages": [{"role": "tool", "content": "a"}, {"role": "assistant", "content": "b"}]}', "role is one"),
        ('{"prompt": "a", "answer": "b", "id": "0"}', "the id '0' is used before"),
    ],
)
def test_an_unusable_line_is_named(tmp_path, line, words):
    """With what is wrong with it."""
    with pytest.raises(ValueError, match=f"line 2: .*{words}"):
        read_dialogues(written(tmp_path, '{"prompt": "q", "answer": "r"}', line))


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    """It may not be there, or may not be text."""
    with pytest.raises(ValueError, match=r"cannot read .*missing"):
        read_dialogues(tmp_path / "missing")


def test_the_digest_is_of_the_messages_in_their_order():
    """Ids do not count; words, roles' turns and order do."""
    one = Dialogue((Message("user", "a"), Message("assistant", "b")), "1")
    other = Dialogue((Message("user", "ab"), Message("assistant", "b")), "2")
    renamed = Dialogue(one.messages, "9")
    assert digest_of([one, other]) == digest_of([renamed, other])
    assert 3 == len({digest_of([one, other]), digest_of([other, one]), digest_of([one])})
