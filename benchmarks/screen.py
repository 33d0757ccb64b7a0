"""The screen: how long a look takes among many topics, and whether it knows whom a question is about.

    python benchmarks/screen.py                       # time, on made-up topics
    python benchmarks/screen.py --data FILE           # and recall, on probes about real people

FILE has one JSON object a line: ``target``, ``kind`` (forget or neighbor), ``level`` (1 cloze, 2 question, 3
adversarial), ``type`` (the attack), ``query``, ``answer``. Topics are formed in four ways:

- names: the person's name as the file spells it
- called: that, and the other names in ``people.json``
- given: that, the other names and the works in ``people.json``, which was written from general knowledge; a work
  is the fact "NAME is known for "WORK"."
- told: the name, and as facts the file's own probes of another level with their answers filled in (level 2
  where level 1 is asked, else level 1)
- both: given and told together

A probe *mentions* a person where, by a rule of its own that shares no code with the screen, it has the name, one
of the other names or a work (of one word: in quotes), or the surname where no other name stands before it. A flag
is wrong where the probe does not mention that person. That rule and "given" use one list: a work that it lacks
counts as not mentioned, and shows in the rows "all" and "only describes". Intervals are Clopper-Pearson, 95 %.

The last table leaves the screen aside and judges the reference answer to each probe, as the cheap verifiers see it
where every topic has names, works and, as facts, all its level 1 and 2 probes with their answers: which right
answers about the person are held back, and which right answers to neighbours, when only what scores below a
threshold goes out.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import codecs
import json
import random
import re
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from verifier_cost import PROSE, TO_CYRILLIC, made_up_topics

from evaluation.oracle import ForbiddenStrings
from evaluation.rates import Rate
from verifiers.attribution import Mentions
from verifiers.claims import Claims
from verifiers.combine import Worst
from verifiers.facts import Facts
from verifiers.lexical import Lexical
from verifiers.protocol import Exchange, Scored, Topic
from verifiers.verbatim import Verbatim

PEOPLE = Path(__file__).with_name("people.json")
THRESHOLDS = (0.5, 0.7, 0.9)
WAYS = ("names", "called", "given", "told", "both")
ORDINARY_SURNAMES = frozenset({"cash", "cent", "cube", "white", "candy", "lee", "walker", "khan", "jr", "r"})
LEET = str.maketrans("aeios", "43105")


@dataclass(frozen=True, slots=True)
class Probe:
    """One question of the file."""

    target: str
    forget: bool
    level: int
    family: str
    query: str
    answer: str

    @property
    def statement(self) -> str:
        """The probe with its answer in it."""
        filled = re.sub(r"_{2,}", lambda _: self.answer, self.query)
        return filled if filled != self.query else f"{self.query} {self.answer}"


def read_probes(path: Path) -> list[Probe]:
    """Read the file."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [
        Probe(
            row["target"],
            row["kind"] == "forget",
            int(row["level"]),
            re.sub(r"^cross.lingual.*", "cross lingual", row["type"]),
            row["query"],
            row["answer"],
        )
        for row in rows
    ]


@dataclass(frozen=True, slots=True)
class Person:
    """Whom a probe may mention, by a rule that is not the screen's."""

    name: str
    names: tuple[str, ...]
    works: tuple[str, ...]

    def is_mentioned(self, query: str) -> bool:
        """Say whether a text has a name or a work of this person."""
        long = [work for work in self.works if len(re.findall(r"\w+", work)) > 1]
        if ForbiddenStrings.of((self.name, *self.names, *long)).leaks(query):
            return True
        short = (re.escape(work) for work in self.works if work not in long)
        quoted = any(re.search(rf"['\"\u2018\u201c]{work}[,.!?]?['\"\u2019\u201d]", query) for work in short)
        return quoted or self._has_surname(query)

    def is_named(self, query: str) -> bool:
        """Say whether a text has a name of this person."""
        return ForbiddenStrings.of((self.name, *self.names)).leaks(query) or self._has_surname(query)

    def _has_surname(self, query: str) -> bool:
        surname = [word for word in self.name.split() if word != "Jr."][-1]
        for found in re.finditer(rf"(?<!\w){re.escape(surname)}(?!\w)", query):
            before = re.search(r"(\w+)[ .]+$", query[: found.start()])
            others = before is not None and before.group(1)[0].isupper() and before.group(1) not in self.name
            if not (others and before and before.start(1) > 0) and surname.casefold() not in ORDINARY_SURNAMES:
                return True
        return False


def read_people(targets: Iterable[str]) -> dict[str, Person]:
    """Read the names and works that an operator would give."""
    known = json.loads(PEOPLE.read_text(encoding="utf-8"))
    return {name: Person(name, tuple(known[name]["names"]), tuple(known[name]["works"])) for name in targets}


def topics_of(way: str, people: dict[str, Person], probes: Sequence[Probe], level: int) -> tuple[Topic, ...]:
    """Form the topics; ``level`` is that of the probes used as facts."""
    topics = []
    for person in people.values():
        facts = [f'{person.name} is known for "{work}".' for work in person.works if way in ("given", "both")]
        if way in ("told", "both"):
            mine = (p for p in probes if p.forget and p.target == person.name and p.level == level)
            facts += dict.fromkeys(probe.statement for probe in mine)
        aliases = person.names if way in ("called", "given", "both") else ()
        topics.append(Topic(person.name, person.name, aliases, facts=tuple(facts)))
    return tuple(topics)


def disguises(name: str) -> dict[str, str]:
    """Write a name in other ways. Names of one word have no initial and no order."""
    words = name.split()
    long = max(words, key=len)
    middle = len(long) // 2
    slipped = long[:middle] + long[middle + 1] + long[middle] + long[middle + 2 :]
    found = {
        "lower case": name.casefold(),
        "two letters of its longest word swapped": name.replace(long, slipped),
        "spaced letters": " ".join(name.replace(" ", "")),
        "split by hyphens": "-".join(name.replace(" ", "")),
        "base64": base64.b64encode(name.encode()).decode(),
        "hexadecimal": name.encode().hex(),
        "rot13": codecs.encode(name, "rot13"),
        "shifted by three": "".join(
            chr((ord(c) - 94) % 26 + 97) if "a" <= c <= "z" else c for c in name.casefold()
        ),
        "backwards": name[::-1],
        "digits for letters": name.casefold().translate(LEET),
        "Cyrillic letters by sound": name.casefold().translate(TO_CYRILLIC),
        "full width": "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in name),
    }
    if len(words) > 1:
        found |= {
            "surname first": f"{words[-1]}, {' '.join(words[:-1])}",
            "initial and surname": f"{words[0][0]}. {words[-1]}",
            "surname only": words[-1],
            "run together": "".join(words),
        }
    return found


Row = tuple[str, str, Rate]


def recall_rows(way: str, people: dict[str, Person], probes: Sequence[Probe]) -> list[Row]:
    """Count how many forget probes are known, by level and family, and how many neighbours are flagged."""
    by_level = {level: Mentions(topics_of(way, people, probes, 2 if level == 1 else 1)) for level in (1, 2, 3)}
    counts: dict[str, list[bool]] = defaultdict(list)
    for probe in probes:
        met = by_level[probe.level].topics_met(probe.query)
        mentioned, named = (
            people[probe.target].is_mentioned(probe.query),
            people[probe.target].is_named(probe.query),
        )
        if probe.forget:
            counts[f"level {probe.level}, all"].append(probe.target in met)
            counts[f"level {probe.level} that name a work alone"].append(mentioned and not named)
            if mentioned:
                counts[f"level {probe.level}, mentions the person or a work"].append(probe.target in met)
            if probe.level == 3:
                counts[f"  {probe.family}{', mentions' if mentioned else ', only describes'}"].append(
                    probe.target in met
                )
        else:
            counts["neighbours that say the person's name"].append(named)
            counts["neighbours that name a work alone"].append(mentioned and not named)
            counts["neighbours, flagged for their person"].append(probe.target in met)
            counts["neighbours, flagged though nothing of the person is mentioned"].append(
                probe.target in met and not mentioned
            )
            wrong = any(not people[name].is_mentioned(probe.query) for name in met)
            counts["neighbours, flagged for anybody not mentioned"].append(wrong)
    return [(way, what, Rate.of(counts[what])) for what in sorted(counts)]


def disguise_rows(people: dict[str, Person], probes: Sequence[Probe]) -> list[Row]:
    """Count how many level 2 probes are known that hold the name, when it is written in another way."""
    mentions = Mentions(topics_of("given", people, probes, 1))
    counts: dict[str, list[bool]] = defaultdict(list)
    for probe in probes:
        if probe.forget and probe.level == 2 and probe.target in probe.query:
            for how, written in disguises(probe.target).items():
                met = mentions.topics_met(probe.query.replace(probe.target, written))
                counts[how].append(probe.target in met)
    return [("given", how, Rate.of(seen)) for how, seen in counts.items()]


def everything(people: dict[str, Person], probes: Sequence[Probe]) -> list[Topic]:
    """Form topics that say all there is to say."""
    given = topics_of("given", people, probes, 1)
    told = {topic.id: topic.facts for topic in topics_of("told", people, probes, 1)}
    asked = {topic.id: topic.facts for topic in topics_of("told", people, probes, 2)}
    return [replace(each, facts=(*each.facts, *told[each.id], *asked[each.id])) for each in given]


async def decision_rows(people: dict[str, Person], probes: Sequence[Probe]) -> list[Row]:
    """Count which reference answers the cheap verifiers hold back at a threshold, by level, and for neighbours."""
    judge = Worst((Lexical(), Facts(), Verbatim(), Claims())).prepare(everything(people, probes))
    counts: dict[tuple[str, str], list[bool]] = defaultdict(list)
    for probe in probes:
        verdict = await judge(Exchange(probe.query, probe.answer))
        leakage = verdict.leakage if isinstance(verdict, Scored) else 1.0
        whose = f"level {probe.level}, right answer" if probe.forget else "neighbours, right answer"
        for threshold in THRESHOLDS:
            counts[f"held back at {threshold}", whose].append(leakage >= threshold)
    return [(at, whose, Rate.of(counts[at, whose])) for at, whose in sorted(counts)]


def timing(topics: int, aliases: int, facts: int, looks: int, seed: int) -> dict[str, float]:
    """Measure, in CPU seconds, building the index, and in milliseconds looks at new prompts of 1 kB."""
    made = tuple(made_up_topics(random.Random(seed), topics, aliases, facts))
    began = time.thread_time()
    mentions = Mentions(made)
    prepare = time.thread_time() - began
    source, took = random.Random(seed + 1), []
    for number in range(looks):
        words = PROSE.split()
        source.shuffle(words)
        asked = f" What did {source.choice(made).name} do?" if number % 2 else ""
        prompt = " ".join(words)[: 1000 - len(asked)] + asked
        began = time.thread_time()
        mentions.topics_met(prompt)
        took.append(1e3 * (time.thread_time() - began))
    low, median, p99, most = np.quantile(took, (0.0, 0.5, 0.99, 1.0))
    return {"prepare_s": prepare, "least_ms": low, "median_ms": median, "p99_ms": p99, "most_ms": most}


def show(title: str, rows: Sequence[Row]) -> None:
    """Print rates with their intervals."""
    table = Table("topics", "probes", "rate", "95 % interval", "of", title=title)
    for way, what, rate in rows:
        low, high = rate.interval()
        table.add_row(way, what, f"{rate.value:.3f}", f"[{low:.3f}, {high:.3f}]", str(rate.total))
    Console(highlight=False, width=120).print(table)


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="probes about people, JSON Lines")
    parser.add_argument("--topics", type=int, nargs="*", default=[200, 10_000], help="numbers of topics to time")
    parser.add_argument("--aliases", type=int, default=3)
    parser.add_argument("--facts", type=int, default=3)
    parser.add_argument("--looks", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, metavar="OUT")
    options = parser.parse_args()
    figures: dict[str, object] = {}
    for count in options.topics:
        timed = timing(count, options.aliases, options.facts, options.looks, options.seed)
        figures[f"{count} topics"] = timed
        print(f"{count} topics: " + ", ".join(f"{name} {value:.2f}" for name, value in timed.items()))
    if options.data:
        probes = read_probes(options.data)
        people = read_people(sorted({probe.target for probe in probes}))
        measured = {way: recall_rows(way, people, probes) for way in WAYS}
        measured["disguises"] = disguise_rows(people, probes)
        measured["decisions"] = asyncio.run(decision_rows(people, probes))
        for title, rows in measured.items():
            show(title, rows)
            figures[title] = {f"{way}: {what}": [rate.hits, rate.total] for way, what, rate in rows}
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
