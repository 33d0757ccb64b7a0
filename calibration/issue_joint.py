"""Issuing a certificate from several recordings, one per strategy. Knows no serving and no engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from calibration.answered import figures_at
from calibration.certificate import Certificate, sealed
from calibration.fixed_sequence import reached_exactly
from calibration.forms import both_forms
from calibration.joint import JOINT_GRID, JointChoice, Limits, Reached, choose_jointly, observe
from calibration.outcome import Infeasible
from calibration.record_low import covering_record_low, plain_record_low, unit_record_lows
from calibration.replay import within
from calibration.trajectories import Recording

__all__ = ["issue_joint_certificate"]


def issue_joint_certificate(
    recordings: Mapping[str, Recording],
    limits: Limits,
    *,
    confidence: float,
    rounds: Sequence[int],
    seed: int,
    created: str,
    cover_subsets: bool = True,
    grid: Sequence[float] = JOINT_GRID,
    reached: Reached = reached_exactly,
) -> Certificate:
    """Choose strategy, rounds and threshold together, and bind the certificate to what was chosen.

    It binds the chosen strategy's fingerprints and the chosen number of rounds; where nothing passes, those of
    the first recording, and nothing is served. Units that ordered are not in ``served.n``, but are in the
    figures and record lows, which describe the chosen configuration on all units. Other arguments: see
    ``calibration.joint``. Raises ``ValueError`` for recordings that do not fit together or lack labels.
    """
    covers = cover_subsets and all(t.topic is not None for r in recordings.values() for t in r.forget)
    observed = observe(recordings, rounds=rounds, grid=grid, cover_subsets=covers)
    found = choose_jointly(observed, limits, confidence=confidence, seed=seed, reached=reached)
    recording = _chosen(recordings, found)
    lows = unit_record_lows(recording.forget, covering_record_low if covers else plain_record_low)
    expectation, confident = both_forms(lows.tolist(), limits.leaks, confidence)
    choice = None if isinstance(found, Infeasible) else found
    return sealed(
        Certificate(
            id="",
            created=created,
            method="joint",
            level=limits.leaks,
            confidence=confidence,
            every_group=None,
            covers_subsets=covers,
            served=found if isinstance(found, Infeasible) else found.outcome,
            expectation=expectation,
            confident=confident,
            groups=(),
            figures=None if choice is None else figures_at(recording, choice.outcome.threshold),
            bindings=recording.bindings,
            record_lows=tuple(lows.tolist()),
            grid_leaks=(),
            joint=choice,
        )
    )


def _chosen(recordings: Mapping[str, Recording], found: JointChoice | Infeasible) -> Recording:
    if isinstance(found, Infeasible):
        return next(iter(recordings.values()))
    configuration = found.chosen.configuration
    whole = recordings[configuration.strategy]
    cut = tuple(within(trajectory, configuration.rounds) for trajectory in whole.trajectories)
    return Recording(replace(whole.bindings, rounds=configuration.rounds), cut)
