"""Where an answer may be cut, so that its beginning can go out before its end is written. Knows no verdicts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

__all__ = ["CUTTING", "cuts", "next_cut"]

CUTTING: Final = "segments/2"
"""Changes whenever a text could be cut elsewhere; a certificate of streamed answers binds it."""

_SHORTEST: Final = 24
_LONG: Final = 240
_LONGEST: Final = 2000
_ENDING: Final = re.compile("[.!?\u2026][\"'\u201d\u2019)\\]]*\\s|[\u3002\uff01\uff1f]|\\n")
_BLANK: Final = re.compile(r"\s")
_PAUSE: Final = re.compile("[,;\u3001\uff0c\uff1b\uff1a]")


def next_cut(text: str, start: int) -> int | None:
    """Return where the segment that begins at ``start`` ends, or None while it is not known to have ended.

    Behind a sentence of 24 characters or more, behind the first blank after 240, and behind a comma or the like
    after 2,000. A word is never cut, since half of a name could pass: one without an end waits for the answer's.
    What stands behind a cut never moves it, so a text that is still being written is cut as the whole will be.
    """
    found = [
        sentence.end() if (sentence := _ENDING.search(text, start + _SHORTEST)) else None,
        blank.end() if (blank := _BLANK.search(text, start + _LONG)) else None,
        pause.end() if (pause := _PAUSE.search(text, start + _LONGEST)) else None,
    ]
    return min((end for end in found if end is not None), default=None)


def cuts(text: str) -> Iterator[int]:
    """Yield every cut of a whole text, ascending; the last segment may end without one."""
    cut = next_cut(text, 0)
    while cut is not None:
        yield cut
        cut = next_cut(text, cut)
