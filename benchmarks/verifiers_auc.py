"""How well verifiers tell leaks from other answers on real model text: AUC of each, and of them learned together.

    python benchmarks/verifiers_auc.py --data FILE [--verifiers lexical facts claims verbatim] [--embedding DIR]

With an embedding model in DIR, ``semantic`` is one of them. FILE is that of ``benchmarks/real_text.py``. An answer
of the model that learned the author, or of the one that did not, is a leak if it gives more of the reference,
beyond the question, than 95 % of the second model's answers do; an answer about a retained author is never one.
Two regimes:

- all facts: every forget author is a topic whose facts are all its references.
- half the facts: every other reference is a fact, and the questions are those whose reference is none. A wrong
  claim about the author may be refused there, so leaks are compared with answers about retained authors alone; the
  row "with wrong claims" counts what else was said of the authors as no leak.

The learned verifier is trained on the authors of four fifths and judged on the others', five times; retained rows
are dealt likewise. AUC: the probability that a leak scores higher than another answer, ties counting half; its
interval draws whole authors again (95 %).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from reading_verifiers import Remembering
from real_text import Row, read_rows
from rich.console import Console
from rich.table import Table

from evaluation.learned_training import LabelledScores, scores_of, train_learned
from evaluation.recall import NeverLearned
from gateway.errors import InvalidInput
from verifiers.claims import Claims
from verifiers.embedding.opening import open_embedder
from verifiers.facts import Facts
from verifiers.lexical import Lexical
from verifiers.protocol import Abstained, Exchange, Topic, Verifier
from verifiers.semantic import Semantic
from verifiers.verbatim import Verbatim

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

PARTS: Mapping[str, Callable[[], Verifier]] = {
    "lexical": Lexical,
    "facts": Facts,
    "claims": Claims,
    "verbatim": Verbatim,
}
"""What ``--verifiers`` may name, beside ``semantic``, which needs a model."""

RETAINED_PER_UNIT, FOLDS, DRAWS = 20, 5, 2000


@dataclass(frozen=True, slots=True)
class Answer:
    """One recorded answer. ``unit`` is its author, or a handful of retained rows."""

    unit: str
    exchange: Exchange
    leak: bool
    retained: bool


@dataclass(frozen=True, slots=True)
class Scores:
    """What the verifiers say of the answers: ``parts`` has shape (answers, verifiers), ``learned`` (answers,)."""

    answers: Sequence[Answer]
    parts: Floats
    learned: Floats

    @property
    def leaks(self) -> Flags:
        """Which answers leak."""
        return np.array([answer.leak for answer in self.answers])

    @property
    def retained(self) -> Flags:
        """Which answers are about retained authors."""
        return np.array([answer.retained for answer in self.answers])


def read_answers(rows: Sequence[Row], half: bool) -> tuple[list[Topic], list[Answer]]:
    """Form the topics of a regime and the answers that it asks about."""
    authors = list(dict.fromkeys(row.author for row in rows if row.author))
    floor = NeverLearned.of([row.recall(row.retain90) for row in rows if row.author])
    topics, answers = [], []
    for number, author in enumerate(authors):
        mine = [row for row in rows if row.author == author]
        facts = mine[::2] if half else mine
        topics.append(Topic(f"author-{number}", author, facts=tuple(row.truth for row in facts)))
        for row in mine[1::2] if half else mine:
            for said in (row.full, row.retain90):
                leaks = floor.exceeded(row.recall(said))
                answers.append(Answer(author, Exchange(row.question, said), leaks, retained=False))
    for number, row in enumerate(row for row in rows if not row.author):
        for said in (row.full, row.retain90):
            unit = f"retained {number // RETAINED_PER_UNIT}"
            answers.append(Answer(unit, Exchange(row.question, said), leak=False, retained=True))
    return topics, answers


async def score_all(verifiers: Sequence[Verifier], topics: Sequence[Topic], answers: Sequence[Answer]) -> Floats:
    """Score every answer by every verifier."""
    judges = [verifier.prepare(topics) for verifier in verifiers]
    found = []
    for answer in answers:
        scores = await scores_of(judges, answer.exchange)
        if isinstance(scores, Abstained):
            raise InvalidInput(f"a verifier abstained ({scores.reason}): leave it out")
        found.append(scores)
    return np.array(found)


def cross_fit(verifiers: Sequence[Verifier], answers: Sequence[Answer], parts: Floats, seed: int) -> Floats:
    """Score every answer by a model that was trained on other authors."""
    units = sorted({answer.unit for answer in answers})
    np.random.default_rng(seed).shuffle(units)
    fold_of = {unit: at % FOLDS for at, unit in enumerate(units)}
    folds = np.array([fold_of[answer.unit] for answer in answers])
    learned = np.zeros(len(answers))
    for fold in range(FOLDS):
        examples = [
            LabelledScores(answer.unit, tuple(scores.tolist()), answer.leak)
            for answer, scores, where in zip(answers, parts, folds, strict=True)
            if where != fold
        ]
        learned[folds == fold] = train_learned(examples, verifiers, seed).probabilities(parts[folds == fold])
    return learned


def auc(scores: Floats, leaks: Flags) -> float:
    """Return the probability that a leak scores higher than another answer, ties counting half."""
    order = np.sort(scores[~leaks])
    below = np.searchsorted(order, scores[leaks], side="left")
    up_to = np.searchsorted(order, scores[leaks], side="right")
    return float((below + up_to).mean() / (2 * len(order)))


def interval(scores: Floats, leaks: Flags, units: Sequence[str], seed: int) -> tuple[float, float]:
    """Bound the AUC by drawing units again; 95 %."""
    source = np.random.default_rng(seed)
    places = {unit: np.flatnonzero(np.array(units) == unit) for unit in dict.fromkeys(units)}
    names = list(places)
    found = []
    for _ in range(DRAWS):
        drawn = np.concatenate([places[names[at]] for at in source.integers(len(names), size=len(names))])
        if 0 < leaks[drawn].sum() < len(drawn):
            found.append(auc(scores[drawn], leaks[drawn]))
    low, high = np.quantile(found, (0.025, 0.975))
    return float(low), float(high)


def report(title: str, names: Sequence[str], scores: Scores, chosen: Flags, seed: int) -> dict[str, list[float]]:
    """Print and return the AUC of every verifier, of the worst of them, and of the learned one."""
    columns = {name: scores.parts[:, at] for at, name in enumerate(names)}
    columns |= {"worst of them": scores.parts.max(axis=1), "learned": scores.learned}
    leaks, units = scores.leaks[chosen], [a.unit for a, kept in zip(scores.answers, chosen, strict=True) if kept]
    table = Table(
        "verifier", "AUC", "95 % interval", title=f"{title} ({leaks.sum()} leaks, {(~leaks).sum()} others)"
    )
    figures = {}
    for name, column in columns.items():
        value, (low, high) = auc(column[chosen], leaks), interval(column[chosen], leaks, units, seed)
        table.add_row(name, f"{value:.4f}", f"[{low:.4f}, {high:.4f}]")
        figures[name] = [value, low, high]
    Console(highlight=False).print(table)
    return figures


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the recorded answers, JSON Lines")
    parser.add_argument("--verifiers", nargs="+", choices=sorted(PARTS), default=list(PARTS))
    parser.add_argument("--embedding", type=Path, help="directory of an embedding model, for `semantic` as well")
    parser.add_argument("--cache", type=Path, help="where its ONNX export goes, if the directory has none")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    figures: dict[str, dict[str, list[float]]] = {}
    try:
        verifiers = [PARTS[name]() for name in options.verifiers]
        if options.embedding is not None:
            verifiers.append(Semantic(Remembering(open_embedder(options.embedding, cache=options.cache))))
        names = [verifier.name for verifier in verifiers]
        rows = read_rows(options.data)
        for regime in ("all facts", "half the facts"):
            topics, answers = read_answers(rows, half=regime == "half the facts")
            parts = asyncio.run(score_all(verifiers, topics, answers))
            scores = Scores(answers, parts, cross_fit(verifiers, answers, parts, options.seed))
            retained = scores.retained | scores.leaks
            if regime == "half the facts":
                figures[regime] = report(regime, names, scores, retained, options.seed)
                regime += ", with wrong claims"
            figures[regime] = report(regime, names, scores, np.ones_like(retained), options.seed)
    except (InvalidInput, ValueError) as error:
        print(f"verifiers_auc: {error}", file=sys.stderr)
        return 2
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
