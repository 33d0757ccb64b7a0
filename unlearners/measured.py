"""What a model kept and forgot, before and after: a record, never a promise. Knows no model and no method."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, TypeAlias, cast

from unlearners.counted import counted
from unlearners.fields import field, list_of, object_in, optional

__all__ = ["FILE", "FORGET", "Figure", "Kind", "Measured", "harm", "measured_words", "read_measured"]

FILE = "measured.json"
FORGET = "forget"
"""The set that was to be forgotten; all others were to be kept."""

Kind: TypeAlias = Literal["loss", "accuracy"]
"""``loss``: the mean loss of a token of the answers, in nats. ``accuracy``: the share of rows answered right."""

HARMED, RUINED = 1.5, 5.0
"""From these on, as a factor by which tokens to keep became less likely, a model is called harmed, or ruined."""
MOVED = 0.1
"""A rise of the loss, in nats, under which nothing was forgotten to speak of."""

_TITLES: Mapping[Kind, str] = {"loss": "Mean loss of a token, in nats", "accuracy": "Answered right"}


@dataclass(frozen=True, slots=True)
class Figure:
    """One set of so many ``units`` (rows, dialogues): its value before (None: there was none) and after.

    ``commonest`` is the share of the set that is right by always answering the class that is commonest among
    what is kept; None for a loss.
    """

    name: str
    units: int
    before: float | None
    after: float
    commonest: float | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """The figures of a run, in the order in which they are told; ``noun`` is what one of a set is."""

    kind: Kind
    noun: str
    figures: tuple[Figure, ...]

    def to_json(self) -> str:
        """Encode as JSON text, newline included. What is not finite becomes null."""
        content = {"kind": self.kind, "noun": self.noun, "figures": [_out(one) for one in self.figures]}
        return json.dumps(content, indent=1, allow_nan=False) + "\n"


def read_measured(directory: Path) -> Measured | None:
    """Read a run's figures, or None where it has none. Raises ``ValueError`` for a file that cannot be read."""
    try:
        source = object_in((directory / FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    figures: list[dict[str, object]] = list_of(source, "figures", dict)
    kind = cast(Kind, field(source, "kind", str))
    if kind not in _TITLES:
        raise ValueError(f"{directory / FILE} measures {kind!r}, which is unknown to this version")
    return Measured(kind, field(source, "noun", str), tuple(map(_in, figures)))


def measured_words(measured: Measured) -> tuple[str, ...]:
    """Say the figures, a line a set."""
    before = any(figure.before is not None for figure in measured.figures)
    title = _TITLES[measured.kind] + (", before → after:" if before else ":")
    named = [f"{one.name} ({counted(one.units, measured.noun)})" for one in measured.figures]
    width = max(map(len, named))
    figures = zip(named, measured.figures, strict=True)
    return (title, *(f"  {name.ljust(width)}  {_values(measured.kind, one)}" for name, one in figures))


def harm(measured: Measured, *, should_forget: bool) -> tuple[str, ...]:
    """Say in plain words where what was to be kept is gone, or (``should_forget``) nothing was forgotten."""
    told = []
    for figure in measured.figures:
        if figure.name == FORGET:
            told += _unforgotten(figure) if should_forget and measured.kind == "loss" else []
        else:
            told += _harmed(figure) if measured.kind == "loss" else _no_better(figure, measured.noun)
    return tuple(told)


def _harmed(figure: Figure) -> list[str]:
    if figure.before is None:
        return []
    rise = figure.after - figure.before
    if math.isnan(rise) or rise > 50:
        return [f"the model is ruined: it no longer says anything of {figure.name!r}"]
    if (factor := math.exp(rise)) < HARMED:
        return []
    harmed = "ruined" if factor >= RUINED else "harmed"
    rarer = f"a token of {figure.name!r}, which was to be kept, is {factor:.3g} times less likely than before"
    return [f"the model is {harmed}: {rarer}"]


def _unforgotten(figure: Figure) -> list[str]:
    if figure.before is None or not figure.after - figure.before < MOVED:
        return []
    return ["next to nothing was forgotten: the answers to forget are about as likely as before"]


def _no_better(figure: Figure, noun: str) -> list[str]:
    if figure.commonest is None or figure.after > figure.commonest:
        return []
    return [
        f"the model is of no use: on the {counted(figure.units, noun)} of {figure.name!r} it is no better than "
        "always giving the commonest answer"
    ]


def _values(kind: Kind, figure: Figure) -> str:
    shown = [value for value in (figure.before, figure.after) if value is not None]
    values = " → ".join(f"{value:.3f}" if kind == "loss" else f"{value:.1%}" for value in shown)
    if figure.commonest is None:
        return values
    return f"{values}  (always the commonest answer: {figure.commonest:.1%})"


def _out(figure: Figure) -> dict[str, object]:
    values = asdict(figure).items()
    return {name: None if isinstance(v, float) and not math.isfinite(v) else v for name, v in values}


def _in(source: Mapping[str, object]) -> Figure:
    after = optional(source, "after", float)
    return Figure(
        field(source, "name", str),
        field(source, "units", int),
        optional(source, "before", float),
        math.nan if after is None else after,
        optional(source, "commonest", float),
    )
