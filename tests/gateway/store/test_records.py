"""What a fallback may be."""

from __future__ import annotations

import pytest

from gateway.store.records import Fallback, ForgetTopic
from verifiers.protocol import Topic


def test_a_topic_is_active_and_unaware_unless_told_otherwise() -> None:
    """What is left out falls to the safe side."""
    record = ForgetTopic(Topic("ada", "Ada"))
    assert (record.active, record.fallback) == (True, Fallback("unaware", None))


@pytest.mark.parametrize(
    ("style", "text"), [("custom", None), ("custom", "  "), ("unaware", "x"), ("refuse", ""), ("polite", None)]
)
def test_a_fallback_has_a_text_exactly_if_it_is_custom(style: str, text: str | None) -> None:
    """A custom fallback without words, a plain one with words, and an unknown style are all refused."""
    with pytest.raises(ValueError, match="fallback"):
        Fallback(style, text)  # type: ignore[arg-type]
