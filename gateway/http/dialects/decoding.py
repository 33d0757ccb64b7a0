"""Decoding parameters, checked for every client alike. Knows no topics, which is the point.

In a conversation about a topic the gateway drops them. If only a model complained of a bad one, its complaint
would tell that a conversation touches no topic.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from gateway.errors import InvalidInput

__all__ = ["check_decoding"]

_INT64: Final = 2**63


def check_decoding(parameters: Mapping[str, Any]) -> None:
    """Raise ``InvalidInput`` for a known parameter out of range or of another kind; null is as good as none."""
    for name, value in parameters.items():
        if value is not None and name in _CHECKS:
            allowed, fits = _CHECKS[name]
            if not fits(value):
                raise InvalidInput(f"{name}: must be {allowed}", param=name)


def _number(low: float, high: float) -> tuple[str, Callable[[Any], bool]]:
    def fits(value: Any) -> bool:
        return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high

    return f"a number from {low:g} to {high:g}", fits


def _whole(low: int, high: int) -> tuple[str, Callable[[Any], bool]]:
    def fits(value: Any) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high

    return f"a whole number of at least {low}", fits


def _is_stop(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and all(isinstance(word, str) for word in value))


def _is_bias(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(bias, int | float) and not isinstance(bias, bool) and -100 <= bias <= 100
        for bias in value.values()
    )


_CHECKS: Final[Mapping[str, tuple[str, Callable[[Any], bool]]]] = {
    "temperature": _number(0, 2),
    "top_p": _number(0, 1),
    "min_p": _number(0, 1),
    "presence_penalty": _number(-2, 2),
    "frequency_penalty": _number(-2, 2),
    "repetition_penalty": _number(0, 10),
    "top_k": _whole(-1, _INT64),
    "seed": _whole(-_INT64, _INT64),
    "max_tokens": _whole(1, _INT64),
    "max_completion_tokens": _whole(1, _INT64),
    "top_logprobs": _whole(0, 20),
    "stop": ("a text or a list of texts", _is_stop),
    "logit_bias": ("numbers from -100 to 100 by token", _is_bias),
}
