"""What LangChain reads of a gateway's answers, as JSON. Run as: python langchain_client.py BASE_URL."""

import json
import sys

from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel


class Hill(BaseModel):
    """A hill."""

    name: str
    metres: int


@tool
def look_up(what: str) -> str:
    """Look something up."""
    return what


base_url = sys.argv[1]
chat = ChatOpenAI(base_url=base_url, api_key="any", model="m", max_retries=0)
responses = ChatOpenAI(base_url=base_url, api_key="any", model="m", max_retries=0, use_responses_api=True)
embeddings = OpenAIEmbeddings(base_url=base_url, api_key="any", model="m", check_embedding_ctx_length=False)
said = chat.invoke("Which hill?")
found = {
    "invoke": said.content,
    "tokens": said.usage_metadata["total_tokens"],
    "stream": "".join(chunk.content for chunk in chat.stream("Which hill?")),
    "batch": [one.content for one in chat.batch(["Which hill?", "Where was Maren Oskeld born?"])],
    "tools": [(call["name"], call["args"]) for call in chat.bind_tools([look_up]).invoke("Which?").tool_calls],
    "structured": chat.with_structured_output(Hill).invoke("Which hill?").model_dump(),
    "responses": responses.invoke("Which hill?").text,
    "responses_stream": "".join(chunk.text for chunk in responses.stream("Which hill?")),
    "embeddings": embeddings.embed_documents(["a", "abc"]),
}
sys.stdout.write(json.dumps(found))
