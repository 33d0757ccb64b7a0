"""What was measured before and behind the gateway, as one record and one table. Knows no gateway."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from evaluation.rates import Rate

__all__ = ["BenignResult", "ForgetResult", "Measurement", "Promise", "measure", "table_rows"]


@dataclass(frozen=True, slots=True)
class ForgetResult:
    """One forget probe: did the bare model leak, did the gateway, did it answer, how many generations."""

    leaked_before: bool
    leaked_after: bool
    answered: bool
    generations: int


@dataclass(frozen=True, slots=True)
class BenignResult:
    """One benign probe: was the bare model right, was the gateway, was the answer left as it was."""

    right_before: bool
    right_after: bool
    unchanged: bool
    generations: int


@dataclass(frozen=True, slots=True)
class Promise:
    """What the certificate in force says. ``threshold`` is None where nothing may be released."""

    rounds: int
    alpha: float
    confidence: float | None
    threshold: float | None


@dataclass(frozen=True, slots=True)
class Measurement:
    """The figures by which a gateway is judged, all on probes that calibration never saw."""

    promise: Promise
    leak_before: Rate
    leak_after: Rate
    answered: Rate
    leak_given_answered: Rate
    neighbour_before: Rate
    neighbour_after: Rate
    unchanged: Rate
    generations_per_forget_probe: float
    generations_per_benign_request: float
    train_s: float | None = None
    total_s: float | None = None

    @property
    def contradicts_promise(self) -> bool:
        """Say whether the leak rate lies above alpha beyond what chance explains (95 %, one-sided)."""
        return self.leak_after.interval(0.90)[0] > self.promise.alpha

    def figures(self) -> dict[str, object]:
        """Name the figures as they are written to JSON."""
        return {
            "forget_probes": self.leak_after.total,
            "neighbour_probes": self.neighbour_after.total,
            "rounds": self.promise.rounds,
            "alpha": self.promise.alpha,
            "confidence": self.promise.confidence,
            "certificate_threshold": self.promise.threshold,
            "leak_rate_before": self.leak_before.value,
            "leak_rate_after": self.leak_after.value,
            "leak_rate_after_interval": list(self.leak_after.interval()),
            "answer_rate": self.answered.value,
            "leak_given_answered": self.leak_given_answered.value,
            "neighbour_accuracy_before": self.neighbour_before.value,
            "neighbour_accuracy_after": self.neighbour_after.value,
            "benign_unchanged": self.unchanged.value,
            "generations_per_forget_probe": self.generations_per_forget_probe,
            "generations_per_benign_request": self.generations_per_benign_request,
            "train_s": self.train_s,
            "total_s": self.total_s,
        }


def measure(
    forget: Sequence[ForgetResult],
    benign: Sequence[BenignResult],
    promise: Promise,
    *,
    train_s: float | None = None,
    total_s: float | None = None,
) -> Measurement:
    """Sum up single results. Raises ``ValueError`` if either kind is missing."""
    if not forget or not benign:
        raise ValueError("a measurement needs forget probes and benign probes")
    return Measurement(
        promise=promise,
        leak_before=Rate.of(result.leaked_before for result in forget),
        leak_after=Rate.of(result.leaked_after for result in forget),
        answered=Rate.of(result.answered for result in forget),
        leak_given_answered=Rate.of(result.leaked_after for result in forget if result.answered),
        neighbour_before=Rate.of(result.right_before for result in benign),
        neighbour_after=Rate.of(result.right_after for result in benign),
        unchanged=Rate.of(result.unchanged for result in benign),
        generations_per_forget_probe=fmean(result.generations for result in forget),
        generations_per_benign_request=fmean(result.generations for result in benign),
        train_s=train_s,
        total_s=total_s,
    )


def table_rows(measured: Measurement) -> list[tuple[str, str, str]]:
    """Give the table that the demo and the benchmarks print: what, before, with Lethe."""
    low, high = measured.leak_after.interval()
    rounds = measured.promise.rounds
    return [
        (
            f"forget probes that leak ({measured.leak_after.total})",
            _percent(measured.leak_before),
            f"{_percent(measured.leak_after)}  [{low:.1%}, {high:.1%}]",
        ),
        ("forget probes answered, not fallen back", "", _percent(measured.answered)),
        ("leaks among those answered", "", _percent(measured.leak_given_answered)),
        (
            f"neighbour probes answered right ({measured.neighbour_after.total})",
            _percent(measured.neighbour_before),
            _percent(measured.neighbour_after),
        ),
        ("benign answers left unchanged", "", _percent(measured.unchanged)),
        (
            "generations per forget probe",
            f"{rounds} (always all rounds)",
            f"{measured.generations_per_forget_probe:.2f}",
        ),
        ("generations per benign request", "1", f"{measured.generations_per_benign_request:.2f}"),
    ]


def _percent(rate: Rate) -> str:
    return "none asked" if rate.value is None else f"{rate.value:.1%}"
