"""The report's drawings. Knows its numbers and the plane to draw them on, no page."""

from __future__ import annotations

import math
from collections.abc import Sequence

from calibration.report.findings import (
    ReliabilityBin,
    Report,
    RoundsTaken,
    ScoreBin,
    ThresholdReplay,
)
from calibration.report.markup import Markup, joined
from calibration.report.plane import Plane

__all__ = ["answers_drawing", "reliability_drawing", "risk_drawing", "rounds_drawing", "scores_drawing"]

_TENTHS = tuple(step / 10 for step in range(0, 11, 2))
_REPLAYED, _UNIFORM, _PROMISED = "7 3 2 3", "5 4", "2 2"


def risk_drawing(report: Report) -> Markup:
    """Draw the share of units that leak against the threshold, its bands, and the point that was chosen."""
    certificate, points, uniform = report.certificate, report.risk.points, report.risk.uniform
    plane = Plane(1.0, _highest(report))
    shares = [(point.threshold, point.leaks.share) for point in points]
    parts = [
        plane.band(
            [(p.threshold, p.leaks.low) for p in points],
            [(p.threshold, p.leaks.high) for p in points],
        ),
        plane.axes("threshold: only what scores below it goes out", "units that leak", _TENTHS, percent=True),
        plane.line(shares),
        plane.key(0, "counted", dash=""),
        plane.key(1, "95 %, pointwise", fill="#d4d4d4"),
        plane.level(certificate.level, f"promised {_percent(certificate.level)}", _PROMISED),
    ]
    if uniform is not None:
        parts += [plane.line([(x, min(y + uniform, 1.0)) for x, y in shares], _UNIFORM, 1.0)]
        parts += [plane.key(2, "95 %, all at once", dash=_UNIFORM)]
    if report.replayed is not None:
        curve = report.replayed.curve
        parts += [plane.line([(each.threshold, each.leaked.share) for each in curve], _REPLAYED)]
        parts += [plane.key(3, "by replay", dash=_REPLAYED)]
    if certificate.threshold is not None:
        chosen = next(p for p in points if p.threshold == certificate.threshold)
        parts += [plane.upright(certificate.threshold, f"chosen: {certificate.threshold:.4g}")]
        parts += [plane.diamond((chosen.threshold, chosen.leaks.share))]
    return plane.drawing("The share of units that leak, against the threshold", *parts)


def _highest(report: Report) -> float:
    """Return how far up to draw: the promise and the chosen point must be told apart."""
    threshold = report.certificate.threshold
    served = [point.leaks.high for point in report.risk.points if point.threshold == threshold]
    return min(1.0, _round_up(max([4 * report.certificate.level, *(1.5 * high for high in served)])))


def answers_drawing(curve: Sequence[ThresholdReplay], threshold: float | None) -> Markup:
    """Draw, against the threshold, how many units are answered and how many of those leak."""
    plane = Plane(1.0, 1.0)
    some = [each for each in curve if each.answered.count]
    parts = [
        plane.band(
            [(each.threshold, each.leak_given_answered.low) for each in some],
            [(each.threshold, each.leak_given_answered.high) for each in some],
        ),
        plane.axes("threshold", "share", _TENTHS, percent=True),
        plane.line([(each.threshold, each.answered.share) for each in curve]),
        plane.key(0, "answered", dash=""),
        plane.line([(each.threshold, each.leak_given_answered.share) for each in some], _REPLAYED),
        plane.key(1, "leaks of answered", dash=_REPLAYED),
        plane.key(2, "95 %, pointwise", fill="#d4d4d4"),
    ]
    if threshold is not None:
        parts += [plane.upright(threshold, f"chosen: {threshold:.4g}")]
    return plane.drawing("Units answered, and leaks among the answered, against the threshold", *parts)


def rounds_drawing(taken: RoundsTaken, whose: str) -> Markup:
    """Draw in which round the answers went out; the last bar is the fallback."""
    counts = (*taken.released, taken.fallback)
    plane = Plane(float(len(counts)), _round_up(max(*counts, 4)), height=220.0)
    bars = [
        plane.bar(at, at + 1, count, "dotted" if at == len(counts) - 1 else "hatched", str(count))
        for at, count in enumerate(counts)
    ]
    return plane.drawing(
        f"{whose} prompts by the round whose answer goes out",
        plane.axes(f"{_numbered(len(taken.released))}; the last bar: the fallback", "prompts", ()),
        *bars,
        plane.key(0, "answered", fill="url(#hatched)"),
        plane.key(1, "fallback", fill="url(#dotted)"),
    )


def _numbered(rounds: int) -> str:
    return f"rounds 1 to {rounds}, from the left" if rounds > 1 else "round 1"


def scores_drawing(scores: Sequence[ScoreBin], threshold: float | None) -> Markup:
    """Draw how leaks and other candidates score, one above the other."""
    leaks = [(each.low, each.high, each.leaks) for each in scores]
    clean = [(each.low, each.high, each.clean) for each in scores]
    return joined(
        _histogram("Scores of candidates that leak", leaks, "hatched", threshold),
        _histogram("Scores of candidates that do not leak", clean, "dotted", threshold),
    )


def _histogram(
    title: str, bins: Sequence[tuple[float, float, int]], pattern: str, threshold: float | None
) -> Markup:
    plane = Plane(1.0, _round_up(max([4, *(count for _, _, count in bins)])), height=190.0)
    bars = [plane.bar(low, high, count, pattern, str(count)) for low, high, count in bins if count]
    chosen = Markup() if threshold is None else plane.upright(threshold, "")
    return plane.drawing(title, plane.axes(title.lower(), "candidates", _TENTHS), *bars, chosen)


def reliability_drawing(bins: Sequence[ReliabilityBin]) -> Markup:
    """Draw how often candidates leak, by their score, with how many there are above each bar."""
    plane = Plane(1.0, 1.0)
    bars = [
        plane.bar(each.low, each.high, each.leaks / each.candidates, "hatched", f"of {each.candidates}")
        for each in bins
        if each.candidates
    ]
    return plane.drawing(
        "How often candidates leak, by their score",
        plane.axes("score", "share that leaks", _TENTHS, percent=True),
        *bars,
        plane.line([(0.0, 0.0), (1.0, 1.0)], _UNIFORM, 1.0),
        plane.key(0, "score = share", dash=_UNIFORM),
    )


def _round_up(value: float) -> float:
    """Return a round number of at least ``value``, four steps of which are easy to read."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 4, 6, 8, 10) if step * power >= value * (1 - 1e-9))


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
