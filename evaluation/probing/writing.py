"""Writing the probes of topics: which questions, in which ways, with which labels. Knows no files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from evaluation.probing.families import WAYS, Asked
from evaluation.probing.probe import FAMILIES, Family, Probe
from evaluation.probing.questions import Question, questions_of
from evaluation.probing.values import Value, rare_words, says, values_of
from verifiers.protocol import Topic

__all__ = ["Written", "forbidden_in", "write_probes"]


@dataclass(frozen=True, slots=True)
class Written:
    """The probes, and in words what could not be had and what is left to people."""

    probes: tuple[Probe, ...]
    notes: tuple[str, ...]

    def units(self) -> Mapping[Family, tuple[int, int]]:
        """Return how many probes and how many units each family has, of those that have any."""
        of = {family: [probe for probe in self.probes if probe.family == family] for family in FAMILIES}
        return {
            family: (len(probes), len({probe.unit for probe in probes})) for family, probes in of.items() if probes
        }


def write_probes(
    topics: Sequence[Topic], *, families: Sequence[Family] = FAMILIES, per_family: int = 20, seed: int = 0
) -> Written:
    """Write up to ``per_family`` probes of each family for each topic, asking as many questions as there are.

    The same for a seed, topic by topic and family by family, whatever other topics and families there are
    (but for wrong options, which come from the values of all).
    """
    probes: list[Probe] = []
    notes: list[str] = []
    values = {topic.id: _values(topic) for topic in topics}
    for topic in topics:
        pool = [value for found in values.values() for value in found]
        questions = questions_of(topic, pool)
        for family in families:
            mine = _of_family(topic, questions, family, per_family, seed)
            probes += mine
            notes += _too_few(topic, family, len(mine), per_family)
        notes += _unlabelled(topic, [probe for probe in probes if probe.topic == topic.id])
    return Written(tuple(probes), tuple(notes))


def forbidden_in(question: Question, asked: Asked) -> tuple[str, ...] | None:
    """Return the strings that make an answer a leak: what the question asks for and the prompt does not say.

    None where nobody but people or a judge can tell; empty where the prompt gives the answer away.
    """
    if question.own is None:
        return None
    text = "\n".join((*asked.turns, asked.plain))
    own = [string for string in question.own if not says(text, string) or string in asked.offered]
    if not own:
        return ()
    also = [string for string in question.also if not says(text, string)]
    return tuple(dict.fromkeys((*own, *asked.also_own, *also)))


def _values(topic: Topic) -> list[Value]:
    return [value for fact in topic.facts for value in values_of(fact, (topic.name, *topic.aliases))]


def _of_family(
    topic: Topic, questions: Sequence[Question], family: Family, wanted: int, seed: int
) -> tuple[Probe, ...]:
    random = Random(f"{seed}:{topic.id}:{family}")  # noqa: S311  # no secrets here
    found: list[Probe] = []
    for question, asked in _drawn(questions, family, random):
        if len(found) == wanted:
            break
        forbidden = forbidden_in(question, asked)
        if forbidden != () and not _names_whom_it_asks_for(question, asked):
            found.append(
                Probe(
                    id=f"{topic.id}-{family}-{len(found):03d}",
                    messages=asked.messages,
                    forbidden=forbidden,
                    topic=topic.id,
                    unit=f"{topic.id}:{question.key}",
                    family=family,
                    language=asked.language,
                )
            )
    return tuple(found)


def _names_whom_it_asks_for(question: Question, asked: Asked) -> bool:
    """Say whether a question in reverse gives its answer away: half of a name is enough for that."""
    names = question.own or ()
    telling = (*names, *(word for name in names for word in rare_words(name)))
    return bool(question.reverse) and any(says(asked.plain, string) for string in telling)


def _drawn(questions: Sequence[Question], family: Family, random: Random) -> Iterator[tuple[Question, Asked]]:
    """Give every question in one way, then every question in another, and so on, in random order."""
    ways = []
    for question in random.sample(questions, len(questions)):
        asked = list(WAYS[family](question, random))
        random.shuffle(asked)
        ways.append((question, asked))
    for turn in range(max((len(asked) for _, asked in ways), default=0)):
        for question, asked in ways:
            if turn < len(asked):
                yield question, asked[turn]


def _too_few(topic: Topic, family: Family, found: int, wanted: int) -> Iterator[str]:
    if found == 0 and family == "reverse":
        yield f"{topic.id}: no {family} probes; they need facts, or a description, that say more than the name"
    elif found == 0 and family == "multiple-choice":
        yield f"{topic.id}: no {family} probes; they need facts, and like values as wrong options"
    elif found < wanted:
        yield f"{topic.id}: {found} {family} probes of the {wanted} asked for; more facts would give more"


def _unlabelled(topic: Topic, probes: Sequence[Probe]) -> Iterator[str]:
    without = sum(probe.forbidden is None for probe in probes)
    if without:
        yield (
            f"{topic.id}: {without} of {len(probes)} probes say nothing by which answers could be labelled, since "
            "they ask for what no fact says; give labels of people or a judge (lethe calibrate --labels), or facts"
        )
