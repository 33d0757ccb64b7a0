"""Fallbacks in the shape that a client asked for: what fits and claims nothing, and what is refused instead."""

from __future__ import annotations

import json

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.guard.fallback import UNAWARE, fallback_choice
from gateway.guard.shapes import call_required, in_shape, keeps_shape
from gateway.upstream.protocol import Choice

TEXT = {"type": "string"}
NULL = {"type": "null"}
WHOLE = {"type": "integer"}
KIND_AND_NAME = {"kind": "hill", "name": "?!"}


def asked(schema):
    """Ask for a schema, as a client's body does."""
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": schema}}}


def an_object(*, required=None, **properties):
    """Write an object's schema, by default with all properties required."""
    names = [*properties] if required is None else required
    return {"type": "object", "properties": properties, "required": names, "additionalProperties": False}


def said(text, **beside):
    """Make an answer with a text."""
    return Choice({"role": "assistant", "content": text, **beside}, "stop")


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (an_object(name=TEXT), {"name": "?!"}),
        (an_object(name=TEXT, metres={"type": ["integer", "null"]}), {"name": "?!", "metres": None}),
        (an_object(metres={"anyOf": [WHOLE, NULL]}), {"metres": None}),
        (an_object(said={"anyOf": [WHOLE, TEXT]}), {"said": "?!"}),
        (an_object(metres=WHOLE, required=[]), {}),
        (an_object(hills={"type": "array", "items": WHOLE}), {"hills": []}),
        (an_object(hills={"type": "array", "items": TEXT, "minItems": 2}), {"hills": ["?!", "?!"]}),
        (
            an_object(kind={"const": "hill"}, name={"allOf": [{"$ref": "#/x/n~1a"}]}) | {"x": {"n/a": TEXT}},
            KIND_AND_NAME,
        ),
        (an_object(mood={"enum": ["glad", None]}), {"mood": None}),
        (an_object(kind={"enum": ["hill"]}), {"kind": "hill"}),
        (an_object(code={"type": "string", "maxLength": 1}), {"code": ""}),
        (an_object(any={}), {"any": "?!"}),
        ({"properties": {"a": TEXT}, "required": ["a"]}, {"a": "?!"}),
        (TEXT, "?!"),
    ],
)
def test_an_instance_that_claims_nothing_is_found(schema, expected):
    """Null before all else, empty lists, no optional properties, the words where a text must stand."""
    assert expected == json.loads(in_shape("?!", asked(schema)))


@pytest.mark.parametrize(
    "schema",
    [
        an_object(name=TEXT, metres=WHOLE),
        an_object(alive={"type": "boolean"}),
        an_object(mood={"enum": ["glad", "sad"]}),
        an_object(born={"type": "string", "format": "date"}),
        an_object(code={"type": "string", "pattern": "^[0-9]+$"}),
        an_object(mood={"enum": []}),
        an_object(hills={"type": "array", "items": TEXT, "minItems": 100_000}),
        an_object(again={"$ref": "#"}),
        {"allOf": [{"$ref": "#"}]},
        {"$ref": "http://127.0.0.1:1/schema"},
        {"$ref": "#/nowhere"},
        {"type": "no type"},
        {"type": "object", "description": "x" * 130_000},
    ],
)
def test_what_would_be_made_up_is_refused_instead(schema):
    """Numbers, truth values, one of several words, dates; and schemas that cannot be read, or nest without end."""
    assert "unfit" == in_shape("?!", asked(schema))


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, None),
        ({"response_format": {"type": "text"}, "tool_choice": "auto"}, None),
        ({"response_format": {"type": "json_object"}}, '{"answer": "?!"}'),
        ({"response_format": {"type": "grammar"}}, "unfit"),
        ({"response_format": {"type": "json_schema"}}, "unfit"),
        ({"response_format": "json"}, "unfit"),
        ({"tool_choice": "required"}, "unfit"),
    ],
)
def test_each_kind_of_wish_has_its_shape(parameters, expected):
    """Any object where one is wanted; what is not known is refused in the way that clients know."""
    assert expected == in_shape("?!", parameters)


_SCHEMAS = st.recursive(
    st.sampled_from([TEXT, NULL, WHOLE, {"type": "boolean"}, {}, True, {"enum": ["a", "b"]}, {"const": 3}]),
    lambda inner: st.one_of(
        st.dictionaries(st.sampled_from("abc"), inner, max_size=3).map(lambda all_: an_object(**all_)),
        st.lists(inner, min_size=1, max_size=3).map(lambda all_: {"anyOf": all_}),
        st.lists(inner, min_size=1, max_size=2).map(lambda all_: {"allOf": all_}),
        inner.map(lambda one: {"type": "array", "items": one, "minItems": 1}),
        inner.map(lambda one: {"not": one}),
    ),
    max_leaves=8,
)


@given(_SCHEMAS)
def test_whatever_is_said_fits_the_schema(schema):
    """Of any schema, where anything is said at all."""
    fitted = in_shape("?!", asked(schema))
    if fitted != "unfit":
        assert jsonschema_rs.is_valid(schema, json.loads(fitted))


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("auto", False),
        ("none", False),
        (None, False),
        ("required", True),
        ({"type": "function", "function": {"name": "f"}}, True),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}}, False),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": []}}, True),
    ],
)
def test_a_required_call_is_seen_in_every_spelling(choice, expected):
    """A mode, a function by its name, a choice among some."""
    assert expected == call_required({"tool_choice": choice})


@pytest.mark.parametrize(
    ("choice", "parameters", "expected"),
    [
        (said('{"name": "Ell"}'), asked(an_object(name=TEXT)), True),
        (said('{"name": 3}'), asked(an_object(name=TEXT)), False),
        (said("Ell"), asked(an_object(name=TEXT)), False),
        (said(None), asked(an_object(name=TEXT)), False),
        (said(None, refusal="No."), asked(an_object(name=TEXT)), True),
        (said(None, tool_calls=[{}]), asked(an_object(name=TEXT)), True),
        (Choice({"content": '{"na'}, "length"), asked(an_object(name=TEXT)), True),
        (said("Ell"), asked({"type": "no type"}), False),
        (said('"Ell"'), asked({"type": "no type"}), True),
        (said("[]"), {"response_format": {"type": "json_object"}}, False),
        (said("{}"), {"response_format": {"type": "json_object"}}, True),
        (said("Ell"), {"tool_choice": "required"}, False),
        (said("Ell"), {}, True),
    ],
)
def test_an_answer_that_lost_its_shape_is_seen(choice, parameters, expected):
    """What is no JSON, fits no schema, or calls nothing; what cannot be checked passes."""
    assert expected == keeps_shape(choice, parameters)


def test_a_refusal_in_place_of_a_shape_ends_as_the_models_own():
    """Content null, ``stop``: what OpenAI's structured outputs do where the model will not answer."""
    choice = fallback_choice(UNAWARE, parameters={"tool_choice": "required"})
    assert (None, UNAWARE, "stop") == (choice.message["content"], choice.message["refusal"], choice.finish_reason)


def test_a_fallback_behind_sentences_that_are_out_has_no_shape():
    """A stream is not taken back: it ends in the words."""
    choice = fallback_choice("?!", sent="So far. ", parameters={"tool_choice": "required"})
    assert "So far. \n?!" == choice.message["content"]
