"""Noticing that the world has changed: from scores alone, and from audited answers. Knows no text, no clock."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

from calibration.fields import field, list_of, object_in
from calibration.outcome import check_level
from calibration.wealth import Wealth, after_bet

__all__ = ["Audits", "Scores", "after_audit", "after_score", "audits_in", "scores_in", "state_out"]

BINS = 64
STAKES: tuple[float, ...] = (0.01, 0.03, 0.1, 0.3)
"""Shares of the largest stake that cannot lose more than everything; a pot for each."""

_MASK = (1 << 64) - 1
_TILTS = Wealth((0.0, 0.0, 0.0))
_STAKES = Wealth((0.0,) * len(STAKES))


@dataclass(frozen=True, slots=True)
class Scores:
    """A monitor of verifier scores, without labels. ``alarm`` stays once it came.

    ``counts`` of the scores so far: exactly 0, and 64 bins of (0, 1]. The seed decides ties between scores of
    a bin; whoever knows it and chooses the scores can fool the monitor.
    """

    seed: int
    delta: float = 0.01
    jump: float = 0.01
    counts: tuple[int, ...] = (0,) * (BINS + 1)
    wealth: Wealth = _TILTS

    def __post_init__(self) -> None:
        check_level(self.delta)
        if len(self.counts) != BINS + 1 or len(self.wealth.pots) != 3 or not 0.0 <= self.jump <= 1.0:
            raise ValueError("not the state of a score monitor; start a new one")

    @property
    def alarm(self) -> bool:
        """Whether the scores stopped looking exchangeable."""
        return self.wealth.crossed(self.delta)


@dataclass(frozen=True, slots=True)
class Audits:
    """A monitor of audited answers to forget prompts, against leak probability ``level``. ``alarm`` stays.

    ``least_probability`` is the smallest with which any answer is picked for an audit.
    """

    level: float
    delta: float = 0.01
    least_probability: float = 1.0
    wealth: Wealth = _STAKES

    def __post_init__(self) -> None:
        check_level(self.level)
        check_level(self.delta)
        if len(self.wealth.pots) != len(STAKES) or not 0.0 < self.least_probability <= 1.0:
            raise ValueError("not the state of an audit monitor, or a probability outside (0, 1]")

    @property
    def alarm(self) -> bool:
        """Whether answers leak more often than the level."""
        return self.wealth.crossed(self.delta)


def after_score(monitor: Scores, score: float) -> Scores:
    """Take one request's score, such as that of its first candidate, in the order of arrival.

    Guarantee:   P(an alarm, ever) <= delta while the scores are exchangeable, however long it runs.
    Assumes:     a seed that does not depend on the scores.
    Source:      the simple jumper martingale on smoothed conformal p-values (Vovk, Petej, Nouretdinov, Ahlberg,
                 Carlsson, Gammerman, arXiv 2102.10439); docs/guarantees.md, theorem 13.
    Verified by: tests/guarantees/test_drift.py
    Cost:        proportional to the bins, whatever the number of scores so far. Raises ``ValueError`` for a
                 score outside [0, 1].
    """
    if not 0.0 <= score <= 1.0:
        raise ValueError(f"a score must lie in [0, 1], got {score!r}")
    place = math.ceil(score * BINS)
    counts = monitor.counts
    above, equal = sum(counts[place + 1 :]), counts[place] + 1
    total = sum(counts) + 1
    p_value = (above + _uniform(monitor.seed, total) * equal) / total
    tilt = p_value - 0.5
    wealth = after_bet(monitor.wealth, (1.0 - tilt, 1.0, 1.0 + tilt), monitor.jump)
    taken = (*counts[:place], equal, *counts[place + 1 :])
    return Scores(monitor.seed, monitor.delta, monitor.jump, taken, wealth)


def after_audit(monitor: Audits, *, leaked: bool, probability: float = 1.0) -> Audits:
    """Take one audited answer: whether it leaked, and the probability with which it was picked for the audit.

    The probability may depend on the prompt and the score, not on the label. A fallback did not leak.

    Guarantee:   P(an alarm, ever) <= delta while each answer leaks with probability at most ``level`` given the
                 past.
    Assumes:     that audits are drawn with the stated probabilities, and every drawn answer is labelled.
    Source:      betting on a bounded mean (Waudby-Smith and Ramdas, arXiv 2010.09686), with weights
                 least_probability / probability; docs/guarantees.md, theorem 14.
    Verified by: tests/guarantees/test_drift.py
    """
    if not monitor.least_probability <= probability <= 1.0:
        raise ValueError(
            f"an audit's probability must lie from {monitor.least_probability:g} to 1, got {probability!r}"
        )
    weight = monitor.least_probability / probability
    excess = weight * ((1.0 if leaked else 0.0) - monitor.level) / monitor.level  # at least -1
    return replace(monitor, wealth=after_bet(monitor.wealth, [1.0 + stake * excess for stake in STAKES]))


def _uniform(seed: int, number: int) -> float:
    """Return the number-th of a sequence that looks uniform on (0, 1): SplitMix64, without a state."""
    mixed = (seed + number * 0x9E3779B97F4A7C15) & _MASK
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
    return ((mixed ^ (mixed >> 31)) + 0.5) / 2**64


def state_out(monitor: Scores | Audits) -> str:
    """Encode a monitor as JSON text, to go on with after a restart. It holds counts and no scores' order."""
    return json.dumps(asdict(monitor), allow_nan=False)


def scores_in(text: str) -> Scores:
    """Decode. A ``ValueError`` names the field."""
    source = object_in(text)
    return Scores(
        seed=field(source, "seed", int),
        delta=field(source, "delta", float),
        jump=field(source, "jump", float),
        counts=tuple(list_of(source, "counts", int)),
        wealth=_wealth_in(source),
    )


def audits_in(text: str) -> Audits:
    """Decode. A ``ValueError`` names the field."""
    source = object_in(text)
    return Audits(
        level=field(source, "level", float),
        delta=field(source, "delta", float),
        least_probability=field(source, "least_probability", float),
        wealth=_wealth_in(source),
    )


def _wealth_in(source: Mapping[str, object]) -> Wealth:
    part: dict[str, object] = field(source, "wealth", dict)
    return Wealth(
        pots=tuple(list_of(part, "pots", float)),
        bets=field(part, "bets", int),
        log_scale=field(part, "log_scale", float),
        log_peak=field(part, "log_peak", float),
    )
