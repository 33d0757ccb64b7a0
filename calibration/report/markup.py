"""HTML and SVG elements as text. Whatever is not an element already is escaped. Knows no report."""

from __future__ import annotations

import html
import unicodedata

__all__ = ["Markup", "element", "joined"]

_TURNING = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})
"""The bidirectional classes of the marks that turn the text after them round."""


class Markup(str):
    """Text that is markup already; only ``element`` and ``joined`` make it, and the constants of the page."""

    __slots__ = ()


def element(name: str, *children: str | Markup, **attributes: str | float) -> Markup:
    """Write an element. An attribute's name loses a trailing ``_``, and its other ones become dashes."""
    said = "".join(f' {_attribute(key)}="{_escaped(_text(value))}"' for key, value in attributes.items())
    return Markup(f"<{name}{said}>{joined(*children)}</{name}>")


def joined(*children: str | Markup) -> Markup:
    """Put elements and texts one after another."""
    return Markup("".join(child if isinstance(child, Markup) else _escaped(child) for child in children))


def _attribute(name: str) -> str:
    # SVG spells two of its attributes with capitals.
    return {"viewBox": "viewBox", "patternUnits": "patternUnits"}.get(name) or name.rstrip("_").replace("_", "-")


def _text(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip(".")


def _escaped(text: str) -> str:
    """Escape, and replace what could hide or turn text round: control characters, overrides, lone surrogates."""
    return html.escape("".join("\ufffd" if _is_unsafe(letter) else letter for letter in text), quote=True)


def _is_unsafe(letter: str) -> bool:
    if letter in "\n\t":
        return False
    return unicodedata.category(letter) in ("Cc", "Cs") or unicodedata.bidirectional(letter) in _TURNING
