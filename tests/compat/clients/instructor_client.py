"""What instructor makes of a gateway's answers, as JSON. Run as: python instructor_client.py BASE_URL."""

import json
import sys

import instructor
from openai import OpenAI
from pydantic import BaseModel


class Hill(BaseModel):
    """A hill."""

    name: str
    metres: int


found = {}
for mode in (instructor.Mode.TOOLS, instructor.Mode.JSON, instructor.Mode.JSON_SCHEMA):
    with OpenAI(base_url=sys.argv[1], api_key="any", max_retries=0) as openai:
        client = instructor.from_openai(openai, mode=mode)
        messages = [{"role": "user", "content": "Which hill?"}]
        hill = client.chat.completions.create(model="m", response_model=Hill, messages=messages, max_retries=1)
        found[mode.name] = hill.model_dump()
sys.stdout.write(json.dumps(found))
