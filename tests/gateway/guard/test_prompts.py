"""The prompts file: what it may say, and errors that name the line."""

from __future__ import annotations

import json

import pytest

from gateway.errors import InvalidInput
from gateway.guard.prompts import read_prompts

GOOD = {"id": "a", "prompt": "Where was Maren born?", "forbidden": ["Seltal"], "groups": {"family": "direct"}}


@pytest.fixture
def written(tmp_path):
    """Write lines to a prompts file."""

    def write(*lines):
        path = tmp_path / "prompts.jsonl"
        path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
        return path

    return write


def test_a_prompt_is_a_text_or_a_conversation(written):
    """Both become messages; the id defaults to the line, the unit to the id."""
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Who?"}]
    read = read_prompts(written(GOOD, "", {"messages": turns, "forbidden": ["Maren"], "unit": "u"})).prompts
    assert [({"role": "user", "content": "Where was Maren born?"},), tuple(turns)] == [p.messages for p in read]
    assert [("a", "a"), ("line-3", "u")] == [(p.id, p.unit) for p in read]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("{not json", "line 2"),
        ("[]", "line 2"),
        ({"id": "b"}, "either `prompt`"),
        ({"prompt": "x", "messages": [{}]}, "either `prompt`"),
        ({"prompt": "x", "forbiden": []}, "forbiden"),
        ({"prompt": "x", "forbidden": "Seltal"}, "forbidden"),
        ({"prompt": "x", "benign": True, "forbidden": ["y"]}, "nothing forbidden"),
        ({"prompt": "x", "parameters": {"n": 2}}, "cannot set n"),
        ({"prompt": "x", "forbidden": []}, "is empty"),
        (GOOD, "used before"),
    ],
)
def test_a_malformed_line_is_named(written, line, complaint):
    """The error says which line and which field, and quotes nothing of it."""
    with pytest.raises(InvalidInput, match="line 2") as caught:
        read_prompts(written(GOOD, line))
    assert complaint in str(caught.value)
    assert "Seltal" not in str(caught.value)


def test_a_file_without_forget_prompts_is_refused(written):
    """Nothing can be calibrated on benign prompts alone."""
    with pytest.raises(InvalidInput, match="no prompt that probes"):
        read_prompts(written({"prompt": "x", "benign": True}))


def test_a_missing_file_and_a_file_that_is_no_text_are_named(tmp_path):
    """Each says what to do."""
    with pytest.raises(InvalidInput, match="cannot read"):
        read_prompts(tmp_path / "none.jsonl")
    (tmp_path / "raw").write_bytes(b"\xff\xfe{}")
    with pytest.raises(InvalidInput, match="UTF-8"):
        read_prompts(tmp_path / "raw")


def test_the_fingerprint_changes_with_the_contents(written):
    """A recording of other prompts is not resumed."""
    assert read_prompts(written(GOOD)).fingerprint != read_prompts(written(GOOD, {**GOOD, "id": "b"})).fingerprint
