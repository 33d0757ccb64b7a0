"""What a report says, as plain numbers, and as JSON. Knows no drawing and computes nothing."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from calibration.answered import Rate
from calibration.certificate import Certificate

__all__ = [
    "SCHEMA",
    "GroupFinding",
    "Near",
    "ReliabilityBin",
    "Replayed",
    "Report",
    "RiskCurve",
    "RiskPoint",
    "RoundsTaken",
    "ScoreBin",
    "ThresholdReplay",
]

SCHEMA = "lethe.report/1"


@dataclass(frozen=True, slots=True)
class RiskPoint:
    """How many units leak, at most, when only what scores below ``threshold`` goes out.

    The rate's interval is the 95 % Clopper-Pearson interval of this threshold alone (pointwise).
    """

    threshold: float
    leaks: Rate


@dataclass(frozen=True, slots=True)
class RiskCurve:
    """The evidence of the promise over thresholds, ascending; ``basis`` says in words what was counted.

    ``uniform`` is the half-width of a band that holds at all thresholds at once with 95 % confidence
    (Dvoretzky-Kiefer-Wolfowitz, Massart's constant); None where the counts are of no distribution function.
    """

    basis: str
    points: tuple[RiskPoint, ...]
    uniform: float | None


@dataclass(frozen=True, slots=True)
class GroupFinding:
    """One group of prompts: what it allows by itself, and what it meets at the threshold that is served.

    ``threshold`` is what the group alone would certify, None where nothing, and ``reason`` says why.
    ``bound`` counts its units whose record low is below the served threshold. The last three are replayed
    and None without trajectories; all four None where nothing is served.
    """

    key: str
    name: str
    units: int
    threshold: float | None
    reason: str
    bound: Rate | None
    leaked: Rate | None = None
    answered: Rate | None = None
    leak_given_answered: Rate | None = None


@dataclass(frozen=True, slots=True)
class ThresholdReplay:
    """What the recorded units would have met at one threshold."""

    threshold: float
    leaked: Rate
    answered: Rate
    leak_given_answered: Rate


@dataclass(frozen=True, slots=True)
class RoundsTaken:
    """Prompts by the round whose answer went out (``released[0]`` is round 1), and those that got none."""

    released: tuple[int, ...]
    fallback: int


@dataclass(frozen=True, slots=True)
class ScoreBin:
    """Labelled candidates of forget prompts with a score in [low, high), the last bin closed."""

    low: float
    high: float
    leaks: int
    clean: int


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """How often candidates with such scores leak. Candidates of one prompt are not independent."""

    low: float
    high: float
    candidates: int
    leaks: int
    mean_score: float


@dataclass(frozen=True, slots=True)
class Near:
    """A forget prompt with a candidate close to the threshold; ``round`` counts from 1.

    ``leak`` is None where the candidate has no label, ``answer`` where texts were not asked for.
    """

    id: str
    unit: str
    topic: str | None
    round: int
    score: float
    leak: bool | None
    released: bool
    answer: str | None = None


@dataclass(frozen=True, slots=True)
class Replayed:
    """What only the trajectories can show. ``rounds_*`` and ``nearest`` are empty where nothing is served."""

    curve: tuple[ThresholdReplay, ...]
    forget_rounds: RoundsTaken | None
    benign_rounds: RoundsTaken | None
    scores: tuple[ScoreBin, ...]
    unlabelled: int
    reliability: tuple[ReliabilityBin, ...]
    nearest: tuple[Near, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """Everything on the page. ``problems`` are what the certificate's own evidence does not bear out."""

    certificate: Certificate
    problems: tuple[str, ...]
    risk: RiskCurve
    groups: tuple[GroupFinding, ...]
    ends_with: tuple[tuple[str, str], ...]
    sentence: str
    words: str
    replayed: Replayed | None

    def to_json(self) -> str:
        """Encode as JSON text, newline included; the certificate as in its own file."""
        content = {
            "schema": SCHEMA,
            "promise": self.sentence,
            "explanation": self.words.splitlines(),
            "problems": list(self.problems),
            "certificate": json.loads(self.certificate.to_json()),
            "risk": asdict(self.risk),
            "groups": [asdict(group) for group in self.groups],
            "ends_with": dict(self.ends_with),
            "replayed": None if self.replayed is None else asdict(self.replayed),
        }
        return json.dumps(content, indent=1, allow_nan=False) + "\n"
