"""A conversation as the guard reads it: every text that the client put in, wherever it put it. Knows no topics."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from gateway.errors import InvalidInput, TooLarge
from gateway.guard.choosing import without_choices
from gateway.upstream.protocol import ChatRequest, Message
from verifiers.protocol import Abstained, Exchange, Scored, Verdict

__all__ = ["Conversation", "read_conversation"]

_ROLES: Final = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
_TEXT_PARTS: Final = frozenset({"text", "input_text", "output_text", "refusal"})
"""Parts that can be read whole. Whatever else a part is, something in it cannot."""
_KINDS: Final = frozenset(
    "array auto boolean function integer json_object json_schema null number object string tool".split()
) | {*_TEXT_PARTS, "image_url", "input_image", "image", "input_audio", "audio", "audio_url", "file", "video_url"}
"""What ``type`` may say without being read."""
_UNREADABLE: Final = frozenset({"prompt_embeds", "prompt_token_ids", "input_embeds", "multi_modal_data"})
"""Parameters that say something in other ways than words."""
_DATA: Final = re.compile(r"data:[^,]*;base64,[A-Za-z0-9+/=\s]*\Z|[A-Za-z0-9+/=]{256,}\Z")
_MOST_BEGUN: Final = 200

_TOLD: Final = frozenset({"assistant", "tool", "function"})
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
    without what it has begun; ``asked`` is the text without them. ``unpicked`` is the text without what a schema
    or the tools offer to pick from, and without what the model does not read, None where that is all; ``shape`` is
    what an answer has to say because of them.
    """

    text: str
    last_turn: str
    begun: str
    opaque: bool
    raw: bool = False
    told: tuple[str, ...] = ()
    asked: str | None = None
    unpicked: str | None = None
    shape: str = ""

    def exchange(self, answer: str) -> Exchange:
        """Put it together with an answer, for a verifier, behind what the client has begun of it."""
        said = self.begun + answer
        if self.begun[-1:].isalnum() and answer[:1].isalnum():  # "…CALLED" and "Maren" are two words, or one
            said = f"{said}\n{answer}"
        return Exchange(self.text, said, self.last_turn, self.told, self.asked, self.unpicked, self.shape)

    def counted(self, verdict: Verdict) -> Verdict:
        """Count only the evidence that reaches into the answer, where the client's own text stands before it.

        Evidence without a place counts. In a chat everything does: there the client put words into the
        answer's mouth, to be gone on from.
        """
        if not self.raw or isinstance(verdict, Abstained):
            return verdict
        own = len(self.begun)
        kept = tuple(e for e in verdict.evidence if not e.spans or any(span.end > own for span in e.spans))
        if len(kept) == len(verdict.evidence):
            return verdict
        return Scored(max((e.leakage for e in kept), default=0.0), kept)


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
    unpicked = without_choices(request.parameters)
    shape = list(_strings(request.parameters if unpicked is None else unpicked))
    roles = [message.get("role") for message in request.messages]
    users = [said for role, said in zip(roles, messages, strict=True) if role == "user" and said]
    spoken = [at for at, said in enumerate(messages) if said and roles[at] not in _UNSPOKEN]
    begun = spoken[-1] if spoken and roles[spoken[-1]] == "assistant" else None
    told = [at for at, said in enumerate(messages) if said and roles[at] in _TOLD and at != begun]
    return Conversation(
        text=text,
        last_turn=users[-1] if users else text,
        begun=_unfinished(request.prompt) if request.raw else _begun(messages, begun),
        raw=request.raw,
        opaque=bool(_UNREADABLE & request.parameters.keys()) or any(map(_is_opaque, request.messages)),
        told=tuple(messages[at] for at in told),
        asked=_joined((*beside, *(said for at, said in enumerate(messages) if at not in told))) if told else None,
        unpicked=None if unpicked is None else _joined((*shape, *messages)),
        shape=_joined(shape),
    )


def _unfinished(prompt: str) -> str:
    """Take the line that a text to go on from leaves unfinished: the answer could finish a name begun there."""
    return prompt[prompt.rfind("\n") + 1 :][-_MOST_BEGUN:]


def _begun(messages: Sequence[str], begun: int | None) -> str:
    return "" if begun is None else messages[begun]


def _joined(pieces: Iterable[str]) -> str:
    return "\n".join(piece for piece in pieces if piece)


def _checked(message: Message) -> Mapping[str, Any]:
    role = message.get("role")
    if not isinstance(role, str) or role not in _ROLES:
        raise InvalidInput(f"messages: a role is one of {', '.join(sorted(_ROLES))}", param="messages")
    content = message.get("content")
    if not (content is None or isinstance(content, str) or _is_list_of_parts(content)):
        raise InvalidInput("messages: content is a text or a list of parts", param="messages")
    read = {key: value for key, value in message.items() if key != "role"}
    if isinstance(content, list | tuple):
        read["content"] = [part if _is_text(part) else _without_data(part) for part in content]
    return read


def _is_list_of_parts(content: object) -> bool:
    return isinstance(content, list | tuple) and all(isinstance(part, Mapping) for part in content)


def _is_opaque(message: Message) -> bool:
    content = message.get("content")
    if isinstance(content, str) or not isinstance(content, Sequence):
        return False
    return not all(_is_text(part) for part in content)


def _is_text(part: Mapping[str, Any]) -> bool:
    kind = part.get("type")
    return isinstance(kind, str) and kind in _TEXT_PARTS


def _strings(value: object) -> Iterator[str]:
    """Find every text in a value, names of fields included; JSON in a text is read as written and as meant.

    What is not read is a kind that says nothing by itself.
    """
    match value:
        case str():
            yield value
            yield from _unescaped(value)
        case Mapping():
            for key, inner in value.items():
                if not (key == "type" and isinstance(inner, str) and inner in _KINDS):
                    yield from _strings(inner)
                if key not in _PLAIN_KEYS:
                    yield str(key)
        case list() | tuple():
            for inner in value:
                yield from _strings(inner)


def _without_data(value: Any) -> Any:
    """Leave out of a part that makes its message opaque what is an image, a sound or a file rather than words."""
    if isinstance(value, Mapping):
        return {key: _without_data(inner) for key, inner in value.items()}
    return "" if isinstance(value, str) and _DATA.match(value) else value


def _unescaped(text: str) -> Iterator[str]:
    """JSON can spell a letter as an escape: where a text is JSON with escapes, give what it says."""
    if "\\u" in text and text.lstrip()[:1] in ("{", "[", '"'):
        try:
            yield json.dumps(json.loads(text), ensure_ascii=False)
        except (ValueError, RecursionError):
            yield text.encode("latin-1", "backslashreplace").decode("unicode_escape", "replace")
