"""What an upstream is: a chat request in, a completion out. Knows no topics."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias, runtime_checkable

from gateway.errors import InvalidInput
from gateway.telemetry.upstreams import ServerStanding

__all__ = [
    "Capabilities",
    "ChatRequest",
    "Choice",
    "Choosing",
    "Completion",
    "Embedder",
    "EmbeddingRequest",
    "Embeddings",
    "Message",
    "Observed",
    "Send",
    "Streamer",
    "Upstream",
    "Usage",
    "embedder",
    "streamed",
]

Message: TypeAlias = Mapping[str, Any]
"""One message of a conversation, as the OpenAI chat dialect writes it."""


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One chat completion to generate.

    ``parameters`` are all other fields of the client's body (temperature, max_tokens, tools, …), passed on
    untouched; ``n`` is how many choices to draw; ``banned_words`` must not occur in the answer, for
    upstreams that can enforce it. ``raw`` says that there are no turns: the one message's content is text
    that the model goes on from (``going_on`` makes such a request).
    """

    model: str
    messages: tuple[Message, ...]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    n: int = 1
    banned_words: tuple[str, ...] = ()
    raw: bool = False

    @classmethod
    def going_on(cls, model: str, prompt: str, parameters: Mapping[str, Any], n: int = 1) -> ChatRequest:
        """Make a request to go on from ``prompt``, with no chat template around it."""
        return cls(model, ({"role": "user", "content": prompt},), parameters, n, raw=True)

    @property
    def prompt(self) -> str:
        """The text to go on from. Raises ``ValueError`` for a chat."""
        if not self.raw:
            raise ValueError("a chat has turns, not a prompt")
        return str(self.messages[0]["content"])


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one or more generations."""

    prompt_tokens: int = 0
    completion_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(self.prompt_tokens + other.prompt_tokens, self.completion_tokens + other.completion_tokens)


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer: the assistant's message as the upstream wrote it, and why it ended.

    ``extras`` are the choice's other fields (logprobs, …), which nobody has verified.
    """

    message: Message
    finish_reason: str
    extras: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Completion:
    """What one generation gave: ``request.n`` choices, in order."""

    model: str
    choices: tuple[Choice, ...]
    usage: Usage = Usage()


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an upstream can do beyond one plain answer.

    ``every_spelling``: it is a vLLM that keeps banned words out by ``gateway.upstream.vllm_plugin``.
    """

    several_choices: bool = False
    banned_words: bool = False
    every_spelling: bool = False

    def __post_init__(self) -> None:
        if self.every_spelling and not self.banned_words:
            raise ValueError("what keeps out every spelling keeps out words")

    @property
    def parts(self) -> list[bool]:
        """What a fingerprint names; the later ones only where they hold, so that older certificates stay true."""
        return [self.several_choices, self.banned_words, *([True] if self.every_spelling else [])]


class Upstream(Protocol):
    """A source of answers. Raises only ``gateway.errors.UpstreamError``; safe to call concurrently."""

    @property
    def capabilities(self) -> Capabilities:
        """What refinement may ask of it."""
        ...

    def fingerprint(self, model: str) -> str:
        """Changes whenever the answers of ``model`` could change; a certificate names it."""
        ...

    async def complete(self, request: ChatRequest) -> Completion:
        """Generate. Cancelling the call cancels the generation."""
        ...

    async def models(self) -> tuple[str, ...]:
        """The names of the models that can be asked for."""
        ...

    async def aclose(self) -> None:
        """Release connections, threads and weights."""
        ...


@runtime_checkable
class Choosing(Protocol):
    """What an upstream of several generators can do: say which of them may answer. See ``Upstream``."""

    def generators(self, model: str) -> tuple[Upstream, ...]:
        """Give them in the order in which to ask, at least one. Raises ``UnknownModel``."""
        ...


@runtime_checkable
class Observed(Protocol):
    """An upstream that can say how its servers do."""

    def standings(self) -> Iterable[ServerStanding]:
        """Say it of each, as of now."""
        ...


Send: TypeAlias = Callable[[str], Awaitable[None]]
"""Takes the next piece of an answer's content; what it raises ends the generation."""


@runtime_checkable
class Streamer(Protocol):
    """What an upstream that tells an answer while it is written can do beside. Raises ``UpstreamError``."""

    async def stream(self, request: ChatRequest, send: Send) -> Completion:
        """Generate one choice, its content piece by piece to ``send``; returns it whole, as ``complete`` would."""
        ...


async def streamed(upstream: Upstream, request: ChatRequest, send: Send) -> Completion:
    """Generate one choice, in one piece where the upstream knows no other way."""
    if isinstance(upstream, Streamer):
        return await upstream.stream(request, send)
    completion = await upstream.complete(request)
    content = completion.choices[0].message.get("content") if completion.choices else None
    if isinstance(content, str):
        await send(content)
    return completion


@dataclass(frozen=True, slots=True)
class EmbeddingRequest:
    """Texts, or lists of token numbers, to turn into vectors. ``parameters`` are as in ``ChatRequest``."""

    model: str
    inputs: tuple[str | Sequence[int], ...]
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Embeddings:
    """One vector for each input, in order: numbers, or their bytes in base64 where the client asked for that."""

    vectors: tuple[Sequence[float] | str, ...]
    prompt_tokens: int = 0


@runtime_checkable
class Embedder(Protocol):
    """What an upstream that makes embeddings can do beside answering. Raises ``UpstreamError``."""

    async def embed(self, request: EmbeddingRequest) -> Embeddings:
        """Embed all inputs, or raise."""
        ...


def embedder(upstream: Upstream) -> Embedder:
    """Take the upstream as one that makes embeddings. Raises ``InvalidInput`` where it makes none."""
    if not isinstance(upstream, Embedder):
        raise InvalidInput("model: this model makes no embeddings", param="model")
    return upstream
