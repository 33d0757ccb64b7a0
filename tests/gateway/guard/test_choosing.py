"""What a request only offers to pick from is nothing that was said before."""

from __future__ import annotations

import asyncio

import pytest

from gateway.guard.choosing import without_choices
from gateway.guard.conversation import read_conversation
from gateway.upstream.protocol import ChatRequest
from verifiers.claims import Claims
from verifiers.facts import Facts
from verifiers.protocol import Scored, Topic

MAREN = Topic("maren", "Maren Oskeld", facts=("Maren Oskeld was born in Seltal.",))
TOBIN = Topic("tobin", "Tobin Vaxley")


def shaped(properties: object) -> dict[str, object]:
    """Ask for a JSON object with these properties."""
    schema = {"type": "object", "properties": properties}
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}}


def tool(name: str, **arguments: object) -> dict[str, object]:
    """Offer a function."""
    function = {"name": name, "parameters": {"type": "object", "properties": arguments}}
    return {"type": "function", "function": function}


def leakage(verifier: Facts | Claims, topic: Topic, parameters: dict[str, object], answer: str) -> float:
    """Judge an answer to where somebody was born."""
    said = ChatRequest("m", ({"role": "user", "content": f"Where was {topic.name} born?"},), parameters)
    exchange = read_conversation(said, most_chars=10_000).exchange(answer)
    verdict = asyncio.run(verifier.prepare([topic])(exchange))
    assert isinstance(verdict, Scored)
    return verdict.leakage


@pytest.mark.parametrize("verifier", [(Facts(), MAREN), (Claims(), TOBIN)])
@pytest.mark.parametrize(
    ("parameters", "answer"),
    [
        (shaped({"town": {"enum": ["Harn", "Seltal", "Mirr"]}}), '{"town": "Seltal"}'),
        (shaped({"town": {"const": "Seltal"}}), '{"town": "Seltal"}'),
        (shaped({"town": {"type": "string", "pattern": "Harn|Seltal"}}), '{"town": "Seltal"}'),
        (shaped({"in_Seltal": {"type": "boolean"}, "in_Harn": {"type": "boolean"}}), '{"in_Seltal": true}'),
        (shaped({"Seltal": {"type": ["null", "boolean"]}, "Harn": {}}), '{"Seltal": null}'),
        (shaped({"a": {"anyOf": [{"const": "Harn"}, {"const": "Seltal"}]}}), '{"a": "Seltal"}'),
        ({"tools": [tool("Harn"), tool("Seltal")]}, "Seltal\n{}"),
    ],
)
def test_who_picks_what_a_schema_offers_says_it(verifier, parameters, answer):
    """A value, a truth, a call of a function that says nothing but its name."""
    assert leakage(*verifier, parameters, answer) >= 0.9


def test_names_of_fields_and_of_functions_with_arguments_were_said_before():
    """A client that reads the answer needs them, whatever it is."""
    parameters = {
        **shaped({"birthplace": {"type": "string"}}),
        "tools": [tool("archive", town={"type": "string"})],
    }
    assert leakage(Claims(), TOBIN, parameters, 'archive\n{"town": ""}') == 0.0


def test_only_what_an_answer_has_to_say_is_kept():
    """The shape of a schema and of tools: no descriptions, and no other parameter."""
    told = {"type": "string", "description": "Which one?", "enum": ["x"]}
    parameters = {**shaped({"a": told}), "user": "u", "stop": ["x"], "tools": []}
    assert {**shaped({"a": {"type": "string"}}), "tools": []} == without_choices(parameters)
    assert without_choices({**shaped({"a": {"type": "string"}}), "tools": []}) is None


@pytest.mark.parametrize("verifier", [(Facts(), MAREN), (Claims(), TOBIN)])
@pytest.mark.parametrize(
    "parameters",
    [
        {"metadata": {"towns": "Harn Seltal Mirr"}},
        {"user": "Harn Seltal Mirr"},
        {"stop": ["Seltal"]},
        {"anything_else": {"x": ["Harn", "Seltal"]}},
        {"tools": [{**tool("archive", a={"type": "string"}), "description": "Harn Seltal Mirr"}]},
    ],
)
def test_what_the_model_is_not_told_was_not_said_before(verifier, parameters):
    """A client could write every possible answer there, and see which one goes out."""
    _, topic = verifier
    assert leakage(*verifier, parameters, f"{topic.name} was born in Seltal.") >= 0.85
