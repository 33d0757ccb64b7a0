"""Replies of a judge: the probability of yes, and everything that is no verdict."""

from __future__ import annotations

import math

import pytest

from verifiers.readers.reply import Answered, Unanswered, read_reply


def completion(content, *, logprobs=None, finish="stop", **message):
    """A chat completion with one choice."""
    said = {"role": "assistant", "content": content, **message}
    return {"choices": [{"index": 0, "message": said, "finish_reason": finish, "logprobs": logprobs}]}


def tokens(*parts, at: int = 0, yes: float = 0.0, no: float = 0.0, others=()):
    """The probabilities of tokens, with alternatives at one of them."""
    alternatives = [{"token": token, "logprob": math.log(p)} for token, p in (("yes", yes), (" No", no), *others)]
    return {
        "content": [
            {"token": part, "logprob": -0.1, "top_logprobs": alternatives if number == at else []}
            for number, part in enumerate(parts)
        ]
    }


@pytest.mark.parametrize(
    ("content", "structured", "expected"),
    [
        ('{"leak": "yes"}', True, 1.0),
        (' {"leak":\n"no"} ', True, 0.0),
        ("yes", False, 1.0),
        (" No.\n", False, 0.0),
    ],
)
def test_a_plain_verdict_is_one_or_zero(content, structured, expected):
    """Where the server gives no probabilities."""
    assert Answered(expected, graded=False) == read_reply(completion(content), structured=structured)


def test_the_probability_is_that_of_yes_among_yes_and_no():
    """At the token with which the word begins, wherever the tokens are cut; other words do not count."""
    text = tokens("yes", yes=0.6, no=0.2, others=[("Perhaps", 0.2)])
    assert read_reply(completion("yes", logprobs=text), structured=False) == Answered(pytest.approx(0.75), True)
    split = tokens('{"leak"', ': "', "no", '"}', at=2, yes=0.1, no=0.3, others=[('"Y', 0.2)])
    found = read_reply(completion('{"leak": "no"}', logprobs=split), structured=True)
    assert found == Answered(pytest.approx(0.5), True)
    joined = tokens('{"leak"', ': "no', '"}', "<end>", at=1, yes=0.25, no=0.25)
    found = read_reply(completion('{"leak": "no"}', logprobs=joined), structured=True)
    assert found == Answered(pytest.approx(0.5), True)


@pytest.mark.parametrize(
    "logprobs",
    [
        None,
        {"content": None},
        {"content": []},
        {"content": [{"token": "other", "top_logprobs": [{"token": "yes", "logprob": 0}]}]},
        {"content": [{"token": "no", "top_logprobs": []}]},
        {"content": [{"token": "no", "top_logprobs": [{"token": "perhaps", "logprob": -1}]}]},
        {"content": [{"token": "no", "top_logprobs": [{"token": "yes", "logprob": "high"}]}]},
        {"content": [{"token": "no", "top_logprobs": [{"token": "yes", "logprob": float("nan")}]}]},
        {"content": ["no"]},
    ],
)
def test_probabilities_that_do_not_belong_to_the_text_are_left_alone(logprobs):
    """The word itself counts then."""
    assert Answered(0.0, graded=False) == read_reply(completion("no", logprobs=logprobs), structured=False)


@pytest.mark.parametrize(
    ("content", "structured"),
    [
        ("yes and no", False),
        ("I cannot judge this.", False),
        ("", False),
        (None, False),
        ("yes", True),
        ('{"leak": true}', True),
        ('{"leak": "Yes"}', True),
        ('{"leak": "no", "why": "x"}', True),
        ('{"leak": "yes", "leak": "no"}', True),
        ('[["leak", "no"]]', True),
        ('{"leak": "no"} {"leak": "yes"}', True),
        ('{"leak": "no"', True),
    ],
)
def test_a_reply_that_is_not_exactly_a_verdict_is_none(content, structured):
    """A judge that was talked into something else does not pass the answer."""
    assert Unanswered("the judge's reply is no yes or no") == read_reply(
        completion(content), structured=structured
    )


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (completion("no", finish="length"), "not finished"),
        (completion("no", finish="content_filter"), "not finished"),
        (completion("no", finish=None), "not finished"),
        (completion("no", refusal="I will not."), "refused"),
        ({"choices": []}, "unknown shape"),
        ({"choices": [{"message": "no"}]}, "unknown shape"),
        ({"error": "x"}, "unknown shape"),
        (["no"], "unknown shape"),
        (None, "unknown shape"),
    ],
)
def test_a_reply_that_is_refused_or_broken_off_is_no_verdict(body, reason):
    """And the reason quotes nothing of it."""
    found = read_reply(body, structured=False)
    assert isinstance(found, Unanswered)
    assert reason in found.reason
