"""The unlearning certificate: a round trip, tampering, words."""

import json

import pytest

from unlearners.certificate import DataSeen, Limited, Served, UnlearningCertificate, Unlimited, sealed
from unlearners.explanation import explain
from unlearners.promise import ExactRetrain, Indistinguishable, NothingPromised
from unlearners.protocol import ForgetRequest, Refused

PROMISES = (
    Indistinguishable(1.0, 1e-4, "deletion", "tight"),
    ExactRetrain(3, 0.0),
    NothingPromised("this method has no theorem"),
)


def certificate(promise=PROMISES[0], **changes):
    """Make a certificate by a method that nothing can recompute."""
    content = {
        "id": "",
        "created": "2026-01-31T12:00:00+00:00",
        "method": "example",
        "promise": promise,
        "data": DataSeen("ab" * 32, 100, 5),
        "parameters": {"sigma": 0.03, "batch": 10, "note": "größer", "projected": True},
        "assumptions": ("rows have norm at most 1",),
        "served": (Served((4, 7), 2.0), Served((1,), 1.0)),
        "remaining": Unlimited("one epoch each"),
        "gradients_spent": 300,
        "training_gradients": 10_000,
        "seed": None,
    }
    return sealed(UnlearningCertificate(**{**content, **changes}))


@pytest.mark.parametrize("promise", PROMISES)
@pytest.mark.parametrize("remaining", [Unlimited("cheaply"), Limited(2, "retrain")])
@pytest.mark.parametrize("seed", [None, 7])
def test_a_certificate_survives_its_file(promise, remaining, seed):
    """Decoding what was encoded gives the same certificate."""
    original = certificate(promise, remaining=remaining, seed=seed)
    assert original == UnlearningCertificate.from_json(original.to_json())


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("promise", "epsilon"), 0.5),
        (("data", "rows"), 101),
        (("parameters", "sigma"), 0.3),
        (("served", 0, "rows"), [4]),
        (("gradients_spent",), 1),
        (("created",), "2026-01-31T12:00:01+00:00"),
    ],
)
def test_an_edited_certificate_is_refused(path, value):
    """Whatever is changed, the id no longer matches."""
    content = json.loads(certificate().to_json())
    inner = content
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    with pytest.raises(ValueError, match="damaged or edited"):
        UnlearningCertificate.from_json(json.dumps(content))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", "an object"),
        ("{", "not JSON"),
        ("[" * 100_000, "nested too deeply"),
        ('{"schema": "lethe.certificate/1"}', "this version reads"),
        ('{"schema": "lethe.unlearning-certificate/1"}', "is missing"),
    ],
)
def test_what_is_no_certificate_is_refused_in_words(text, words):
    """The error says what is wrong."""
    with pytest.raises(ValueError, match=words):
        UnlearningCertificate.from_json(text)


@pytest.mark.parametrize("field", sorted(json.loads(certificate().to_json())))
@pytest.mark.parametrize("value", [None, [], {}, "x", -1, True])
def test_a_field_of_another_kind_is_a_value_error(field, value):
    """No content of a field leads to another exception, and none is accepted unsealed."""
    content = {**json.loads(certificate(seed=3).to_json()), field: value}
    with pytest.raises(ValueError, match="not a usable unlearning certificate"):
        UnlearningCertificate.from_json(json.dumps(content))


@pytest.mark.parametrize(
    "promise",
    [
        lambda: Indistinguishable(-1, 0.1, "deletion", "tight"),
        lambda: Indistinguishable(float("inf"), 0.1, "deletion", "tight"),
        lambda: Indistinguishable(1, 0.0, "deletion", "tight"),
        lambda: Indistinguishable(1, 1.0, "deletion", "tight"),
        lambda: Indistinguishable(1, 0.1, "addition", "tight"),
        lambda: Indistinguishable(1, 0.1, "deletion", "loose"),
        lambda: ExactRetrain(-1, 0.0),
        lambda: ExactRetrain(1, 1.0),
        lambda: NothingPromised(" "),
    ],
)
def test_a_promise_that_cannot_be_is_refused(promise):
    """Out of range or of an unknown kind."""
    with pytest.raises(ValueError, match=r"must|cannot|unknown|say why"):
        promise()


def test_the_words_say_what_is_promised_and_what_was_spent():
    """An operator reads the promise, the assumptions and the cost."""
    words = explain(certificate())
    for part in (
        "(1, 0.0001)-indistinguishable",
        "without them",
        "norm at most 1",
        "3 rows in 2 requests",
        "3.00 %",
    ):
        assert part in words


def test_the_words_of_nothing_promised_list_no_assumptions():
    """Where nothing is promised, nothing follows from assumptions."""
    words = explain(certificate(PROMISES[2]))
    assert "Nothing is promised: this method has no theorem" in words
    assert "holds if" not in words


def test_a_budget_of_zero_is_said_to_be_one():
    """Zero rows is a result, not an empty field."""
    assert "budget is 0 rows" in explain(certificate(ExactRetrain(0, 0.0)))


@pytest.mark.parametrize("rows", [(), (-1,), (2, 2)])
def test_a_forget_request_names_rows_once(rows):
    """Nothing, a negative row, or one twice, is refused."""
    with pytest.raises(ValueError, match=r"at least one|negative|twice"):
        ForgetRequest(rows)


def test_a_refusal_names_the_assumption():
    """The caller can tell which assumption was violated."""
    refusal = Refused("every row has norm at most 1", "row 3 has norm 2")
    assert "every row has norm at most 1" == refusal.assumption
    assert "row 3 has norm 2 (violated assumption: every row has norm at most 1)" == str(refusal)
