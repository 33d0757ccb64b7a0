"""One server among several, as the operator writes it down. Knows no connection."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

__all__ = ["BadWords", "HttpAddress", "Seconds", "UpstreamSettings"]

BadWords = bool | Literal["every_spelling"]
Seconds = Annotated[float, Field(gt=0, le=3600)]


def _http(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise ValueError("must start with http:// or https:// and end in the version path, as in …/v1")
    return url


HttpAddress = Annotated[str, AfterValidator(_http)]


def _by_name(models: Any) -> Any:
    """Take a list of names as names that the server uses too."""
    if isinstance(models, list | tuple) and all(isinstance(name, str) for name in models):
        return {name: name for name in models}
    return models


_NAMES = {"type": "array", "items": {"type": "string", "minLength": 1}}
_RENAMED = {"type": "object", "additionalProperties": {"type": "string", "minLength": 1}}

_ModelName = Annotated[str, Field(min_length=1)]
_Models = Annotated[
    dict[_ModelName, _ModelName],
    BeforeValidator(_by_name),
    WithJsonSchema({"anyOf": [_NAMES, _RENAMED], "default": []}),
]


class UpstreamSettings(BaseModel):
    """One OpenAI-compatible server. What is not said of it is as the settings of the same names say of all."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9._-]*$",
        max_length=64,
        description="What it is called in metrics and after `@` in a model's name.",
    )
    url: HttpAddress = Field(description="Base URL, with the version path.")
    key_env: str | None = Field(
        default=None, min_length=1, description="Environment variable that holds the key for this server."
    )
    models: _Models = Field(
        default={},
        description="Models that it serves: a list, or a mapping from the clients' name to the server's. "
        "Empty: every model that no other upstream names.",
    )
    weights: str | None = Field(
        default=None,
        min_length=1,
        description="Name of the exact weights and serving software. Upstreams that share it count as one model: "
        "they share load, step in for one another, and a certificate made with one holds for the others. It is "
        "the operator's word.",
    )
    connect_timeout_s: Seconds | None = Field(default=None, description="Longest wait for a connection, seconds.")
    read_timeout_s: Seconds | None = Field(default=None, description="Longest wait for its answer, seconds.")
    write_timeout_s: Seconds | None = Field(
        default=None, description="Longest wait for it to take a request, seconds."
    )
    pool_timeout_s: Seconds | None = Field(default=None, description="Longest wait in its queue, seconds.")
    connections: int | None = Field(default=None, ge=1, description="Most requests that it works on at once.")
    waiting: int | None = Field(default=None, ge=0, description="Most requests that wait for it.")
    retries: int | None = Field(default=None, ge=0, le=10, description="How often a request is tried again.")
    several_choices: bool | None = Field(default=None, description="It takes `n` above 1.")
    bad_words: BadWords | None = Field(
        default=None,
        description="It takes `bad_words`; `every_spelling`: it is a vLLM with Lethe's logits processor, too.",
    )
