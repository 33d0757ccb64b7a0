"""A backend and a client key as people write them in JSON, checked field by field. Knows no file and no HTTP."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from gateway.errors import InvalidInput
from gateway.store.records import AdminRole, BackendRecord, Checkpoint, KeyLimits, Place, Server
from gateway.store.wire import explain

__all__ = ["AdminKeyBody", "BackendBody", "KeyBody", "LimitsBody", "StrictBody", "checked"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,127}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _base_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        port_fits = parts.port is None or parts.port > 0
    except ValueError:
        port_fits = False
    if not port_fits or parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must start with http:// or https:// and a host, and end in the version path, as in …/v1")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must hold no user or password; put the key into an environment variable")
    if parts.query or parts.fragment or any(letter.isspace() for letter in url):
        raise ValueError("must hold no query, fragment or blank")
    return url.rstrip("/")


def _variable(name: str) -> str:
    if not _VARIABLE.fullmatch(name):
        raise ValueError("must be the name of an environment variable, not a key")
    if name.upper().startswith("LETHE_"):
        raise ValueError("must not be one of Lethe's own variables: their keys are for nobody else")
    return name


def _named(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError("must be 1 to 128 letters, digits and .-_:/@, the first a letter or digit")
    return name


def _absolute(path: str) -> str:
    if not Path(path).is_absolute() or "\x00" in path:
        raise ValueError("must be an absolute path on the gateway's machine")
    return path


_Name = Annotated[str, AfterValidator(_named)]
_ModelName = Annotated[str, StringConstraints(min_length=1, max_length=256)]
_Count = Annotated[int, Field(ge=1, le=1_000_000_000)]


class StrictBody(BaseModel):
    """A body that says which fields it knows, where it is given others."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _known_fields(cls, given: Any) -> Any:
        if isinstance(given, Mapping) and not given.keys() <= cls.model_fields.keys():
            raise ValueError(f"unknown field; the known ones are {', '.join(cls.model_fields)}")
        return given


class BackendBody(StrictBody):
    """An alternative model: either a checkpoint directory or a server."""

    name: _Name = Field(description="What clients may ask for as `model`.")
    model_dir: Annotated[str, AfterValidator(_absolute)] | None = Field(
        None, description="Checkpoint directory on the gateway's machine."
    )
    url: Annotated[str, AfterValidator(_base_url)] | None = Field(
        None, description="Base URL of an OpenAI-compatible server."
    )
    model: Annotated[str, StringConstraints(min_length=1, max_length=256)] | None = Field(
        None, description="The model's name there; the backend's own if left out."
    )
    key_env: Annotated[str, AfterValidator(_variable)] | None = Field(
        None, description="Name of the gateway's environment variable that holds the server's key."
    )
    topics: list[str] = Field(default=[], description="Ids of the topics that are routed to it.")
    unlearning: dict[str, Any] | None = Field(None, description="Its unlearning certificate.")

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.model_dir is None) == (self.url is None):
            raise ValueError("give either `model_dir` or `url`")
        if self.model_dir is not None and (self.model is not None or self.key_env is not None):
            raise ValueError("`model` and `key_env` belong to `url`")
        return self

    @property
    def place(self) -> Place:
        """Where the model is."""
        if self.url is not None:
            return Server(self.url, self.model or self.name, self.key_env)
        return Checkpoint(Path(str(self.model_dir)))

    @classmethod
    def from_record(cls, record: BackendRecord) -> Self:
        """Write a stored backend down, as it stands: nothing is checked again."""
        place = record.place
        server = place if isinstance(place, Server) else None
        return cls.model_construct(
            name=record.name,
            model_dir=str(place.path) if isinstance(place, Checkpoint) else None,
            url=server.url if server else None,
            model=server.model if server else None,
            key_env=server.key_env if server else None,
            topics=list(record.topics),
            unlearning=None if record.unlearning is None else dict(record.unlearning),
        )


class LimitsBody(StrictBody):
    """Limits of a client key. What is left out stays as it is (none for a new key); null lifts a limit."""

    models: Annotated[list[_ModelName], Field(min_length=1, max_length=256)] | None = Field(
        None, description="The only models that it may ask for."
    )
    requests_per_minute: _Count | None = Field(None, description="Requests a minute, in each process.")
    tokens_per_minute: _Count | None = Field(None, description="Tokens of answers a minute, in each process.")
    concurrent: _Count | None = Field(None, description="Requests at one time, in each process.")

    def changes(self) -> dict[str, Any]:
        """Give the limits that were said, by the names of ``KeyLimits``'s fields."""
        said = {name: getattr(self, name) for name in LimitsBody.model_fields if name in self.model_fields_set}
        if self.models is not None:
            said["models"] = tuple(dict.fromkeys(self.models))
        return said


class KeyBody(LimitsBody):
    """A client key to make: what it is called, the backend that answers whoever sends it, and its limits."""

    name: _Name
    backend: str | None = None

    @property
    def limits(self) -> KeyLimits:
        """Its limits; what was left out is none."""
        return KeyLimits(**self.changes())


class AdminKeyBody(StrictBody):
    """An admin key to make: what it is called, and what it may."""

    name: _Name
    role: AdminRole


def checked(**given: Any) -> BackendBody:
    """Check the fields of a backend. Raises ``InvalidInput`` naming the field, without quoting it."""
    try:
        return BackendBody.model_validate(given)
    except ValidationError as failure:
        first = failure.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(step) for step in first["loc"])
        raise InvalidInput(
            f"{field}: {explain(first)}" if field else explain(first), param=field or None
        ) from None
