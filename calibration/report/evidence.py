"""From a certificate, and the trajectories that it was issued from, to a report's numbers. Knows no drawing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, replace

import numpy as np

from calibration.answered import figures_at, rate
from calibration.certificate import Certificate
from calibration.explanation import explain, in_one_sentence
from calibration.fixed_sequence import DEFAULT_GRID
from calibration.groups import GroupOutcome, group_of
from calibration.outcome import Certified
from calibration.record_low import covering_record_low, plain_record_low, unit_record_lows
from calibration.replay import within
from calibration.report.findings import GroupFinding, Report, RiskCurve, RiskPoint
from calibration.report.replaying import replayed, served_surrender
from calibration.sessions import first_tries
from calibration.trajectories import Bindings, Recording
from calibration.verification import verify

__all__ = ["matching", "report_on"]

_MISS = 0.05
"""What the bands of the risk curve may miss."""

_BINDINGS = {
    "generator": "the model's weights, server or name",
    "verifier": "a verifier, its version or settings",
    "refinement": "how a refused answer is asked for again",
    "decoding": "the temperature or another parameter of generation",
}


def report_on(certificate: Certificate, recording: Recording | None = None, *, with_texts: bool = False) -> Report:
    """Put together the report; more of it where the trajectories of the certificate are given.

    ``with_texts`` shows the answers nearest to the threshold: sensitive. Raises ``ValueError`` where the
    trajectories or their labels are not those of the certificate.
    """
    own = None if recording is None else matching(certificate, recording)
    return Report(
        certificate=certificate,
        problems=tuple(f"{problem.part}: {problem.explanation}" for problem in verify(certificate)),
        risk=_risk(certificate),
        groups=tuple(_group(certificate, group, own) for group in certificate.groups),
        ends_with=_ends_with(certificate.bindings),
        sentence=in_one_sentence(certificate),
        words=explain(certificate),
        replayed=None if own is None else replayed(certificate, own, with_texts=with_texts),
    )


def matching(certificate: Certificate, recording: Recording) -> Recording:
    """Return the recording as the certificate counts it: cut to its rounds, and to its tries.

    Raises ``ValueError`` where it is another recording, or labelled otherwise.
    """
    if certificate.joint is not None:
        rounds = certificate.bindings.rounds
        cut = tuple(within(trajectory, rounds) for trajectory in recording.trajectories)
        recording = Recording(replace(recording.bindings, rounds=rounds), cut)
    if certificate.tries is not None:
        forget = first_tries(recording.forget, certificate.tries)
        recording = replace(recording, trajectories=(*forget, *recording.benign))
    here, bound = asdict(recording.bindings), asdict(certificate.bindings)
    if other := [name for name in bound if here[name] != bound[name]]:
        raise ValueError(
            f"the trajectories are not those of certificate {certificate.id}: other {', '.join(other)}"
        )
    of = covering_record_low if certificate.covers_subsets else plain_record_low
    if tuple(unit_record_lows(recording.forget, of).tolist()) != certificate.record_lows:
        raise ValueError(
            f"the scores and labels are not those that certificate {certificate.id} was issued from; "
            "give the same --trajectories, and the same --labels, as to `lethe calibrate`"
        )
    return recording


def _risk(certificate: Certificate) -> RiskCurve:
    if certificate.method == "ltt":
        n = len(certificate.record_lows)
        tested = tuple(RiskPoint(entry.threshold, rate(entry.leaks, n)) for entry in certificate.grid_leaks)
        return RiskCurve("units that leak at the thresholds tested, by replay", tested, None)
    if (few := certificate.few_labels) is not None:
        pairs = zip(few.grid, few.judged_leaks, strict=True)
        judged = tuple(RiskPoint(threshold, rate(leaks, few.judged)) for threshold, leaks in pairs)
        return RiskCurve("units that the judge calls leaks at the thresholds tested, by replay", judged, None)
    lows = np.asarray(certificate.record_lows, dtype=np.float64)
    chosen = () if certificate.threshold is None else (certificate.threshold,)
    points = tuple(
        RiskPoint(threshold, rate(int(np.count_nonzero(lows < threshold)), len(lows)))
        for threshold in sorted({*DEFAULT_GRID, *chosen})
    )
    uniform = float(np.sqrt(np.log(2 / _MISS) / (2 * len(lows)))) if len(lows) else None
    return RiskCurve("units whose record low is below the threshold, the most that can leak", points, uniform)


def _group(certificate: Certificate, group: GroupOutcome, own: Recording | None) -> GroupFinding:
    outcome, threshold = group.outcome, certificate.threshold
    found = GroupFinding(
        key=group.key,
        name=group.name,
        units=len(group.record_lows),
        threshold=outcome.threshold if isinstance(outcome, Certified) else None,
        reason="" if isinstance(outcome, Certified) else outcome.reason,
        bound=None if threshold is None else rate(_below(group.record_lows, threshold), len(group.record_lows)),
    )
    if own is None or threshold is None:
        return found
    mine = tuple(t for t in own.forget if group_of(t, group.key) == group.name)
    figures = figures_at(replace(own, trajectories=mine), threshold, served_surrender(certificate))
    return replace(
        found,
        leaked=figures.leak_rate,
        answered=figures.answer_rate,
        leak_given_answered=figures.leak_given_answered,
    )


def _below(lows: Iterable[float], threshold: float) -> int:
    return sum(low < threshold for low in lows)


def _ends_with(bindings: Bindings) -> tuple[tuple[str, str], ...]:
    """Name what must stay, and the fingerprint that it had."""
    fixed = [(words, getattr(bindings, name)) for name, words in _BINDINGS.items()]
    topics = [(f"the wording of topic {name}", fingerprint) for name, fingerprint in bindings.topics.items()]
    return (*fixed, ("more rounds than", str(bindings.rounds)), *topics)
