"""A plane to draw on: axes, lines, bands, bars, as SVG in black, grey, dashes and hatching. Knows no report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from calibration.report.markup import Markup, element, joined

__all__ = ["PATTERNS", "Dash", "Plane", "Point"]

Point = tuple[float, float]
Dash = str
"""An SVG dash array: lines differ by it and by the label at their end, never by colour."""

_LEFT, _RIGHT, _TOP, _BOTTOM = 56.0, 150.0, 14.0, 44.0

PATTERNS = element(
    "svg",
    element(
        "defs",
        element(
            "pattern",
            element("path", d="M0 6 L6 0", stroke="#000", stroke_width="1"),
            id="hatched",
            width="6",
            height="6",
            patternUnits="userSpaceOnUse",
        ),
        element(
            "pattern",
            element("circle", cx="2", cy="2", r="0.9", fill="#000"),
            id="dotted",
            width="5",
            height="5",
            patternUnits="userSpaceOnUse",
        ),
    ),
    width="0",
    height="0",
    aria_hidden="true",
    style="position:absolute",
)
"""Put once on a page that holds drawings: what ``hatched`` and ``dotted`` look like."""


@dataclass(frozen=True, slots=True)
class Plane:
    """Maps x in [0, ``most_x``] and y in [0, ``most_y``] to a drawing; what lies above is left out."""

    most_x: float
    most_y: float
    width: float = 720.0
    height: float = 300.0

    def x(self, value: float) -> float:
        """Return where a value stands, from the left."""
        return _LEFT + (self.width - _LEFT - _RIGHT) * value / self.most_x

    def y(self, value: float) -> float:
        """Return where a value stands, from the top."""
        room = self.height - _TOP - _BOTTOM
        return _TOP + room * (1 - min(value, self.most_y) / self.most_y)

    def drawing(self, title: str, *parts: Markup) -> Markup:
        """Put the parts together; ``title`` is what a reader who sees nothing hears."""
        size = f"0 0 {self.width:g} {self.height:g}"
        return element("svg", element("title", title), *parts, viewBox=size, role="img")

    def axes(self, x_words: str, y_words: str, x_ticks: Sequence[float], *, percent: bool = False) -> Markup:
        """Draw both axes with their marks; ``percent`` writes the upward one in per cent."""
        marks = [self._x_mark(value) for value in x_ticks]
        marks += [self._y_mark(self.most_y * step / 4, percent) for step in range(5)]
        bottom, right = self.y(0), self.x(self.most_x)
        frame = element(
            "path",
            d=f"M{_LEFT:g} {_TOP:g} V{bottom:.1f} H{right:.1f}",
            fill="none",
            stroke="#000",
            stroke_width="1",
        )
        middle = _TOP + (bottom - _TOP) / 2
        return joined(
            frame,
            *marks,
            _label((_LEFT + right) / 2, self.height - 6, x_words, "middle"),
            element(
                "text",
                y_words,
                x=13.0,
                y=middle,
                text_anchor="middle",
                transform=f"rotate(-90 13 {middle:.1f})",
            ),
        )

    def line(self, points: Sequence[Point], dash: Dash = "", width: float = 1.6) -> Markup:
        """Join the points, leaving out what lies above the plane."""
        return joined(
            *(
                element(
                    "polyline",
                    points=self._joined(run),
                    fill="none",
                    stroke="#000",
                    stroke_width=width,
                    **_dashed(dash),
                )
                for run in _below(points, self.most_y)
            )
        )

    def band(self, low: Sequence[Point], high: Sequence[Point]) -> Markup:
        """Shade between two lines."""
        if not low:
            return Markup()
        return element("polygon", points=self._joined([*low, *reversed(high)]), fill="#d4d4d4")

    def level(self, value: float, words: str, dash: Dash) -> Markup:
        """Draw a line across, with its words at the right."""
        across = self.line([(0.0, value), (self.most_x, value)], dash, 1.0)
        return joined(across, _label(self.x(self.most_x) + 6, self.y(value) + 4, words))

    def upright(self, value: float, words: str) -> Markup:
        """Draw a line up, with its words at the top."""
        line = self.line([(value, 0.0), (value, self.most_y)], "1 3", 1.4)
        left = value > 0.6 * self.most_x
        shift, anchor = (-5, "end") if left else (5, "start")
        return joined(line, _label(self.x(value) + shift, _TOP + 9, words, anchor))

    def diamond(self, at: Point) -> Markup:
        """Mark a point."""
        x, y = self.x(at[0]), self.y(at[1])
        path = f"M{x:.1f} {y - 7:.1f} l7 7 l-7 7 l-7 -7 Z"
        return element("path", d=path, fill="#fff", stroke="#000", stroke_width="2")

    def bar(self, left: float, right: float, value: float, pattern: str, words: str = "") -> Markup:
        """Draw a bar from ``left`` to ``right``, filled with a pattern, with words above it."""
        x, top = self.x(left) + 1, self.y(value)
        box = element(
            "rect",
            x=x,
            y=top,
            width=max(self.x(right) - self.x(left) - 2, 0.5),
            height=max(self.y(0) - top, 0.0),
            fill=f"url(#{pattern})",
            stroke="#000",
            stroke_width="1",
        )
        return joined(box, _label((self.x(left) + self.x(right)) / 2, top - 3, words, "middle"))

    def key(self, row: int, words: str, *, dash: Dash | None = None, fill: str | None = None) -> Markup:
        """Explain, at the right, a line by its dash or an area by its fill."""
        x, y = self.x(self.most_x) + 8, _TOP + 30 + 17 * row
        if fill is not None:
            sign = element("rect", x=x, y=y - 9, width=22.0, height=10.0, fill=fill, stroke="#000")
        else:
            sign = element(
                "path", d=f"M{x:.1f} {y - 4:.1f} h22", stroke="#000", stroke_width="1.6", **_dashed(dash or "")
            )
        return joined(sign, _label(x + 27, y, words))

    def _joined(self, points: Sequence[Point]) -> str:
        return " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in points)

    def _x_mark(self, value: float) -> Markup:
        at, bottom = self.x(value), self.y(0)
        tick = element("path", d=f"M{at:.1f} {bottom:.1f} v4", stroke="#000")
        return joined(tick, _label(at, bottom + 16, f"{value:g}", "middle"))

    def _y_mark(self, value: float, percent: bool) -> Markup:
        at = self.y(value)
        tick = element("path", d=f"M{_LEFT:g} {at:.1f} h-4", stroke="#000")
        return joined(tick, _label(_LEFT - 7, at + 4, f"{100 * value:.3g} %" if percent else f"{value:g}", "end"))


def _label(x: float, y: float, words: str, anchor: str = "start") -> Markup:
    return element("text", words, x=x, y=y, text_anchor=anchor) if words else Markup()


def _dashed(dash: Dash) -> dict[str, str]:
    return {"stroke_dasharray": dash} if dash else {}


def _below(points: Sequence[Point], most_y: float) -> list[list[Point]]:
    """Cut a line into the runs that do not rise above ``most_y``, each up to where it crosses."""
    runs: list[list[Point]] = [list(points[:1])] if points and points[0][1] <= most_y else []
    for (x, y), (next_x, next_y) in pairwise(points):
        if (y <= most_y) != (next_y <= most_y):
            crossing = (x + (next_x - x) * (most_y - y) / (next_y - y), most_y)
            if y <= most_y:
                runs[-1].append(crossing)
            else:
                runs.append([crossing])
        if next_y <= most_y:
            runs[-1].append((next_x, next_y))
    return runs
