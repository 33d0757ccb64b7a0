"""An embeddings answer, read: vectors and nothing else. What has another shape is withheld."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from gateway.errors import UpstreamGarbage
from gateway.upstream.protocol import Embeddings

__all__ = ["read_embeddings"]

_MOST_NUMBERS: Final = 1 << 17


def read_embeddings(body: Mapping[str, Any], count: int) -> Embeddings:
    """Read one vector for each of ``count`` inputs. Raises ``UpstreamGarbage`` for any other shape."""
    data = body.get("data")
    if not isinstance(data, list) or len(data) != count:
        raise _unknown()
    found = {
        _index(entry): entry["embedding"] for entry in data if isinstance(entry, dict) and "embedding" in entry
    }
    if set(found) != set(range(count)):
        raise _unknown()
    vectors = tuple(_vector(found[index]) for index in range(count))
    usage = body.get("usage")
    tokens = usage.get("prompt_tokens") if isinstance(usage, Mapping) else None
    return Embeddings(vectors, tokens if isinstance(tokens, int) and tokens > 0 else 0)


def _index(entry: Mapping[str, Any]) -> int:
    index = entry.get("index")
    if not isinstance(index, int):
        raise _unknown()
    return index


def _vector(given: Any) -> Sequence[float] | str:
    """Check a list of numbers, or the bytes of such a list in base64; text could stand in either's place."""
    if isinstance(given, str):
        return _packed(given)
    if not isinstance(given, list) or not 0 < len(given) <= _MOST_NUMBERS:
        raise _unknown()
    if not all(isinstance(number, int | float) and math.isfinite(number) for number in given):
        raise _unknown()
    return given


def _packed(given: str) -> str:
    try:
        numbers = np.frombuffer(base64.b64decode(given, validate=True), dtype="<f4")
    except (binascii.Error, ValueError):
        raise _unknown() from None
    if not 0 < numbers.size <= _MOST_NUMBERS or not np.isfinite(numbers).all():
        raise _unknown()
    return given


def _unknown() -> UpstreamGarbage:
    return UpstreamGarbage("the model server's embeddings have an unknown shape; nothing was passed on")
