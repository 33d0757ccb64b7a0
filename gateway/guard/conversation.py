"""A conversation as the guard reads it: every text that the client put in, wherever it put it. Knows no topics."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from gateway.errors import InvalidInput, TooLarge
from gateway.upstream.protocol import ChatRequest, Message
from verifiers.protocol import Exchange

__all__ = ["Conversation", "read_conversation"]

_ROLES: Final = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
_UNREAD_PARTS: Final = frozenset(
    {"image_url", "input_image", "image", "input_audio", "audio", "file", "video_url"}
)

_UNFINISHED_WORD: Final = re.compile(r"\S*\Z")
_UNSPOKEN: Final = frozenset({"system", "developer"})
_PLAIN_KEYS: Final = frozenset(
    "content text type name arguments function tool_calls tools tool_call_id id description parameters "
    "properties required temperature top_p top_k max_tokens max_completion_tokens stop seed user metadata "
    "response_format json_schema schema strict image_url url detail refusal reasoning_content reasoning".split()
)


@dataclass(frozen=True, slots=True)
class Conversation:
    """What was said before the answer.

    ``text`` is all of it, oldest first, and what else the request says (tools, schemas, templates, …);
    ``last_turn`` is the user's newest message; ``begun`` is what the answer goes on from, where the client
    has begun it; ``opaque`` says that there is something in it that cannot be read, such as an image.
    ``told`` are the earlier answers (the client hands them in, so they may be its own invention), oldest first,
    without what it has begun; ``asked`` is the text without them.
    """

    text: str
    last_turn: str
    begun: str
    opaque: bool
    raw: bool = False
    told: tuple[str, ...] = ()
    asked: str | None = None

    def exchange(self, answer: str) -> Exchange:
        """Put it together with an answer, for a verifier."""
        return Exchange(self.text, answer, self.last_turn, self.told, self.asked)

    def with_answer(self, answer: str) -> str:
        """Put before the answer what the client has begun of it: a turn, or a word that the answer finishes."""
        if self.raw and not answer[:1].isalnum():
            return answer
        return self.begun + answer


def read_conversation(request: ChatRequest, *, most_chars: int) -> Conversation:
    """Read a request.

    Raises ``InvalidInput`` for a role or a shape in which text could hide, ``TooLarge`` beyond ``most_chars``.
    """
    try:
        messages = ["\n".join(_strings(_checked(message))) for message in request.messages]
        beside = list(_strings(request.parameters))
    except RecursionError:
        raise InvalidInput("the request is nested too deeply", param="messages") from None
    text = _joined((*beside, *messages))
    if len(text) > most_chars:
        raise TooLarge(f"the conversation has more than {most_chars} characters")
    roles = [message.get("role") for message in request.messages]
    users = [said for role, said in zip(roles, messages, strict=True) if role == "user" and said]
    spoken = [at for at, said in enumerate(messages) if said and roles[at] not in _UNSPOKEN]
    begun = spoken[-1] if spoken and roles[spoken[-1]] == "assistant" else None
    told = [at for at, said in enumerate(messages) if said and roles[at] == "assistant" and at != begun]
    return Conversation(
        text=text,
        last_turn=users[-1] if users else text,
        begun=_UNFINISHED_WORD.findall(request.prompt)[0] if request.raw else _begun(messages, begun),
        raw=request.raw,
        opaque=any(_is_opaque(message) for message in request.messages),
        told=tuple(messages[at] for at in told),
        asked=_joined((*beside, *(said for at, said in enumerate(messages) if at not in told))) if told else None,
    )


def _begun(messages: Sequence[str], begun: int | None) -> str:
    return "" if begun is None else messages[begun]


def _joined(pieces: Iterable[str]) -> str:
    return "\n".join(piece for piece in pieces if piece)


def _checked(message: Message) -> Mapping[str, Any]:
    if message.get("role") not in _ROLES:
        raise InvalidInput(f"messages: a role is one of {', '.join(sorted(_ROLES))}", param="messages")
    content = message.get("content")
    if not (content is None or isinstance(content, str) or _is_list_of_parts(content)):
        raise InvalidInput("messages: content is a text or a list of parts", param="messages")
    return {key: value for key, value in message.items() if key != "role"}


def _is_list_of_parts(content: object) -> bool:
    return isinstance(content, list | tuple) and all(isinstance(part, Mapping) for part in content)


def _is_opaque(message: Message) -> bool:
    content = message.get("content")
    if isinstance(content, str) or not isinstance(content, Sequence):
        return False
    return any(part.get("type") in _UNREAD_PARTS for part in content)


def _strings(value: object) -> Iterator[str]:
    """Find every text in a value, names of fields included; JSON in a text is read as written and as meant."""
    match value:
        case str():
            if not value.startswith("data:"):
                yield value
                yield from _unescaped(value)
        case Mapping():
            for key, inner in value.items():
                if key not in ("type", "role"):
                    yield from _strings(inner)
                if key not in _PLAIN_KEYS:
                    yield str(key)
        case list() | tuple():
            for inner in value:
                yield from _strings(inner)


def _unescaped(text: str) -> Iterator[str]:
    """JSON can spell a letter as an escape: where a text is JSON with escapes, give what it says."""
    if "\\u" in text and text.lstrip()[:1] in ("{", "[", '"'):
        try:
            yield json.dumps(json.loads(text), ensure_ascii=False)
        except (ValueError, RecursionError):
            yield text.encode("latin-1", "backslashreplace").decode("unicode_escape", "replace")
