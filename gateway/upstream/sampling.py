"""Sampling parameters: from a client's body and a checkpoint's defaults to how each answer is drawn."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.errors import InvalidInput
from gateway.upstream.bans import Bans
from gateway.upstream.decoding import Sampling
from gateway.upstream.protocol import ChatRequest

__all__ = ["Defaults", "row_samplings"]


@dataclass(frozen=True, slots=True)
class Defaults:
    """What holds where a request does not say."""

    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int | None = None

    @classmethod
    def of(cls, generation_config: Any) -> Defaults:
        """Read a checkpoint's generation_config: greedy unless it says ``do_sample``."""
        samples = bool(getattr(generation_config, "do_sample", False))
        temperature = getattr(generation_config, "temperature", None)
        top_p = getattr(generation_config, "top_p", None)
        return cls(
            temperature=float(1.0 if temperature is None else temperature) if samples else 0.0,
            top_p=float(1.0 if top_p is None else top_p) if samples else 1.0,
            max_tokens=getattr(generation_config, "max_new_tokens", None),
        )


def row_samplings(
    request: ChatRequest, defaults: Defaults, room: int, vocabulary: int, seed: int
) -> tuple[Sampling, ...]:
    """Return one sampling for each of ``request.n`` choices, each with a seed of its own.

    ``room`` is how many tokens the context leaves; ``seed`` counts where the request brings none. Parameters
    it does not know are ignored. Raises ``InvalidInput`` naming the one it cannot use.
    """
    given = request.parameters
    first_seed = _number(given, "seed", seed, int)
    longest = _number(given, "max_completion_tokens", None, int)
    longest = longest if longest is not None else _number(given, "max_tokens", defaults.max_tokens, int)
    shared: dict[str, Any] = {
        "max_tokens": room if longest is None else min(room, longest),
        "temperature": _number(given, "temperature", defaults.temperature, float),
        "top_p": _number(given, "top_p", defaults.top_p, float),
        "stop": _stops(given.get("stop")),
        "logit_bias": _biases(given.get("logit_bias"), vocabulary),
        "bans": Bans(request.banned_words),
        "logprobs": _logprobs(request),
    }
    if request.n < 1:
        raise InvalidInput(f"n must be at least 1, got {request.n}.", param="n")
    try:
        return tuple(Sampling(**shared, seed=(first_seed + index) % 2**63) for index in range(request.n))
    except ValueError as error:
        raise InvalidInput(
            f"A sampling parameter is out of range: {error}.", param=str(error).split()[0]
        ) from error


def _logprobs(request: ChatRequest) -> int | None:
    """Say how many of the likeliest tokens to tell at each place; None where no logprobs are wanted."""
    given = request.parameters
    if request.raw:  # a text completion says it in one number
        return None if given.get("logprobs") is None else int(_number(given, "logprobs", 0, int))
    wanted = given.get("logprobs")
    if not isinstance(wanted, bool | None):
        raise InvalidInput("logprobs must be true or false.", param="logprobs")
    return int(_number(given, "top_logprobs", 0, int)) if wanted else None


def _number(given: Mapping[str, Any], name: str, default: Any, kind: type[int] | type[float]) -> Any:
    value = given.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int if kind is int else int | float):
        raise InvalidInput(f"{name} must be a number, got {value!r}.", param=name)
    return kind(value)


def _stops(stop: Any) -> tuple[str, ...]:
    stops = [stop] if isinstance(stop, str) else stop or []
    if not isinstance(stops, list | tuple) or not all(isinstance(text, str) and text for text in stops):
        raise InvalidInput("stop must be a text or a list of texts, none of them empty.", param="stop")
    return tuple(stops)


def _biases(biases: Any, vocabulary: int) -> tuple[tuple[int, float], ...]:
    if not biases:
        return ()
    try:
        pairs = tuple((int(token), float(bias)) for token, bias in biases.items())
    except (AttributeError, TypeError, ValueError) as error:
        raise InvalidInput("logit_bias must map token ids to numbers.", param="logit_bias") from error
    if not all(math.isfinite(bias) for _, bias in pairs):
        raise InvalidInput("logit_bias must map token ids to finite numbers.", param="logit_bias")
    if unknown := [token for token, _ in pairs if not 0 <= token < vocabulary]:
        raise InvalidInput(f"logit_bias names token {unknown[0]}, which the model lacks.", param="logit_bias")
    return pairs
