"""The learned verifier: the scores of other verifiers as one probability of a leak. Knows no training.

The model is a file of numbers, so serving needs no learning library.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from verifiers.combine import Worst, guarded
from verifiers.identity import fingerprint_of
from verifiers.protocol import Abstained, Evidence, Exchange, Judge, Scored, Topic, Verdict, Verifier

__all__ = ["Learned", "LearnedModel", "read_learned", "unit_mark", "write_learned"]

_REVISION = "1"
_FORMAT = "lethe-learned-1"
_MAX_EVIDENCE = 1024

Floats: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LearnedModel:
    """A logistic model over piecewise linear functions of scores, and the calibration put on top of it.

    The logit is ``intercept`` plus, for every verifier i and knot k, ``weights[i][k]`` times
    max(0, score_i - knots[k]); the probability is the logistic function of ``slope`` times the logit plus
    ``offset``. Weights and slope are not negative, so more evidence from any verifier never means less leakage:
    nothing that an answer adds can talk the others' evidence away.

    ``names`` and ``fingerprints`` are those of the verifiers whose scores it takes, in order; ``units`` are the
    marks (see `unit_mark`) of the units that it was trained on, which calibration may not use. Raises
    ``ValueError`` for numbers that do not fit together.
    """

    names: tuple[str, ...]
    fingerprints: tuple[str, ...]
    knots: tuple[float, ...]
    weights: tuple[tuple[float, ...], ...]
    intercept: float
    slope: float
    offset: float
    units: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.names or len(set(self.names)) < len(self.names):
            raise ValueError("a learned model needs verifiers, each of another name")
        if not len(self.names) == len(self.fingerprints) == len(self.weights):
            raise ValueError("a learned model needs one fingerprint and one row of weights for each verifier")
        if any(len(row) != len(self.knots) for row in self.weights) or not self.knots:
            raise ValueError("a learned model needs one weight for each knot")
        flat = [*self.knots, *(weight for row in self.weights for weight in row), self.slope]
        if not np.isfinite([*flat, self.intercept, self.offset]).all() or min(flat) < 0:
            raise ValueError("a learned model's numbers are finite, its knots, weights and slope not negative")

    @property
    def fingerprint(self) -> str:
        """Changes whenever a probability could change."""
        body = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(body.encode()).hexdigest()[:16]

    def saw(self, unit: str) -> bool:
        """Say whether the model was trained on this unit."""
        return unit_mark(unit) in self.units

    def probabilities(self, scores: Floats) -> Floats:
        """Return the probability of a leak for scores of shape (n, verifiers): shape (n,)."""
        above = np.maximum(0.0, scores[:, :, None] - np.asarray(self.knots))
        logit = self.intercept + (above * np.asarray(self.weights)).sum(axis=(1, 2))
        return np.asarray(1.0 / (1.0 + np.exp(-np.clip(self.slope * logit + self.offset, -700.0, 700.0))))


def unit_mark(unit: str) -> str:
    """Return what stands for a unit in the file: its prompt should not."""
    return hashlib.blake2b(unit.encode(), digest_size=8).hexdigest()


def write_learned(model: LearnedModel, path: Path) -> None:
    """Write a model as JSON, with its fingerprint."""
    body = {"format": _FORMAT, "fingerprint": model.fingerprint, "model": asdict(model)}
    path.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")


def read_learned(path: Path) -> LearnedModel:
    """Read a model. Raises ``ValueError`` naming the file where it is none or was changed by hand."""
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        if body["format"] != _FORMAT:
            raise ValueError(f"format {body['format']!r} is not {_FORMAT!r}")
        said, model = str(body["fingerprint"]), _model(body["model"])
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is no learned model: {error}; train it again") from error
    if said != model.fingerprint:
        raise ValueError(f"{path} does not have its own fingerprint, so it was changed; train it again")
    return model


def _model(given: object) -> LearnedModel:
    if not isinstance(given, dict):
        raise ValueError("the model is no object")
    unknown = given.keys() ^ {field.name for field in fields(LearnedModel)}
    if unknown:
        raise ValueError(f"fields missing or unknown: {', '.join(sorted(unknown))}")
    return LearnedModel(
        names=tuple(str(name) for name in given["names"]),
        fingerprints=tuple(str(each) for each in given["fingerprints"]),
        knots=tuple(float(knot) for knot in given["knots"]),
        weights=tuple(tuple(float(weight) for weight in row) for row in given["weights"]),
        intercept=float(given["intercept"]),
        slope=float(given["slope"]),
        offset=float(given["offset"]),
        units=tuple(str(unit) for unit in given["units"]),
    )


@dataclass(frozen=True, slots=True)
class Learned:
    """Scores an answer by the probability that a learned model gives to the other verifiers' scores.

    Each topic is scored by what its evidence is worth to each verifier, and the worst topic counts; an answer in
    which no verifier finds anything scores 0. If one verifier abstains or raises, the whole abstains. Raises
    ``ValueError`` if the model was trained on other verifiers, or on another version of one.
    """

    model: LearnedModel
    verifiers: tuple[Verifier, ...]

    def __init__(self, model: LearnedModel, verifiers: Sequence[Verifier]) -> None:
        object.__setattr__(self, "model", model)
        object.__setattr__(self, "verifiers", Worst(verifiers).verifiers)
        given = tuple(verifier.name for verifier in self.verifiers)
        if given != model.names:
            raise ValueError(
                f"the learned model takes the scores of {', '.join(model.names)}, in this order, "
                f"but was given {', '.join(given)}"
            )
        pairs = zip(self.verifiers, model.fingerprints, strict=True)
        changed = [verifier.name for verifier, known in pairs if verifier.fingerprint != known]
        if changed:
            raise ValueError(f"{', '.join(changed)} changed since the learned model was trained: train it again")

    @property
    def name(self) -> str:
        """See `Verifier`."""
        return "learned"

    @property
    def fingerprint(self) -> str:
        """See `Verifier`."""
        return fingerprint_of(self.name, _REVISION, model=self.model.fingerprint)

    def prepare(self, topics: Sequence[Topic]) -> Judge:
        """Prepare every verifier."""
        parts = tuple((verifier.name, verifier.prepare(topics)) for verifier in self.verifiers)
        return _LearnedJudge(parts, self.model, self.name)


@dataclass(frozen=True, slots=True)
class _LearnedJudge:
    parts: tuple[tuple[str, Judge], ...]
    model: LearnedModel
    name: str

    async def __call__(self, exchange: Exchange) -> Verdict:
        verdicts: list[Scored] = []
        for name, judge in self.parts:
            verdict = await guarded(name, judge, exchange)
            if isinstance(verdict, Abstained):
                return verdict
            verdicts.append(verdict)
        return self._joined(verdicts)

    def _joined(self, verdicts: Sequence[Scored]) -> Scored:
        topics = sorted({each.topic_id for verdict in verdicts for each in verdict.evidence})
        scores = np.array([[_worth(verdict, topic) for verdict in verdicts] for topic in [*topics, None]])
        found = np.where(scores.any(axis=1), self.model.probabilities(scores), 0.0)
        by_topic = {topic: round(float(value), 6) for topic, value in zip(topics, found, strict=False)}
        evidence = [self._evidence(each, by_topic) for verdict in verdicts for each in verdict.evidence]
        evidence.sort(key=lambda pair: (-pair[1].leakage, -pair[0], pair[1].topic_id, pair[1].reason))
        worst = max([*by_topic.values(), round(float(found[-1]), 6)])
        return Scored(worst, tuple(each for _, each in evidence[:_MAX_EVIDENCE]))

    def _evidence(self, each: Evidence, by_topic: Mapping[str, float]) -> tuple[float, Evidence]:
        reason = f"{each.verifier} {each.leakage:.2f}: {each.reason}"
        leakage = by_topic[each.topic_id]
        return each.leakage, Evidence(each.topic_id, self.name, leakage, reason, each.spans, each.words)


def _worth(verdict: Scored, topic: str | None) -> float:
    """Return what a verdict says of a topic; one without evidence says it of every topic, and of none (None)."""
    if not verdict.evidence:
        return verdict.leakage
    return max((each.leakage for each in verdict.evidence if each.topic_id == topic), default=0.0)
