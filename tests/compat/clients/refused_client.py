"""What LangChain and instructor make of an answer about a forgotten topic, as JSON. Run with BASE_URL."""

import json
import sys

import instructor
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from openai import OpenAI
from pydantic import BaseModel

ASKED = "Where was Maren Oskeld born?"


class Person(BaseModel):
    """A person."""

    name: str
    year: int


class PersonIfKnown(BaseModel):
    """A person, who need not be known."""

    name: str | None
    year: int | None


@tool
def look_up(what: str) -> str:
    """Look something up."""
    return what


def outcome(ask):
    """Give what came, or the error's name and whether it holds the refusal's words."""
    try:
        return ask()
    except Exception as error:  # which one it is, is the question
        return [type(error).__name__, "I don't have information about that." in str(error)]


def by_instructor(mode, kind):
    """Ask for an object of this kind."""
    with OpenAI(base_url=sys.argv[1], api_key="any", max_retries=0) as openai:
        client = instructor.from_openai(openai, mode=mode)
        messages = [{"role": "user", "content": ASKED}]
        found = client.chat.completions.create(model="m", response_model=kind, messages=messages, max_retries=1)
        return found.model_dump()


chat = ChatOpenAI(base_url=sys.argv[1], api_key="any", model="m", max_retries=0)
required = chat.bind_tools([look_up], tool_choice="required")
called = chat.with_structured_output(Person, method="function_calling")
found = {
    "required": outcome(lambda: (said := required.invoke(ASKED)).tool_calls or said.additional_kwargs["refusal"]),
    "required, streamed": outcome(lambda: [call for chunk in required.stream(ASKED) for call in chunk.tool_calls]),
    "schema": outcome(lambda: chat.with_structured_output(Person).invoke(ASKED)),
    "schema, if known": outcome(lambda: chat.with_structured_output(PersonIfKnown).invoke(ASKED).model_dump()),
    "function": outcome(lambda: called.invoke(ASKED)),
    "instructor TOOLS": outcome(lambda: by_instructor(instructor.Mode.TOOLS, Person)),
    "instructor JSON_SCHEMA": outcome(lambda: by_instructor(instructor.Mode.JSON_SCHEMA, Person))[0],
    "instructor JSON_SCHEMA, if known": outcome(lambda: by_instructor(instructor.Mode.JSON_SCHEMA, PersonIfKnown)),
}
sys.stdout.write(json.dumps(found))
