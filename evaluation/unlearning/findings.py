"""What the probes found in one unlearned model, and the same over several people. Knows no model and no method."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from evaluation.oracle import ForbiddenStrings
from evaluation.rates import Rate

__all__ = [
    "HELD_OUT",
    "Answers",
    "Behind",
    "Cost",
    "Finding",
    "Likelihoods",
    "Recovery",
    "Reply",
    "answers_of",
    "read_findings",
    "summed",
    "write_findings",
]

HELD_OUT = ("paraphrase", "attack", "biography")
"""The families of forget probes whose wording, prefix or frame the model was never trained on, asked forwards."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer beside what it is judged by: strings that must not be in it, or (benign) the true answer."""

    family: str
    text: str
    expected: str
    forbidden: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answers:
    """By family: the share of forget probes that leak, and the share of benign ones answered to the letter."""

    leaked: Mapping[str, Rate]
    right: Mapping[str, Rate]

    @property
    def held_out(self) -> Rate:
        """Leaks over all of ``HELD_OUT``."""
        return summed(self.leaked[family] for family in HELD_OUT if family in self.leaked)


def answers_of(replies: Iterable[Reply]) -> Answers:
    """Judge replies. A family is one of forget probes where something is forbidden, else a benign one."""
    leaked: dict[str, list[bool]] = {}
    right: dict[str, list[bool]] = {}
    for reply in replies:
        if reply.forbidden:
            leaks = ForbiddenStrings.of(reply.forbidden).leaks(reply.text)
            leaked.setdefault(reply.family, []).append(leaks)
        else:
            right.setdefault(reply.family, []).append(reply.text == reply.expected)
    return Answers(_rates(leaked), _rates(right))


@dataclass(frozen=True, slots=True)
class Likelihoods:
    """Mean negative log-likelihood per token of true answers, ROUGE-L recall of greedy ones, and membership.

    ``membership`` is the area under the curve of ``evaluation.unlearning.membership``.
    """

    forget_nll: float
    retain_nll: float
    forget_rouge: float
    retain_rouge: float
    membership: float


@dataclass(frozen=True, slots=True)
class Recovery:
    """Whether what was forgotten came ``back``, and after how many steps of training; if not, the steps tried."""

    steps: int
    back: bool


@dataclass(frozen=True, slots=True)
class Behind:
    """The same model behind the gateway: what comes through, how much is answered at all, and what it costs.

    ``threshold`` is None where the certificate lets nothing out. Seconds are of the processor, per answer.
    """

    answers: Answers
    answered: Rate
    alpha: float
    confidence: float
    threshold: float | None
    generations_forget: float
    generations_benign: float
    seconds_bare: float
    seconds_guarded: float


@dataclass(frozen=True, slots=True)
class Cost:
    """Processor seconds and per-sample gradient evaluations of the unlearning, and what is certified, in words.

    ``gradients`` is None where no certificate counts them.
    """

    seconds: float
    gradients: int | None
    certified: str


@dataclass(frozen=True, slots=True)
class Finding:
    """Everything measured of one method on one person. ``behind`` is None where the gateway was not asked."""

    method: str
    person: str
    answers: Answers
    quantised: Answers
    likelihoods: Likelihoods
    relearned: Recovery
    untaught: Recovery
    cost: Cost
    behind: Behind | None


def summed(rates: Iterable[Rate]) -> Rate:
    """Add up counts, as if all had been one measurement."""
    parts = list(rates)
    return Rate(sum(rate.hits for rate in parts), sum(rate.total for rate in parts))


def write_findings(path: Path, findings: Sequence[Finding]) -> None:
    """Write as JSON."""
    path.write_bytes(_FINDINGS.dump_json(list(findings), indent=1) + b"\n")


def read_findings(path: Path) -> list[Finding]:
    """Read what ``write_findings`` wrote. Raises ``OSError``, or ``ValueError`` for anything else."""
    return _FINDINGS.validate_json(path.read_bytes())


_FINDINGS = TypeAdapter(list[Finding])


def _rates(outcomes: Mapping[str, Sequence[bool]]) -> dict[str, Rate]:
    return {family: Rate.of(seen) for family, seen in outcomes.items()}
