"""Characters that show nothing, in which an answer could carry a text unseen. Knows no topics."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["following", "without_invisible"]

_TAGS: Final = "\U000e0000-\U000e007f"
_SELECTORS: Final = "\ufe00-\ufe0f\U000e0100-\U000e01ef"
_WIDTHLESS: Final = "\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\u180e\u00ad\u034f\u115f\u1160\u3164\uffa0"
_HIDDEN: Final = re.compile(rf"[{_TAGS}]+|(?<=[{_SELECTORS}])[{_SELECTORS}]+|(?<=[{_WIDTHLESS}])[{_WIDTHLESS}]+")
"""Tags, and every such character right behind another. One alone can belong to a script or an emoji."""


def following(text: str, before: str) -> str:
    """Take the same out of a text that comes behind ``before``, of which the last character counts."""
    last = before[-1:]
    return without_invisible(last + text)[len(without_invisible(last)) :]


def without_invisible(text: str) -> str:
    """Take out what no reader sees and no language needs: tags, and runs of selectors and of zero-width marks."""
    return text if text.isascii() else _HIDDEN.sub("", text)
