"""Issuing a certificate from a judge's labels and few people's. Knows no serving, and no judge."""

from __future__ import annotations

from collections.abc import Sequence

from calibration.answered import figures_at
from calibration.certificate import Certificate, sealed
from calibration.few_labels import control_with_few_labels, count_few_labels, units_to_label
from calibration.fixed_sequence import DEFAULT_GRID, leaks_or_crosses
from calibration.forms import both_forms
from calibration.outcome import Certified
from calibration.record_low import covering_record_low, plain_record_low, unit_record_lows
from calibration.replay import leaks_if_released
from calibration.trajectories import Recording, Trajectory

__all__ = ["issue_few_labels_certificate"]


def issue_few_labels_certificate(
    judged: Recording,
    by_people: Sequence[Trajectory],
    *,
    level: float,
    confidence: float,
    seed: int,
    cover_subsets: bool = True,
    grid: Sequence[float] = DEFAULT_GRID,
    created: str,
) -> Certificate:
    """Bound the leaks that people would see, from many judged units and few that people labelled.

    ``judged`` has a judge's labels everywhere, ``by_people`` are the trajectories of the sampled units with
    people's labels alone. Only the sample that ``seed`` draws will do: another might have been chosen by
    looking. Cross-talk between topics, where it counts, is a loss that nobody has to label. Raises
    ``ValueError`` for another sample, and for missing labels.
    """
    forget = judged.forget
    _check_sample(forget, by_people, seed)
    covers = cover_subsets and bool(forget) and all(trajectory.topic is not None for trajectory in forget)
    loses = leaks_or_crosses if covers else leaks_if_released
    counts = count_few_labels(forget, by_people, grid, loses=loses, seed=seed)
    served = control_with_few_labels(counts, level=level, confidence=confidence)
    lows = unit_record_lows(forget, covering_record_low if covers else plain_record_low)
    expectation, confident = both_forms(lows.tolist(), level, confidence)
    return sealed(
        Certificate(
            id="",
            created=created,
            method="few_labels",
            level=level,
            confidence=confidence,
            every_group=None,
            covers_subsets=covers,
            served=served,
            expectation=expectation,
            confident=confident,
            groups=(),
            figures=figures_at(judged, served.threshold) if isinstance(served, Certified) else None,
            bindings=judged.bindings,
            record_lows=tuple(lows.tolist()),
            grid_leaks=(),
            few_labels=counts,
        )
    )


def _check_sample(forget: Sequence[Trajectory], by_people: Sequence[Trajectory], seed: int) -> None:
    labelled = {trajectory.unit for trajectory in by_people}
    drawn = units_to_label(forget, min(len(labelled), len({t.unit for t in forget})), seed)
    if labelled != drawn:
        raise ValueError(
            f"people's labels are of {len(labelled)} units, {len(labelled - drawn)} of them not among the "
            f"{len(drawn)} that the seed {seed} draws: label all that was drawn to be labelled, and nothing else"
        )
