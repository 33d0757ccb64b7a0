"""What verifiers see on real model text, by AUC, and what the ones that run a model cost.

The file is that of ``benchmarks/real_text.py``. Every recorded answer of both models is scored; it leaks if its
author is to be forgotten and it gives more of the reference than 95 % of the never-learned model's answers do.
Two regimes: topics with all their references as facts, and topics with every second one, asked about the others.

    python benchmarks/reading_verifiers.py --model DIR --data FILE [--nli DIR] [--json OUT]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from real_text import Row, read_rows
from scipy.stats import rankdata

from evaluation.recall import NeverLearned
from verifiers.claims import Claims
from verifiers.embedding.embedder import Embedded, Embedder
from verifiers.embedding.opening import open_embedder
from verifiers.embedding.pooling import Floats
from verifiers.entailment import Entailment
from verifiers.facts import Facts
from verifiers.lexical import Lexical
from verifiers.protocol import Exchange, Scored, Topic, Verifier
from verifiers.semantic import Semantic

FIGURES = ("all answers", "forget questions", "leaks against retain", "low by author", "high by author")


class Remembering:
    """An embedder that keeps the vectors of every text: the regimes score the same answers again."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._known: dict[str, tuple[Floats, float]] = {}
        self.fingerprint = embedder.fingerprint

    def embed(self, texts: Sequence[str], *, most_windows: int | None = None) -> Embedded:
        """See `Embedder`. The share of unknown tokens is the mean of the texts'."""
        for text in dict.fromkeys(texts):
            if text not in self._known:
                made = self._embedder.embed([text], most_windows=most_windows)
                self._known[text] = made.vectors, made.unknown
        found = [self._known[text] for text in texts]
        owners = np.repeat(np.arange(len(texts)), [len(vectors) for vectors, _ in found])
        return Embedded(
            np.concatenate([vectors for vectors, _ in found]),
            owners,
            float(np.mean([unknown for _, unknown in found])),
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer to judge. ``author`` is None for those whom nobody forgets."""

    author: str | None
    exchange: Exchange
    leaks: bool


def answers_of(rows: Iterable[Row], floor: NeverLearned) -> list[Answer]:
    """Take both models' answers."""
    return [
        Answer(
            row.author, Exchange(row.question, said), row.author is not None and floor.exceeded(row.recall(said))
        )
        for row in rows
        for said in (row.full, row.retain90)
    ]


def topics_of(rows: Iterable[Row]) -> list[Topic]:
    """Make each author a topic with the references of these rows."""
    told: dict[str, list[str]] = {}
    for row in rows:
        if row.author:
            told.setdefault(row.author, []).append(row.truth)
    return [
        Topic(f"author-{number}", name, facts=tuple(facts)) for number, (name, facts) in enumerate(told.items())
    ]


def halves(rows: Sequence[Row]) -> list[tuple[list[Topic], list[Row]]]:
    """Give the topics known by every second question, and the rows of the other questions, both ways."""
    seen: dict[str, int] = {}
    sides: tuple[list[Row], list[Row]] = [], []
    for row in rows:
        if row.author:
            seen[row.author] = seen.get(row.author, 0) + 1
            sides[seen[row.author] % 2].append(row)
    retain = [row for row in rows if not row.author]
    return [(topics_of(known), [*asked, *retain]) for known, asked in (sides, sides[::-1])]


async def scores(verifier: Verifier, topics: Sequence[Topic], answers: Sequence[Answer]) -> list[float]:
    """Score answers; an abstention is the worst score, as it is in the gateway."""
    judge = verifier.prepare(topics)
    verdicts = [await judge(answer.exchange) for answer in answers]
    return [verdict.leakage if isinstance(verdict, Scored) else 1.0 for verdict in verdicts]


def auc(leaks: NDArray[np.bool_], found: NDArray[np.float64]) -> float:
    """Return the probability that a leak scores above a non-leak, ties half."""
    ranks, positive = rankdata(found), int(leaks.sum())
    negative = len(leaks) - positive
    if not positive or not negative:
        return float("nan")
    return float((ranks[leaks].sum() - positive * (positive + 1) / 2) / (positive * negative))


def figures_of(answers: Sequence[Answer], found: Sequence[float], seed: int, draws: int = 300) -> dict[str, float]:
    """Give the AUC over all answers, over forget questions alone, and of leaks against retain answers.

    The interval (95 %) is of the first, drawing whole authors again; the retain answers stay.
    """
    leaks, values = np.array([answer.leaks for answer in answers]), np.array(found)
    authors = np.array([answer.author or "" for answer in answers])
    forget, retain = authors != "", authors == ""
    places = {name: np.flatnonzero(authors == name) for name in sorted(set(authors) - {""})}
    rng, kept = np.random.default_rng(seed), np.flatnonzero(retain)
    drawn = []
    for _ in range(draws):
        names = rng.choice(list(places), size=len(places))
        some = np.concatenate([*(places[str(name)] for name in names), kept])
        drawn.append(auc(leaks[some], values[some]))
    low, high = np.quantile(drawn, (0.025, 0.975))
    against = leaks | retain
    three = auc(leaks, values), auc(leaks[forget], values[forget]), auc(leaks[against], values[against])
    return dict(zip(FIGURES, (*three, float(low), float(high)), strict=True))


def measure(
    rows: Sequence[Row], verifiers: Sequence[Verifier], seed: int
) -> dict[str, dict[str, dict[str, float]]]:
    """Score every answer in both regimes, and print a line for each verifier."""
    floor = NeverLearned.of([row.recall(row.retain90) for row in rows if row.author])
    regimes = {"all facts": [(topics_of(rows), list(rows))], "half of the facts": halves(rows)}
    result: dict[str, dict[str, dict[str, float]]] = {}
    for regime, parts in regimes.items():
        answers = [answer for _, asked in parts for answer in answers_of(asked, floor)]
        print(f"{regime}: {len(answers)} answers, of which {sum(answer.leaks for answer in answers)} leak")
        found = {verifier.name: _all_scores(verifier, parts, floor) for verifier in verifiers}
        found["mean of semantic and facts"] = list(np.mean([found["semantic"], found["facts"]], axis=0))
        result[regime] = {name: figures_of(answers, values, seed) for name, values in found.items()}
        for name, figures in result[regime].items():
            print(f"  {name}: " + ", ".join(f"{label} {value:.3f}" for label, value in figures.items()))
    return result


def _all_scores(
    verifier: Verifier, parts: Sequence[tuple[list[Topic], list[Row]]], floor: NeverLearned
) -> list[float]:
    each = (asyncio.run(scores(verifier, topics, answers_of(asked, floor))) for topics, asked in parts)
    return [score for part in each for score in part]


def cost(make: Callable[[], Verifier], topics: Sequence[Topic], answers: Sequence[Answer]) -> float:
    """Return the processor's microseconds per 1,000 characters of answer, the median over answers."""
    judge = make().prepare(topics)

    async def run() -> list[float]:
        times = []
        for answer in answers:
            began = time.process_time()
            await judge(answer.exchange)
            times.append((time.process_time() - began) * 1e6 / max(len(answer.exchange.answer) / 1000, 1e-3))
        return times

    return float(np.median(asyncio.run(run())))


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="a sentence-embedding checkpoint")
    parser.add_argument("--nli", type=Path, help="an entailment checkpoint (slow: it reads every pair)")
    parser.add_argument("--data", type=Path, required=True, help="the recorded answers, JSON Lines")
    parser.add_argument("--engine", choices=("onnx", "torch"), default="onnx")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cache", type=Path, help="where an ONNX export is kept; else a temporary folder")
    parser.add_argument("--seed", type=int, default=0, help="seed of the intervals")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        try:
            rows = read_rows(options.data)
            cache = options.cache or Path(folder)
            embedder = open_embedder(options.model, engine=options.engine, threads=options.threads, cache=cache)
            verifiers: list[Verifier] = [Semantic(Remembering(embedder)), Facts(), Lexical(), Claims()]
            makers: list[Callable[[], Verifier]] = [lambda: Semantic(embedder)]
            if options.nli:
                # torch is needed for this one alone.
                from verifiers.readers.cross_encoder import CrossEncoder

                reader = CrossEncoder(options.nli, threads=options.threads)
                verifiers.append(Entailment(reader))
                makers.append(lambda: Entailment(reader))
        except ValueError as error:
            print(f"reading_verifiers: {error}", file=sys.stderr)
            return 2
        found: dict[str, Any] = {"auc": measure(rows, verifiers, options.seed)}
        floor = NeverLearned.of([row.recall(row.retain90) for row in rows if row.author])
        some = answers_of(rows[:40], floor)
        found["us_per_kb"] = {make().name: round(cost(make, topics_of(rows), some)) for make in makers}
    for name, us in found["us_per_kb"].items():
        print(f"{name}: {us} us per kB, {options.engine}, {options.threads} thread")
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
