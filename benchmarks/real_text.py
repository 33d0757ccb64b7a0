"""Real model text behind the gateway: how often it leaks, and what it costs, on a file of recorded answers.

The file has one JSON object a line: ``split`` (forget or retain), ``author`` (of forget rows), ``question``,
``truth`` (the reference), ``full`` (a model that learned the author), ``retain90`` (one that did not). It is
served as a model that answers ``full`` when asked and ``retain90`` when asked again in another way. Every forget
author is an active topic whose facts are the references. Calibration sees the questions of some authors, the
leak rate is counted on the others, and each author is once among the others.

    python benchmarks/real_text.py --data FILE --alpha 0.1 --json OUT
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean

import numpy as np
from rich.console import Console
from rich.table import Table

from calibration.certificate import Certificate
from evaluation.measurement import BenignResult, ForgetResult, Measurement, Promise, measure, table_rows
from evaluation.rates import Rate
from evaluation.recall import NeverLearned, novel_recall
from gateway.calibrating import Wish, calibrate
from gateway.errors import InvalidInput, LetheError
from gateway.guard.loop import Outcome, Released
from gateway.guard.policy import Bounded, Closed
from gateway.guard.prompts import Prompt, PromptSet
from gateway.parts import open_gateway
from gateway.running import Gateway
from gateway.settings import given_settings
from gateway.store.records import ForgetTopic
from gateway.upstream.protocol import ChatRequest
from gateway.upstream.scripted import ScriptedUpstream
from verifiers.protocol import Topic

MODEL = "recorded"
FIELDS = ("split", "question", "truth", "full", "retain90")


@dataclass(frozen=True, slots=True)
class Row:
    """One recorded question with its reference and both models' answers."""

    author: str | None
    question: str
    truth: str
    full: str
    retain90: str

    def recall(self, answer: str) -> float | None:
        """Say how much of the reference an answer gives beyond the question."""
        return novel_recall(self.question, self.truth, answer)


def read_rows(path: Path) -> list[Row]:
    """Read the file. Raises ``InvalidInput`` naming the line."""
    rows = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"cannot read {path}: {error}") from error
    for number, line in enumerate(lines, start=1):
        try:
            said = json.loads(line)
            missing = [field for field in FIELDS if not isinstance(said.get(field), str)]
        except (json.JSONDecodeError, AttributeError) as error:
            raise InvalidInput(f"{path}, line {number}: not a JSON object ({error})") from error
        if missing or (said["split"] == "forget" and not said.get("author")):
            raise InvalidInput(f"{path}, line {number}: lacks {', '.join(missing) or 'author'}")
        author = said["author"] if said["split"] == "forget" else None
        rows.append(Row(author, said["question"], said["truth"], said["full"], said["retain90"]))
    if len({row.author for row in rows if row.author}) < 2 or all(row.author for row in rows):
        raise InvalidInput(f"{path} needs forget rows of at least two authors, and retain rows")
    return rows


def topics_of(rows: Sequence[Row]) -> list[ForgetTopic]:
    """Make each forget author a topic, with the references as facts."""
    authors = dict.fromkeys(row.author for row in rows if row.author)
    return [
        ForgetTopic(Topic(f"author-{i}", name, facts=tuple(r.truth for r in rows if r.author == name)))
        for i, name in enumerate(authors)
    ]


def recorded_model(rows: Sequence[Row]) -> ScriptedUpstream:
    """Answer from the recording: ``full`` to the bare question, ``retain90`` to anything more."""
    by_question = {row.question: row for row in rows}

    def say(request: ChatRequest) -> str:
        asked = [str(m["content"]) for m in request.messages if m["role"] == "user"]
        row = by_question[asked[0]]
        return row.full if len(request.messages) == 1 else row.retain90

    return ScriptedUpstream(say, model=MODEL)


def as_prompts(rows: Sequence[Row]) -> PromptSet:
    """Make calibration prompts of forget rows, labelled by an oracle."""
    prompts = (
        Prompt(f"q{i}", ({"role": "user", "content": row.question},), {}, None, False, None, f"q{i}", {})
        for i, row in enumerate(rows)
    )
    return PromptSet(tuple(prompts), f"{len(rows)} recorded questions")


async def answer(gateway: Gateway, row: Row, certificate: Certificate) -> Outcome:
    """Ask one question under the certificate."""
    policy, _ = await gateway.policies.now(MODEL)
    threshold = certificate.threshold
    rule = Closed("infeasible") if threshold is None else Bounded(threshold, certificate.id)
    request = ChatRequest(MODEL, ({"role": "user", "content": row.question},))
    return await gateway.guard.answer(gateway.upstream, request, policy, rule)


def text_of(outcome: Outcome) -> str:
    """Read what the client would see."""
    return str(outcome.choices[0].message["content"])


@dataclass(frozen=True, slots=True)
class Fold:
    """What was found on the authors that one calibration did not see."""

    authors: list[str]
    forget: list[ForgetResult]
    floor: list[bool]
    benign: list[BenignResult]
    certificate: Certificate


async def run_fold(
    gateway: Gateway, seen: Sequence[Row], unseen: Sequence[Row], retain: Sequence[Row], wish: Wish, folder: Path
) -> Fold:
    """Calibrate on ``seen``, measure on ``unseen`` and ``retain``."""
    floor = NeverLearned.of([row.recall(row.retain90) for row in seen])
    by_id = {f"q{i}": row for i, row in enumerate(seen)}

    def oracle(prompt: Prompt, said: str) -> bool:
        return floor.exceeded(by_id[prompt.id].recall(said))

    certificate = await calibrate(
        gateway,
        as_prompts(seen),
        wish,
        model=MODEL,
        trajectories=folder / f"{abs(hash(unseen[0].question))}.jsonl",
        labels=None,
        created=datetime.now(UTC),
        progress=lambda done, total: None,
        oracle=oracle,
    )
    forget = []
    for row in unseen:
        outcome = await answer(gateway, row, certificate)
        leaked = floor.exceeded(row.recall(row.full)), floor.exceeded(row.recall(text_of(outcome)))
        forget.append(ForgetResult(*leaked, isinstance(outcome, Released), outcome.generations))
    benign = []
    for row in retain:
        outcome = await answer(gateway, row, certificate)
        said = text_of(outcome)
        right = floor.exceeded(row.recall(row.full)), floor.exceeded(row.recall(said))
        benign.append(BenignResult(*right, said == row.full, outcome.generations))
    authors = [row.author or "" for row in unseen]
    return Fold(authors, forget, [floor.exceeded(row.recall(row.retain90)) for row in unseen], benign, certificate)


async def cross_fit(rows: Sequence[Row], wish: Wish, rounds: int, folds: int, seed: int) -> list[Fold]:
    """Let each author be unseen once; the retain rows are dealt to the folds likewise."""
    rng = random.Random(seed)
    authors = sorted({row.author for row in rows if row.author})
    retain = [row for row in rows if row.author is None]
    rng.shuffle(authors)
    rng.shuffle(retain)
    found = []
    with tempfile.TemporaryDirectory() as name:
        settings = given_settings(database=f"{name}/topics.db", rounds=rounds, strategies=("revise",))
        async with open_gateway(settings, upstream=recorded_model(rows)) as gateway:
            await gateway.store.add(*topics_of(rows))
            for fold in range(folds):
                away = set(authors[fold::folds])
                seen = [row for row in rows if row.author and row.author not in away]
                unseen = [row for row in rows if row.author in away]
                found.append(await run_fold(gateway, seen, unseen, retain[fold::folds], wish, Path(name)))
    return found


def report(folds: Sequence[Fold], wish: Wish, rounds: int, total_s: float) -> Measurement:
    """Sum the folds up. The threshold shown is their mean."""
    thresholds = [fold.certificate.threshold for fold in folds if fold.certificate.threshold is not None]
    return measure(
        [result for fold in folds for result in fold.forget],
        [result for fold in folds for result in fold.benign],
        Promise(rounds, wish.level, wish.confidence, fmean(thresholds) if thresholds else None),
        total_s=total_s,
    )


def interval_by_author(folds: Sequence[Fold], seed: int, draws: int = 10_000) -> tuple[float, float]:
    """Bound the leak rate by drawing whole authors again (95 %): an author's questions leak together or not."""
    leaks: dict[str, list[bool]] = defaultdict(list)
    for fold in folds:
        for author, result in zip(fold.authors, fold.forget, strict=True):
            leaks[author].append(result.leaked_after)
    counts = np.array([[sum(each), len(each)] for each in leaks.values()])
    drawn = np.random.default_rng(seed).integers(len(counts), size=(draws, len(counts)))
    sums = counts[drawn].sum(axis=1)
    low, high = np.quantile(sums[:, 0] / sums[:, 1], (0.025, 0.975))
    return float(low), float(high)


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the recorded answers, JSON Lines")
    parser.add_argument("--alpha", type=float, default=0.1, help="highest leak probability to promise")
    parser.add_argument("--confidence", type=float, default=0.95, help="its confidence; 0 promises the average")
    parser.add_argument("--rounds", type=int, default=3, help="most rounds of generation")
    parser.add_argument("--folds", type=int, default=5, help="into how many parts the authors are dealt")
    parser.add_argument("--seed", type=int, default=0, help="seed of the dealing")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    wish = Wish(options.alpha, options.confidence or None)
    began = time.perf_counter()
    try:
        rows = read_rows(options.data)
        folds = asyncio.run(cross_fit(rows, wish, options.rounds, options.folds, options.seed))
    except LetheError as error:
        print(f"real_text: {error}", file=sys.stderr)
        return 2
    measured = report(folds, wish, options.rounds, time.perf_counter() - began)
    floor = Rate.of(leaked for fold in folds for leaked in fold.floor)
    by_author = interval_by_author(folds, options.seed)
    show(measured, floor, by_author, folds)
    if options.json:
        figures = {
            **measured.figures(),
            "leak_rate_never_learned": floor.value,
            "leak_rate_after_interval_by_author": list(by_author),
        }
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


def show(measured: Measurement, floor: Rate, by_author: tuple[float, float], folds: Sequence[Fold]) -> None:
    """Print the table and what it is to be read against."""
    table = Table("", "bare model", "behind Lethe", title="Authors that calibration did not see")
    for cells in table_rows(measured):
        table.add_row(*cells)
    console = Console(highlight=False)
    console.print(table)
    low, high = by_author
    console.print(f"Drawing authors instead of questions, the leak rate lies in [{low:.1%}, {high:.1%}].")
    console.print(
        f"A model that never learned the authors 'leaks' on {floor.value:.1%}: the floor, 5 % by construction."
    )
    console.print("The certificate is about new questions on the calibrated authors; these are others.")
    said = ", ".join(
        "infeasible" if f.certificate.threshold is None else f"{f.certificate.threshold:.3f}" for f in folds
    )
    console.print(f"Thresholds of the folds: {said}")


if __name__ == "__main__":
    sys.exit(main())
