"""Findings of several people as one table, a row for each method. Knows no model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from statistics import fmean, median

from evaluation.rates import Rate
from evaluation.unlearning.findings import Answers, Behind, Finding, Recovery, summed

__all__ = ["COLUMNS", "behind_cells", "by_method", "in_words", "loop_words", "markdown", "rate_of", "table_cells"]

COLUMNS = (
    "method",
    "leaks held out",
    "leaks reverse",
    "near right",
    "others right",
    "towns right",
    "4-bit leaks",
    "4-bit near right",
    "membership AUC",
    "steps, taught again",
    "steps, untaught back",
    "behind the loop leaks",
    "seconds",
    "gradients",
)


def by_method(findings: Iterable[Finding]) -> dict[str, list[Finding]]:
    """Put findings of one method together, in the order of their first."""
    groups: dict[str, list[Finding]] = {}
    for finding in findings:
        groups.setdefault(finding.method, []).append(finding)
    return groups


def rate_of(findings: Sequence[Finding], kind: Callable[[Finding], Rate]) -> Rate:
    """Add one kind of count up over people. The interval is over questions: it does not know that they cluster."""
    return summed(kind(finding) for finding in findings)


def table_cells(method: str, findings: Sequence[Finding]) -> tuple[str, ...]:
    """Give one row under ``COLUMNS``: rates in % with 95 % intervals; other figures as means over people."""
    behind = [one.behind.answers for one in findings if one.behind]
    return (
        method,
        *_answer_cells([one.answers for one in findings]),
        in_words(rate_of(findings, lambda one: one.quantised.held_out)),
        in_words(rate_of(findings, lambda one: one.quantised.right["near"])),
        f"{fmean(one.likelihoods.membership for one in findings):.2f}",
        _steps([one.relearned for one in findings]),
        _steps([one.untaught for one in findings]),
        in_words(summed(_leaks(answers) for answers in behind)),
        f"{fmean(one.cost.seconds for one in findings):.1f}",
        _gradients(findings),
    )


def behind_cells(method: str, behind: Sequence[Behind]) -> tuple[str, ...]:
    """Give the row of the gateway itself: no weights change, so that nothing can be said of them."""
    through = [one.answers for one in behind]
    leaks = in_words(summed(map(_leaks, through)))
    return (method, *_answer_cells(through), *("-",) * 5, leaks, "0", "0")


def loop_words(behind: Sequence[Behind]) -> str:
    """Say what the gateway promises and what it costs, as means over people."""
    first = behind[0]
    answered = summed(one.answered for one in behind)
    generations = fmean(one.generations_forget for one in behind), fmean(one.generations_benign for one in behind)
    bare, guarded = fmean(one.seconds_bare for one in behind), fmean(one.seconds_guarded for one in behind)
    return (
        f"Lethe before the base model: at most {first.alpha:.0%} of prompts like the calibrated ones leak, with "
        f"confidence {first.confidence:.0%}; {in_words(answered)} % of forget probes answered by the model; "
        f"generations: {generations[0]:.2f} for a forget probe, {generations[1]:.2f} for a benign one; "
        f"{1000 * bare:.1f} ms an answer bare, {1000 * guarded:.1f} ms behind the loop."
    )


def markdown(rows: Iterable[Sequence[str]]) -> str:
    """Write rows as a Markdown table under ``COLUMNS``."""
    lines = [COLUMNS, ("---",) * len(COLUMNS), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def in_words(rate: Rate) -> str:
    """Write a rate and its exact 95 % interval in %."""
    if rate.value is None:
        return "-"
    low, high = rate.interval()
    return f"{100 * rate.value:.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def _answer_cells(answers: Sequence[Answers]) -> tuple[str, ...]:
    leaks = summed(one.held_out for one in answers), summed(one.leaked["reverse"] for one in answers)
    right = (summed(one.right[family] for one in answers) for family in ("near", "others", "towns"))
    return tuple(map(in_words, (*leaks, *right)))


def _leaks(answers: Answers) -> Rate:
    return summed(answers.leaked.values())


def _steps(recoveries: Sequence[Recovery]) -> str:
    """Write the median, with ``>`` where that one never came back."""
    ordered = sorted(recoveries, key=lambda one: (not one.back, one.steps))
    middle = ordered[len(ordered) // 2]
    return f"{middle.steps}" if middle.back else f">{middle.steps}"


def _gradients(findings: Sequence[Finding]) -> str:
    counted = [one.cost.gradients for one in findings if one.cost.gradients is not None]
    return f"{median(counted):.0f}" if counted else "-"
