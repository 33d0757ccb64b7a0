"""What trajectories show beside a certificate: by threshold, by round, by score. Knows no drawing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from calibration.answered import figures_at
from calibration.certificate import Certificate
from calibration.fixed_sequence import DEFAULT_GRID
from calibration.release import Surrender
from calibration.replay import released
from calibration.report.findings import (
    Near,
    ReliabilityBin,
    Replayed,
    RoundsTaken,
    ScoreBin,
    ThresholdReplay,
)
from calibration.trajectories import Candidate, Recording, Trajectory

__all__ = ["replayed", "served_surrender"]

_SCORE_BINS, _RELIABILITY_BINS, _NEAREST = 20, 10, 10


def replayed(certificate: Certificate, recording: Recording, *, with_texts: bool) -> Replayed:
    """Replay the certificate's own trajectories. Raises ``ValueError`` where a label is missing."""
    threshold, surrender = certificate.threshold, served_surrender(certificate)
    candidates = [candidate for trajectory in recording.forget for candidate in trajectory.candidates]
    labelled = [candidate for candidate in candidates if candidate.leak is not None]
    thresholds = sorted({*DEFAULT_GRID} | ({threshold} if threshold is not None else set()))
    return Replayed(
        curve=tuple(_at(recording, each, surrender) for each in thresholds),
        forget_rounds=None if threshold is None else _rounds(recording.forget, threshold, surrender),
        benign_rounds=None if threshold is None else _rounds(recording.benign, threshold, surrender),
        scores=tuple(_score_bin(*each) for each in _binned(labelled, _SCORE_BINS)),
        unlabelled=len(candidates) - len(labelled),
        reliability=tuple(_reliability_bin(*each) for each in _binned(labelled, _RELIABILITY_BINS)),
        nearest=() if threshold is None else _nearest(recording.forget, threshold, surrender, with_texts),
    )


def served_surrender(certificate: Certificate) -> Surrender | None:
    """Return when serving gives up early."""
    return None if certificate.surrender is None else certificate.surrender.surrender


def _at(recording: Recording, threshold: float, surrender: Surrender | None) -> ThresholdReplay:
    figures = figures_at(recording, threshold, surrender)
    return ThresholdReplay(threshold, figures.leak_rate, figures.answer_rate, figures.leak_given_answered)


def _rounds(trajectories: Sequence[Trajectory], threshold: float, surrender: Surrender | None) -> RoundsTaken:
    taken = [
        None if position is None else _round(trajectory, position)
        for trajectory in trajectories
        for position in [released(trajectory, threshold, surrender)]
    ]
    last = max((len({candidate.round for candidate in t.candidates}) for t in trajectories), default=0)
    return RoundsTaken(tuple(taken.count(round_) for round_ in range(1, last + 1)), taken.count(None))


def _round(trajectory: Trajectory, position: int) -> int:
    """Number a candidate's round from 1, however the recorder numbered it."""
    rounds = sorted({candidate.round for candidate in trajectory.candidates})
    return rounds.index(trajectory.candidates[position].round) + 1


def _binned(candidates: Iterable[Candidate], bins: int) -> list[tuple[float, float, list[Candidate]]]:
    found: list[list[Candidate]] = [[] for _ in range(bins)]
    for candidate in candidates:
        found[min(int(candidate.score * bins), bins - 1)].append(candidate)
    return [(at / bins, (at + 1) / bins, members) for at, members in enumerate(found)]


def _score_bin(low: float, high: float, members: Sequence[Candidate]) -> ScoreBin:
    leaks = sum(candidate.leak is True for candidate in members)
    return ScoreBin(low, high, leaks, len(members) - leaks)


def _reliability_bin(low: float, high: float, members: Sequence[Candidate]) -> ReliabilityBin:
    leaks = sum(candidate.leak is True for candidate in members)
    mean = sum(candidate.score for candidate in members) / max(len(members), 1)
    return ReliabilityBin(low, high, len(members), leaks, mean)


def _nearest(
    trajectories: Sequence[Trajectory], threshold: float, surrender: Surrender | None, with_texts: bool
) -> tuple[Near, ...]:
    """Return the prompts that a slightly other threshold would have treated otherwise first."""
    found = [_near(t, threshold, surrender, with_texts) for t in trajectories if t.candidates]
    return tuple(sorted(found, key=lambda near: (abs(near.score - threshold), near.id))[:_NEAREST])


def _near(trajectory: Trajectory, threshold: float, surrender: Surrender | None, with_texts: bool) -> Near:
    out = released(trajectory, threshold, surrender)
    met = range(len(trajectory.candidates) if out is None else out + 1)
    position = min(met, key=lambda at: abs(trajectory.candidates[at].score - threshold))
    candidate = trajectory.candidates[position]
    return Near(
        id=trajectory.id,
        unit=trajectory.unit,
        topic=trajectory.topic,
        round=_round(trajectory, position),
        score=candidate.score,
        leak=candidate.leak,
        released=position == out,
        answer=candidate.answer if with_texts else None,
    )
