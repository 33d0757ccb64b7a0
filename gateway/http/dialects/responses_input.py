"""The responses dialect's way in: input items to the turns of a chat. What cannot be read is refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from gateway.errors import InvalidInput

__all__ = ["chat_messages", "chat_parameters"]

_RENAMED: Final = {"max_output_tokens": "max_completion_tokens"}
_KEPT: Final = frozenset(
    "metadata parallel_tool_calls presence_penalty frequency_penalty safety_identifier seed service_tier stop "
    "temperature top_p user".split()
)
_OF_A_STORE: Final = ("previous_response_id", "conversation", "prompt", "background")
_UNHEEDED: Final = frozenset({"store", "include", "truncation", "stream_options", "prompt_cache_key"})
"""What asks for nothing that a stateless gateway in front of a chat model could do otherwise."""


def chat_messages(given: str | Sequence[Mapping[str, Any]], instructions: str | None) -> Iterator[dict[str, Any]]:
    """Turn the input into messages. Raises ``InvalidInput`` for an item of an unknown type."""
    if instructions is not None:
        yield {"role": "system", "content": instructions}
    if isinstance(given, str):
        yield {"role": "user", "content": given}
        return
    for place, item in enumerate(given):
        yield from _message(item, f"input.{place}")


def chat_parameters(body: Mapping[str, Any]) -> dict[str, Any]:
    """Turn what is said beside the input into a chat's parameters. Raises ``InvalidInput`` for the unknown."""
    parameters: dict[str, Any] = {}
    for name, value in body.items():
        if value is None or name in _UNHEEDED:
            continue
        if name in _OF_A_STORE:
            raise InvalidInput(f"{name}: nothing is stored here; send the whole conversation as input", param=name)
        if name == "tools":
            parameters["tools"] = [_tool(tool, place) for place, tool in enumerate(_list(value, name))]
        elif name == "tool_choice":
            parameters[name] = _tool_choice(value)
        elif name == "text":
            parameters.update(_text_format(value))
        elif name == "reasoning":
            parameters.update(_effort(value))
        elif name in _RENAMED or name in _KEPT:
            parameters[_RENAMED.get(name, name)] = value
        else:
            raise InvalidInput(f"{name[:64]}: is not served", param=name[:64])
    return parameters


def _message(item: Mapping[str, Any], where: str) -> Iterator[dict[str, Any]]:
    match item.get("type", "message"):
        case "message":
            yield {"role": item.get("role"), "content": _content(item.get("content"), where)}
        case "function_call":
            function = {"name": _said(item, "name", where), "arguments": _said(item, "arguments", where)}
            call = {"id": _said(item, "call_id", where), "type": "function", "function": function}
            yield {"role": "assistant", "content": None, "tool_calls": [call]}
        case "function_call_output":
            told = {"role": "tool", "tool_call_id": _said(item, "call_id", where)}
            yield {**told, "content": _content(item.get("output"), where)}
        case "reasoning":
            return  # a client hands back what it was given; the model does not need it
        case _:
            raise InvalidInput(f"{where}: items of this type are not served", param=where)


def _content(content: Any, where: str) -> Any:
    if isinstance(content, str):
        return content
    parts = [_part(part, where) for part in _list(content, f"{where}.content")]
    if all(part["type"] == "text" for part in parts):
        return "\n".join(part["text"] for part in parts)
    return parts


def _part(part: Mapping[str, Any], where: str) -> dict[str, Any]:
    match part.get("type"):
        case "input_text" | "output_text" | "text":
            return {"type": "text", "text": _said(part, "text", where)}
        case "refusal":
            return {"type": "text", "text": _said(part, "refusal", where)}
        case "input_image" if isinstance(part.get("image_url"), str):
            return {"type": "image_url", "image_url": {"url": part["image_url"]}}
        case "input_audio" if isinstance(part.get("input_audio"), Mapping):
            return {"type": "input_audio", "input_audio": dict(part["input_audio"])}
    raise InvalidInput(f"{where}.content: parts of this type are not served", param=f"{where}.content")


def _tool(tool: Mapping[str, Any], place: int) -> dict[str, Any]:
    if tool.get("type") != "function":
        raise InvalidInput(f"tools.{place}: only functions are served", param=f"tools.{place}")
    function = {key: value for key, value in tool.items() if key != "type" and value is not None}
    return {"type": "function", "function": function}


def _tool_choice(choice: Any) -> Any:
    if isinstance(choice, str):
        return choice
    if isinstance(choice, Mapping) and choice.get("type") == "function":
        return {"type": "function", "function": {"name": choice.get("name")}}
    raise InvalidInput("tool_choice: only a mode or a function is served", param="tool_choice")


def _text_format(text: Any) -> dict[str, Any]:
    wanted = text.get("format") if isinstance(text, Mapping) else None
    match wanted:
        case None | {"type": "text"}:
            return {}
        case {"type": "json_schema", **schema}:
            return {"response_format": {"type": "json_schema", "json_schema": schema}}
        case {"type": "json_object"}:
            return {"response_format": {"type": "json_object"}}
    raise InvalidInput("text.format: is of an unknown type", param="text.format")


def _effort(reasoning: Any) -> dict[str, Any]:
    effort = reasoning.get("effort") if isinstance(reasoning, Mapping) else None
    return {} if effort is None else {"reasoning_effort": effort}


def _said(item: Mapping[str, Any], name: str, where: str) -> str:
    value = item.get(name)
    if not isinstance(value, str):
        raise InvalidInput(f"{where}.{name}: must be a text", param=f"{where}.{name}")
    return value


def _list(value: Any, where: str) -> Sequence[Mapping[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(inner, Mapping) for inner in value):
        raise InvalidInput(f"{where}: must be a list of objects", param=where)
    return value
