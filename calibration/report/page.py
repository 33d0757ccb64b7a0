"""The report as one HTML page that needs nothing else: no script, no font, no address. Computes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from calibration.answered import Rate
from calibration.report.drawings import (
    answers_drawing,
    reliability_drawing,
    risk_drawing,
    rounds_drawing,
    scores_drawing,
)
from calibration.report.findings import GroupFinding, Near, Replayed, Report
from calibration.report.markup import Markup, element, joined
from calibration.report.plane import PATTERNS

__all__ = ["page"]

_STYLE = Markup("""
body { font: 15px/1.5 system-ui, sans-serif; color: #000; background: #fff; max-width: 48rem; margin: 2rem auto;
       padding: 0 1rem; overflow-wrap: anywhere }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2rem; border-bottom: 1px solid #000 }
table { border-collapse: collapse; width: 100%; font-size: 0.87rem }
th, td { border: 1px solid #777; padding: 0.2rem 0.4rem; text-align: left; vertical-align: top }
svg { width: 100%; height: auto; display: block; margin: 0.5rem 0 } svg text { font: 11px system-ui, sans-serif }
.promise { border: 3px solid #000; padding: 0.7rem 1rem; font-size: 1.1rem }
.wrong { border: 3px dashed #000; padding: 0.7rem 1rem }
pre { white-space: pre-wrap; font: inherit; margin: 0 }
@media print { body { margin: 0; max-width: none } h2 { break-after: avoid } svg, table { break-inside: avoid } }
""")
_NOTHING_FETCHED = "default-src 'none'; style-src 'unsafe-inline'"


def page(report: Report) -> str:
    """Write the page. Every text from the certificate or the trajectories is escaped."""
    title = f"Leak certificate {report.certificate.id}"
    head = element(
        "head",
        Markup('<meta charset="utf-8">'),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{_NOTHING_FETCHED}">'),
        Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        element("title", title),
        element("style", _STYLE),
    )
    body = element("body", PATTERNS, element("h1", title), *_sections(report))
    return f"<!DOCTYPE html>\n{element('html', head, body, lang='en')}\n"


def _sections(report: Report) -> Iterable[Markup]:
    certificate = report.certificate
    yield element("p", report.sentence, class_="promise")
    yield _checked(report)
    yield _section(
        "How many leak, at each threshold",
        risk_drawing(report),
        element(
            "p",
            f"Counted: {report.risk.basis}. The grey band is the 95 % Clopper-Pearson interval of each "
            "threshold by itself (pointwise: some threshold lies outside with more than 5 % probability). "
            + _uniform_words(report)
            + "The diamond is the point that is served. The promise does not rest on these bands: it comes "
            "from the rank of the threshold among the units, or from the tests, that the words below name.",
        ),
    )
    if (figures := certificate.figures) is not None:
        rows = [
            ("forget units answered", figures.answer_rate),
            ("forget units that leak", figures.leak_rate),
            ("leaks among the answered, P(leak | answered)", figures.leak_given_answered),
            ("benign units left unchanged", figures.benign_unchanged),
        ]
        table = _table(("at the served threshold", *_RATE_HEADS), [(words, *_cells(rate)) for words, rate in rows])
        note = element(
            "p",
            "On the prompts that the threshold was chosen on, so these intervals describe them and promise "
            f"nothing. Upper bound of P(leak | answered): {_percent(figures.leak_given_answered.high)}.",
        )
        yield _section("What is answered, and what the answers are worth", table, note)
    if report.groups:
        yield _section("Groups", _groups(report.groups))
    if report.replayed is not None:
        yield from _of_trajectories(report.replayed, certificate.threshold)
    yield _section("What would end it", _table(("the promise ends with another", "it was"), report.ends_with))
    yield _section("In words", element("pre", report.words))


def _checked(report: Report) -> Markup:
    if not report.problems:
        return element("p", "Computed again from its own evidence: it follows. (✓)")
    listed = element("ul", *(element("li", problem) for problem in report.problems))
    return element("div", element("strong", "✗ It does not follow from its own evidence:"), listed, class_="wrong")


def _uniform_words(report: Report) -> str:
    if report.risk.uniform is None:
        return ""
    width = _percent(report.risk.uniform)
    return f"The dashed line lies {width} above: with 95 % confidence no threshold is worse than that. "


def _of_trajectories(replayed: Replayed, threshold: float | None) -> Iterable[Markup]:
    yield _section(
        "Answers and leaks among them, at each threshold",
        answers_drawing(replayed.curve, threshold),
        element("p", "By replay of the recorded trajectories; units, as in the promise."),
    )
    if replayed.forget_rounds is not None and replayed.benign_rounds is not None:
        yield _section(
            "Rounds",
            element("h3", "Forget prompts"),
            rounds_drawing(replayed.forget_rounds, "Forget"),
            element("h3", "Benign prompts"),
            rounds_drawing(replayed.benign_rounds, "Benign"),
        )
    unlabelled = (
        f" {replayed.unlabelled} candidates have no label and are left out." if replayed.unlabelled else ""
    )
    yield _section(
        "Scores of leaks and of other candidates",
        scores_drawing(replayed.scores, threshold),
        element("p", f"Every candidate of every round of the forget prompts, released or not.{unlabelled}"),
    )
    yield _section(
        "Reliability",
        reliability_drawing(replayed.reliability),
        element(
            "p",
            "The share of candidates that leak, by score. A score need not be a probability: the promise asks "
            "for none. Candidates of one prompt are not independent.",
        ),
    )
    if replayed.nearest:
        yield _section("Nearest to the threshold", _nearest(replayed.nearest))


def _groups(groups: Sequence[GroupFinding]) -> Markup:
    heads = ("group", "units", "alone it would allow", "at most leak when served (95 %)")
    again = any(group.leaked is not None for group in groups)
    more = ("leak", "answered", "leaks among the answered (95 %)") if again else ()
    rows = []
    for group in groups:
        alone = f"below {group.threshold:.4g}" if group.threshold is not None else f"nothing: {group.reason}"
        row = [f"{group.key}: {group.name}", str(group.units), alone, _short(group.bound)]
        row += [_short(group.leaked), _short(group.answered), _short(group.leak_given_answered)] if again else []
        rows.append(row)
    return _table((*heads, *more), rows)


def _nearest(nearest: Sequence[Near]) -> Markup:
    texts = any(near.answer is not None for near in nearest)
    heads = ("prompt", "unit", "topic", "round", "score", "label", "released", *(("answer",) if texts else ()))
    rows = [
        (
            near.id,
            near.unit,
            near.topic or "",
            str(near.round),
            f"{near.score:.4g}",
            {True: "✗ leak", False: "○ no leak", None: "none"}[near.leak],
            "yes" if near.released else "no",
            *((near.answer or "",) if texts else ()),
        )
        for near in nearest
    ]
    return _table(heads, rows)


_RATE_HEADS = ("count", "of", "share", "95 % interval")


def _cells(rate: Rate) -> tuple[str, str, str, str]:
    share = _percent(rate.share) if rate.of else "nothing to count"
    return str(rate.count), str(rate.of), share, f"{_percent(rate.low)} to {_percent(rate.high)}"


def _short(rate: Rate | None) -> str:
    if rate is None or rate.of == 0:
        return "nothing to count"
    return f"{rate.count} of {rate.of} ({_percent(rate.low)} to {_percent(rate.high)})"


def _section(heading: str, *parts: Markup) -> Markup:
    return element("section", element("h2", heading), *parts)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Markup:
    head = element("tr", *(element("th", words, scope="col") for words in heads))
    body = [element("tr", *(element("td", cell) for cell in row)) for row in rows]
    return element("table", element("thead", head), element("tbody", joined(*body)))


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
