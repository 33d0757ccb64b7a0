"""Few people's labels beside many of a judge: the bound's promise, and how many labels it saves."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import bdtr, bdtrc, betaincinv

from calibration.few_labels import FewLabels, control_with_few_labels, prediction_powered_bound, units_to_label
from calibration.issue_few_labels import issue_few_labels_certificate
from calibration.outcome import Certified
from calibration.trajectories import Candidate, Recording, Trajectory
from tests.calibration.samples import BINDINGS, CREATED

from .conftest import Note
from .harness import check_kept, check_not_timid

pytestmark = pytest.mark.guarantee

REPS = 3_000
GRID = tuple(step / 10 for step in range(1, 11))


def cells(risk: float, sensitivity: float, alarms: float) -> np.ndarray:
    """Probabilities of: leak and seen, leak and missed, false alarm, neither."""
    return np.array([risk * sensitivity, risk * (1 - sensitivity), (1 - risk) * alarms, (1 - risk) * (1 - alarms)])


def bounds(law: np.ndarray, judged: int, labelled: int, reps: int, seed: int) -> np.ndarray:
    """Bound the leak probability many times; people label a part of what is judged."""
    rng = np.random.default_rng(seed)
    sample = rng.multinomial(labelled, law, reps)
    rest = rng.binomial(judged - labelled, law[0] + law[2], reps)
    flagged = sample[:, 0] + sample[:, 2] + rest
    pairs = zip(flagged.tolist(), sample[:, 1].tolist(), strict=True)
    return np.array([prediction_powered_bound(f, judged, m, labelled, 0.95) for f, m in pairs])


@pytest.mark.parametrize("labelled", [30, 150, 400])
@pytest.mark.parametrize(
    ("risk", "sensitivity", "alarms"),
    [(0.03, 0.97, 0.01), (0.05, 0.5, 0.0), (0.05, 0.0, 0.0), (0.2, 0.9, 0.1), (0.9, 0.8, 0.5), (0.05, 1.0, 0.0)],
)
def test_the_risk_exceeds_the_bound_no_more_often_than_one_minus_confidence(
    risk: float, sensitivity: float, alarms: float, labelled: int, note: Note
) -> None:
    """Theorem 12: a good judge, a poor one, a blind one, one that cries wolf, and nearly all leaks."""
    found = bounds(cells(risk, sensitivity, alarms), 3_000, labelled, REPS, 101)
    misses = int((found < risk).sum())
    note(
        f"few labels, risk {risk}, sensitivity {sensitivity}, alarms {alarms}, {labelled} labels",
        misses,
        REPS,
        0.05,
    )
    check_kept(misses, REPS, 0.05)


def test_the_bound_is_not_timid(note: Note) -> None:
    """A blind judge that never cries wolf: nine tenths of delta are left, and used."""
    labelled = 100
    risk = 1 - 0.045 ** (1 / labelled) + 1e-5  # just above the bound where none of the labelled is missed
    found = bounds(cells(risk, 0.0, 0.0), 1_000_000, labelled, 20_000, 102)
    misses = int((found < risk).sum())
    note("few labels, blind judge", misses, 20_000, 0.05)
    check_not_timid(misses, 20_000, 0.05)


def walk(labelled: int, reps: int, seed: int) -> tuple[int, int]:
    """Choose a threshold many times where the true risk rises over the grid; count misses and successes."""
    risks = np.linspace(0.01, 0.1, len(GRID))
    rng = np.random.default_rng(seed)
    misses = feasible = 0
    for _ in range(reps):
        leaks = rng.random(3_000)[:, None] < risks
        sees = leaks & (rng.random((3_000, 1)) < 0.8)
        missed = (leaks & ~sees)[:labelled]
        counts = FewLabels(
            GRID, tuple(sees.sum(axis=0).tolist()), 3_000, tuple(missed.sum(axis=0).tolist()), labelled
        )
        outcome = control_with_few_labels(counts, level=0.055, confidence=0.95)
        if isinstance(outcome, Certified):
            feasible += 1
            misses += risks[GRID.index(outcome.threshold)] > 0.055
    return misses, feasible


def test_the_chosen_threshold_keeps_its_level_whatever_the_judge_misses(note: Note) -> None:
    """Theorem 12 along a grid: a judge that misses a fifth of the leaks."""
    misses, feasible = walk(labelled=300, reps=500, seed=103)
    note("few labels, walk along a grid, 300 labels of 3,000", misses, 500, 0.05)
    check_kept(misses, 500, 0.05)
    assert feasible > 450


def test_the_judge_alone_is_caught() -> None:
    """The harness fails where what the judge misses is not bounded."""
    law, judged = cells(0.06, 0.7, 0.0), 3_000
    flagged = np.random.default_rng(104).binomial(judged, law[0], REPS)
    alone = betaincinv(flagged + 1, judged - flagged, 0.95)
    with pytest.raises(AssertionError, match="missed at level"):
        check_kept(int((alone < 0.06).sum()), REPS, 0.05)


def test_labels_where_the_judge_agrees_are_no_random_sample_and_caught() -> None:
    """The harness fails where people label only what the judge called a leak: they find none missed."""
    law = cells(0.06, 0.7, 0.0)
    flagged = np.random.default_rng(105).binomial(3_000, law[0], REPS)
    found = np.array([prediction_powered_bound(f, 3_000, 0, 300, 0.95) for f in flagged.tolist()])
    with pytest.raises(AssertionError, match="missed at level"):
        check_kept(int((found < 0.06).sum()), REPS, 0.05)


def labels_for_power(method: str, law: np.ndarray, level: float) -> int:
    """Return how many labels certify the level in 80 % of draws, 5,000 units being judged; in steps of 5 %."""
    n = 20.0
    while n < 4_000:
        if power(method, law, level, round(n)) >= 0.8:
            return round(n)
        n *= 1.05
    return 4_000


def power(method: str, law: np.ndarray, level: float, n: int, reps: int = 300) -> float:
    """Return how often a method certifies the level from so many labels."""
    rng = np.random.default_rng(106)
    sample = rng.multinomial(n, law, reps)
    if method == "people alone":
        return float((bdtr(sample[:, 0] + sample[:, 1], n, level) <= 0.05).mean())
    flagged = rng.binomial(5_000, law[0] + law[2], reps)
    if method == "betting":
        return float((_log_wealth(sample, flagged, level) >= np.log(1 / 0.045)).mean())
    by_judge = betaincinv(flagged + 1, 5_000 - flagged, 1 - 0.005)
    missed = betaincinv(sample[:, 1] + 1, n - sample[:, 1], 1 - 0.045)
    return float((by_judge + missed <= level).mean())


def _log_wealth(sample: np.ndarray, flagged: np.ndarray, level: float) -> np.ndarray:
    """Bet on the rectified mean E[Y - F], false alarms included, with four fixed stakes (arXiv 2010.09686)."""
    room = level - betaincinv(flagged + 1, 5_000 - flagged, 1 - 0.005)
    pots = []
    for share in (0.1, 0.25, 0.5, 0.9):
        stake = share / (1 - np.maximum(room, 0))
        factors = [1 + stake * (room - rectified) for rectified in (0, 1, -1, 0)]
        pots.append(sum(sample[:, c] * np.log(np.maximum(f, 1e-300)) for c, f in enumerate(factors)))
    wealth = np.logaddexp.reduce(pots, axis=0) - np.log(len(pots))
    return np.where(room > 0, wealth, -np.inf)


@pytest.mark.parametrize(
    ("risk", "sensitivity", "alarms", "level", "at_most"),
    [(0.02, 0.99, 0.002, 0.05, 0.65), (0.03, 0.99, 0.002, 0.05, 0.6), (0.05, 0.95, 0.01, 0.1, 0.85)],
)
def test_a_good_judge_saves_labels(
    risk: float, sensitivity: float, alarms: float, level: float, at_most: float, note: Note
) -> None:
    """How many labels give the same chance of a certificate; the exact bound needs fewest, betting saves less."""
    law = cells(risk, sensitivity, alarms)
    needed = {m: labels_for_power(m, law, level) for m in ("people alone", "exact", "betting")}
    note(f"labels beside a judge, of those alone {needed}", needed["exact"], needed["people alone"], 1.0)
    assert needed["exact"] <= at_most * needed["people alone"]
    assert needed["exact"] < needed["betting"]


def test_a_judge_that_cries_wolf_saves_nothing() -> None:
    """False alarms count as leaks: at 5 % of them and a level of 10 % people alone do better."""
    law = cells(0.05, 0.98, 0.05)
    assert labels_for_power("people alone", law, 0.1) < 400
    assert labels_for_power("exact", law, 0.1) == 4_000


def test_the_simulation_uses_the_real_bound() -> None:
    """The vectorised power above is the function's."""
    assert prediction_powered_bound(110, 5_000, 2, 200, 0.95) == pytest.approx(
        betaincinv(111, 4_890, 0.995) + betaincinv(3, 198, 0.955)
    )
    assert bdtrc(110, 5_000, betaincinv(111, 4_890, 0.995)) == pytest.approx(0.995)


LAW_GRID = tuple(step / 20 for step in range(1, 21))
DRAWS = 100


def judged_and_true(seed: int, units: int) -> tuple[Recording, Recording]:
    """Answers that leak with probability score / 2, in the order of their scores; the judge is blind to low ones.

    The judge finds three leaks in ten below a score of 0.5, nineteen in twenty above. So the risk at a threshold
    is a quarter of its square, and trusting the judge releases far too much.
    """
    rng = np.random.default_rng(seed)
    scores = np.sort(rng.random(units))
    leaks = rng.random(units) < scores / 2
    sees = leaks & (rng.random(units) < np.where(scores < 0.5, 0.3, 0.95))

    def recorded(labels: np.ndarray) -> Recording:
        rows = enumerate(zip(scores.tolist(), labels.tolist(), strict=True))
        return Recording(BINDINGS, tuple(Trajectory(f"{n}", (Candidate(1, s, leak=x),)) for n, (s, x) in rows))

    return recorded(sees), recorded(leaks)


def test_a_certificate_of_few_labels_keeps_its_level_where_the_judge_is_blind(note: Note) -> None:
    """Theorem 12 from the recording on: the sample that the seed draws, the counts, the walk, the certificate."""
    misses = feasible = trusting = 0
    for seed in range(DRAWS):
        judged, true = judged_and_true(seed, 300)
        drawn = units_to_label(judged.forget, 120, seed)
        said = [trajectory for trajectory in true.forget if trajectory.unit in drawn]
        certificate = issue_few_labels_certificate(
            judged, said, level=0.1, confidence=0.9, seed=seed, grid=LAW_GRID, created=CREATED
        )
        if certificate.threshold is not None:
            feasible += 1
            misses += certificate.threshold**2 / 4 > 0.1
        alone = certificate.confident
        trusting += isinstance(alone, Certified) and alone.threshold**2 / 4 > 0.1
    note("few labels, certificates of recordings, judge blind at low scores", misses, DRAWS, 0.1)
    check_kept(misses, DRAWS, 0.1)
    assert feasible > 0.9 * DRAWS
    with pytest.raises(AssertionError, match="missed at level"):
        check_kept(trusting, DRAWS, 0.1)
