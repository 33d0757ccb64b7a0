"""A certificate in words that a compliance engineer can repeat. Computes nothing."""

from __future__ import annotations

from collections.abc import Mapping

from calibration.answered import Figures, Rate
from calibration.certificate import Certificate, Method
from calibration.groups import keys_in
from calibration.oracle_error import held_to
from calibration.outcome import Certified, Infeasible, Outcome

__all__ = ["explain", "in_one_sentence"]

_METHODS: Mapping[Method, str] = {
    "record_low": "record-low conformal",
    "ltt": "Learn-then-Test",
    "joint": "Learn-then-Test of threshold, rounds and strategy together",
    "few_labels": "few people's labels beside many of a judge, prediction-powered (arXiv 2301.09633, 2412.11174)",
}


def in_one_sentence(certificate: Certificate) -> str:
    """Say what is promised, or why nothing is."""
    outcome = certificate.served
    if isinstance(outcome, Infeasible):
        return f"No leak bound of {_percent(certificate.level)} can be given: {outcome.reason}."
    sure = "On average over calibrations"
    if certificate.confidence is not None:
        sure = f"With confidence {_percent(certificate.confidence)}"
    keys = keys_in(certificate.every_group)
    whom = f" of every {' and every '.join(keys)}" if keys else ""
    what = "prompts" if certificate.tries is None else f"sessions of up to {certificate.tries} prompts"
    return (
        f"{sure}, at most {_percent(certificate.level)} of new {what}{whom} like the calibrated ones get a "
        f"leaking answer, when only answers scored below {outcome.threshold:.4g} go out."
    )


def explain(certificate: Certificate) -> str:
    """Say what is promised, about which prompts, on what evidence, what is not promised, and when it ends."""
    sections = [
        f"Certificate {certificate.id}, created {certificate.created}",
        in_one_sentence(certificate),
        *_streaming(certificate),
        *_evidence(certificate),
        *_judge(certificate),
        *_few_labels(certificate),
        *_groups(certificate),
        *_surrender(certificate),
        *_joint(certificate),
        *_figures(certificate.figures),
        *(
            _limits(certificate)
            if isinstance(certificate.served, Certified)
            else ["Nothing is released under it."]
        ),
    ]
    return "\n".join(sections)


def _streaming(certificate: Certificate) -> list[str]:
    if not certificate.bindings.streamed:
        return []
    return [
        "It is about answers that go out segment by segment: a leak is a leak in what was sent before the stream "
        "stopped, and an answer of which the beginning went out counts as answered."
    ]


def _evidence(certificate: Certificate) -> list[str]:
    units = len(certificate.record_lows)
    method = _METHODS[certificate.method]
    lines = [
        f"About: prompts like the {units} units that it was calibrated on (method: {method}, up to "
        f"{certificate.bindings.rounds} rounds); {_topics(certificate)}.",
        f"Record-low threshold on average over calibrations: {_outcome(certificate.expectation)}.",
    ]
    if certificate.confident is not None:
        lines.append(f"Record-low threshold with confidence: {_outcome(certificate.confident)}.")
    return lines


def _judge(certificate: Certificate) -> list[str]:
    audit = certificate.audit
    if audit is None or certificate.confidence is None:
        return []
    low, level, confidence = held_to(audit, certificate.level, certificate.confidence)
    return [
        f"A judge made the labels. It called {audit.found} of {audit.leaks} released leaks that people found "
        f"leaks, so it finds at least {_percent(low)} of them, and for that its labels are held to "
        f"{_percent(level)} with confidence {_percent(confidence)} in what stands below."
    ]


def _few_labels(certificate: Certificate) -> list[str]:
    counts = certificate.few_labels
    if counts is None:
        return []
    lines = [
        f"A judge labelled all {counts.judged} units, people {counts.labelled} of them, drawn with the seed "
        f"{counts.seed}. The promise is about what people call a leak, however often the judge errs; all else "
        "here is by the judge's labels."
    ]
    if isinstance(certificate.served, Certified) and certificate.served.threshold in counts.grid:
        at = counts.grid.index(certificate.served.threshold)
        lines.append(
            f"At the threshold the judge calls {counts.judged_leaks[at]} of {counts.judged} units leaks; of the "
            f"{counts.labelled} that people labelled, {counts.missed[at]} leak where the judge says no."
        )
    return lines


def _surrender(certificate: Certificate) -> list[str]:
    choice = certificate.surrender
    if choice is None:
        return []
    rule = choice.surrender
    return [
        f"It gives up after round {rule.after} where every score so far lies above {rule.ceiling:.4g}: the bound "
        f"stays as it is, {choice.lost} of {choice.answered} answers were lost on the calibration prompts (at "
        f"most {_percent(choice.most_lost)} was allowed), and generations per forget prompt fell from "
        f"{choice.generations_without:.2f} to {choice.generations_with:.2f}."
    ]


def _joint(certificate: Certificate) -> list[str]:
    choice = certificate.joint
    if choice is None:
        return []
    where, limits = choice.chosen.configuration, choice.limits
    refused = (
        "" if limits.refused is None else f", at most {_percent(limits.refused)} of forget prompts are refused"
    )
    return [
        f"Of {len(choice.passed)} configurations that passed, the cheapest: strategy {where.strategy}, up to "
        f"{where.rounds} rounds, below {where.threshold:.4g}. Promised with it, at the same confidence: at most "
        f"{_percent(limits.changed)} of benign prompts lose their first answer{refused}."
    ]


def _topics(certificate: Certificate) -> str:
    count = len(certificate.bindings.topics)
    if certificate.covers_subsets:
        return (
            f"it covers the {count} calibrated topics and any part of them (averaged over the same prompts, "
            "those about topics switched off included)"
        )
    return f"it covers the {count} calibrated topics all active together, and no other set"


def _outcome(outcome: Outcome) -> str:
    if isinstance(outcome, Infeasible):
        return f"none ({outcome.reason})"
    return f"{outcome.threshold:.4g} (k = {outcome.k} of n = {outcome.n})"


def _groups(certificate: Certificate) -> list[str]:
    return [f"  {group.key} {group.name} alone: {_outcome(group.outcome)}" for group in certificate.groups]


def _figures(figures: Figures | None) -> list[str]:
    if figures is None:
        return []
    forget, benign = figures.forget_generations, figures.benign_generations
    return [
        "On the calibration prompts themselves, where the threshold was chosen (95 % intervals; no promise):",
        f"  leaks: {_rate(figures.leak_rate)}",
        f"  answered: {_rate(figures.answer_rate)}",
        f"  leaks among the answered: {_rate(figures.leak_given_answered)}",
        f"  benign answers left unchanged: {_rate(figures.benign_unchanged)}",
        f"  generations per forget prompt: {forget.mean:.2f} (running every round: {forget.always:.2f})",
        f"  generations per benign prompt: {benign.mean:.2f} (running every round: {benign.always:.2f})",
    ]


def _rate(rate: Rate) -> str:
    if rate.of == 0:
        return "nothing to count"
    return f"{rate.count} of {rate.of}, {_percent(rate.share)} ({_percent(rate.low)} to {_percent(rate.high)})"


def _limits(certificate: Certificate) -> list[str]:
    tighter = (
        "A stricter threshold and fewer rounds are covered as well."
        if certificate.may_tighten
        else "Fewer rounds are covered as well; another threshold is not, not even a stricter one."
    )
    retries = 1 - (1 - certificate.level) ** 20
    tries = f"twenty independent {'tries' if certificate.tries is None else 'sessions'}"
    return [
        tighter,
        "Not promised: anything about an attacker who adapts to the gateway's answers, about kinds of "
        "prompts that were not calibrated, or about leaks that the labels missed.",
        f"Retries compound: of {tries} at {_percent(certificate.level)} each, one or more "
        f"leaks with probability {_percent(retries)}.",
        "A low bound can be met by refusing: see the share of leaks among the answered.",
        "It ends when the model, a verifier, a topic's wording, the refinement or the decoding changes: the "
        "gateway sees that, and releases nothing until somebody calibrates again. It also ends when prompts "
        "are no longer like those calibrated, which nothing in this certificate can see.",
    ]


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
