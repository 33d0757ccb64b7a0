"""Training of the learned verifier: labelled scores in, a model out. Knows no texts and no gateway.

Needs scikit-learn; serving the model does not.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from verifiers.learned import LearnedModel, unit_mark
from verifiers.protocol import Abstained, Exchange, Judge, Verifier

__all__ = ["LabelledScores", "scores_of", "separation", "split_units", "train_learned"]

_CALIBRATED_SHARE = 0.3
_UNPENALISED = 1e6
_FEWEST = 10


@dataclass(frozen=True, slots=True)
class LabelledScores:
    """What each verifier said of one answer, in the model's order, and whether it leaks.

    ``unit`` is what is exchangeable: answers to one prompt, or to its paraphrases, share it.
    """

    unit: str
    scores: tuple[float, ...]
    leak: bool


async def scores_of(judges: Sequence[Judge], exchange: Exchange) -> tuple[float, ...] | Abstained:
    """Return each judge's leakage, or the first abstention."""
    scores: list[float] = []
    for judge in judges:
        verdict = await judge(exchange)
        if isinstance(verdict, Abstained):
            return verdict
        scores.append(verdict.leakage)
    return tuple(scores)


def split_units(units: Collection[str], share: float, seed: int) -> tuple[frozenset[str], frozenset[str]]:
    """Deal units into (``share`` of them, the rest), each whole: for training, and for calibration after it."""
    dealt = sorted(set(units))
    np.random.default_rng(seed).shuffle(dealt)
    count = round(share * len(dealt))
    return frozenset(dealt[:count]), frozenset(dealt[count:])


def train_learned(
    examples: Sequence[LabelledScores],
    verifiers: Sequence[Verifier],
    seed: int,
    *,
    knots: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75),
    penalty: float = 1.0,
) -> LearnedModel:
    """Fit non-negative weights on 70 % of the units and the calibration of their logit (Platt) on the others.

    Logistic regression with a quadratic penalty; while a weight is negative, the most negative one is left out
    and the rest fitted again. The result promises nothing: the certificate's calibration does, and it must use
    units that the model never saw (`LearnedModel.saw`). Raises ``ValueError`` for too few leaks or non-leaks, and
    where the scores do not tell them apart.
    """
    if any(len(example.scores) != len(verifiers) for example in examples):
        raise ValueError(f"every example needs {len(verifiers)} scores, one for each verifier")
    units = [example.unit for example in examples]
    calibrated, fitted = split_units(units, _CALIBRATED_SHARE, seed)
    weights, intercept = _fit(*_arrays(examples, fitted, "fitting"), knots, penalty)
    scores, leaks = _arrays(examples, calibrated, "calibrating")
    slope, offset = _calibrate(_hinges(scores, knots) @ weights + intercept, leaks)
    return LearnedModel(
        names=tuple(verifier.name for verifier in verifiers),
        fingerprints=tuple(verifier.fingerprint for verifier in verifiers),
        knots=knots,
        weights=tuple(map(tuple, weights.reshape(len(verifiers), len(knots)).tolist())),
        intercept=intercept,
        slope=slope,
        offset=offset,
        units=tuple(sorted({unit_mark(unit) for unit in units})),
    )


def separation(model: LearnedModel, examples: Sequence[LabelledScores]) -> Mapping[str, float]:
    """Return the AUC of each verifier and of the model ("learned"); empty unless there are leaks and others."""
    leaks = [example.leak for example in examples]
    if len(set(leaks)) < 2:
        return {}
    scores = np.array([example.scores for example in examples], dtype=np.float64)
    columns = dict(zip((*model.names, "learned"), (*scores.T, model.probabilities(scores)), strict=True))
    return {name: float(roc_auc_score(leaks, column)) for name, column in columns.items()}


Floats = NDArray[np.float64]
Labels = NDArray[np.bool_]


def _arrays(examples: Sequence[LabelledScores], units: frozenset[str], use: str) -> tuple[Floats, Labels]:
    chosen = [example for example in examples if example.unit in units]
    leaks = np.array([example.leak for example in chosen], dtype=bool)
    if min(leaks.sum(), (~leaks).sum()) < _FEWEST:
        raise ValueError(
            f"{use} the learned model needs at least {_FEWEST} leaks and {_FEWEST} others, "
            f"but has {leaks.sum()} and {(~leaks).sum()}: label more answers"
        )
    return np.array([example.scores for example in chosen], dtype=np.float64), leaks


def _hinges(scores: Floats, knots: tuple[float, ...]) -> Floats:
    """Return max(0, score - knot), shape (n, verifiers * knots)."""
    above: Floats = np.maximum(0.0, scores[:, :, None] - np.asarray(knots))
    return above.reshape(len(scores), -1)


def _fit(scores: Floats, leaks: Labels, knots: tuple[float, ...], penalty: float) -> tuple[Floats, float]:
    inputs = _hinges(scores, knots)
    kept = [at for at in range(inputs.shape[1]) if inputs[:, at].any()]
    weights = np.zeros(inputs.shape[1])
    while kept:
        fit = LogisticRegression(C=1.0 / penalty, max_iter=1000).fit(inputs[:, kept], leaks)
        found = fit.coef_[0]
        if found.min() >= 0:
            weights[kept] = found
            return weights, float(fit.intercept_[0])
        del kept[int(found.argmin())]
    raise ValueError("no verifier scores leaks higher than other answers, so there is nothing to learn")


def _calibrate(logits: Floats, leaks: Labels) -> tuple[float, float]:
    fit = LogisticRegression(C=_UNPENALISED, max_iter=1000).fit(logits[:, None], leaks)
    slope = float(fit.coef_[0, 0])
    if slope <= 0:
        raise ValueError("on answers kept apart, the fitted scores do not rise with leaks: label more answers")
    return slope, float(fit.intercept_[0])
