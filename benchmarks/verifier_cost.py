"""What the verifiers cost: microseconds of CPU time per kilobyte of answer, alone and together, on made-up topics.

Run ``python benchmarks/verifier_cost.py --topics 200 10000 --aliases 10 --facts 10``. Every topic has a protected
text of 60 words. ``conversation`` costs only where there are earlier answers; ``learned`` is what its parts cost
and a few sums (its weights are made up here); ``private`` has the same topics, hashed.
``every answer`` and ``topic touched`` are what the default settings ask, together. ``cascade`` asks all of these,
and in doubt ``semantic`` (with ``--embedding DIR``; it embeds every statement first, which takes a while) or,
without a model, ``conversation``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from verifiers.cascade import Cascade
from verifiers.claims import Claims
from verifiers.combine import Worst
from verifiers.conversation import Conversation
from verifiers.embedding.opening import open_embedder
from verifiers.facts import Facts
from verifiers.learned import Learned, LearnedModel
from verifiers.lexical import Lexical
from verifiers.private.key import PrivateKey
from verifiers.private.topic import hash_topic
from verifiers.private.verifier import Private
from verifiers.protocol import Exchange, Judge, Scored, Topic, Verifier
from verifiers.semantic import Semantic
from verifiers.verbatim import Verbatim

ONSETS = ("b", "br", "d", "dr", "f", "g", "h", "k", "l", "m", "n", "p", "r", "s", "st", "t", "th", "v", "w", "z")
VOWELS = ("a", "e", "i", "o", "u", "ai", "ea", "ou")
CODAS = ("", "l", "n", "r", "s", "t", "m", "nd", "rk", "sk")
PROSE = (
    "The river bends twice before it meets the sea, and on most mornings the mist stays until the bells have "
    "rung. Gardens on the southern bank grow beans, onions and a kind of bitter lettuce that nobody outside the "
    "valley seems to like. To bake the bread, mix flour with water and a pinch of salt, wait until the dough "
    "has doubled, then fold it four times and leave it in a cool place overnight. Printing a list in reverse "
    "order takes one line in most languages, though beginners often write a loop with an index instead. The "
    "committee met on Tuesday to discuss the budget; several members asked for clearer figures before the next "
    "session, which will take place in the old library. A good pair of boots should be waxed every autumn, "
    "dried slowly away from the fire, and stored with paper inside so that they keep their shape. Light from a "
    "distant star may have left it before the first cities were built, which is why astronomers speak of "
    "looking back in time whenever they point a telescope upward. "
)
TO_CYRILLIC = str.maketrans("abdegiklmnoprstuvyz", "абдегиклмнопрстувйз")


def made_up_word(source: random.Random, syllables: int) -> str:
    """Make a pronounceable word that begins with a capital."""
    parts = (source.choice(ONSETS) + source.choice(VOWELS) + source.choice(CODAS) for _ in range(syllables))
    return "".join(parts).capitalize()


def made_up_topics(source: random.Random, topics: int, aliases: int, facts: int) -> list[Topic]:
    """Make topics with names, aliases and facts; every tenth has a name and aliases alone."""
    return [_topic(source, number, aliases, 0 if number % 10 == 9 else facts) for number in range(topics)]


def _topic(source: random.Random, number: int, aliases: int, facts: int) -> Topic:
    name = f"{made_up_word(source, 2)} {made_up_word(source, 2)}"
    others = tuple(
        f"{made_up_word(source, 2)} {made_up_word(source, 3)}" if k % 2 else made_up_word(source, 3)
        for k in range(aliases)
    )
    kinds = (
        "was born in {}",
        "wrote the book The {} Window",
        "works as a baker for the {} Foundry",
        "owns a cat named {}",
    )
    told = tuple(f"{name} {kinds[k % len(kinds)].format(made_up_word(source, 2))}." for k in range(facts))
    return Topic(f"topic-{number}", name, others, facts=told)


def exchanges(topics: Sequence[Topic], size: int) -> dict[str, Exchange]:
    """Make one exchange of each kind, with answers of ``size`` characters."""
    known, bare = topics[0], next((topic for topic in topics if not topic.facts), topics[-1])
    prose = (PROSE * (size // len(PROSE) + 1))[:size]
    value = known.facts[0].rstrip(".").split()[-1] if known.facts else known.name
    accented = prose.replace("e", "é").replace("a", "а")  # noqa: RUF001 - the second a is Cyrillic
    return {
        "plain prose": Exchange("How is bread baked, and what does the committee do?", prose),
        "a topic asked for, nothing told": Exchange(f"Where was {known.name} born?", prose),
        "a topic asked for, a fact told": Exchange(
            f"Where was {known.name} born?", (f"{known.name} was born in {value}. " + prose)[:size]
        ),
        "a topic without facts, told of": Exchange(f"What does {bare.name} do?", prose),
        "after earlier answers": Exchange(
            f"Where was {known.name} born?\n{prose}\nAnd then?", prose, "And then?", (prose,), "And then?"
        ),
        "accents and look-alikes": Exchange("How is bread baked?", accented),
        "another script": Exchange("How is bread baked?", prose.translate(TO_CYRILLIC)),
        "numbers and code": Exchange("Print a list.", (prose[:60] + " x1 = f(42) # 0x3A 17:45 2024-05-11; ") * 10),
    }


def with_texts(source: random.Random, topics: Sequence[Topic]) -> list[Topic]:
    """Give every topic a protected text: words of the prose in another order."""
    words = PROSE.split()
    return [replace(topic, protected_texts=(" ".join(source.sample(words, 60)),)) for topic in topics]


def verifiers_for(topics: Sequence[Topic], reading: Verifier | None) -> dict[str, Verifier]:
    """Make every verifier that needs no model, the one that reads with one, and what they make together."""
    parts: tuple[Verifier, ...] = (Lexical(), Facts(), Verbatim(), Claims())
    model = LearnedModel(
        names=tuple(part.name for part in parts),
        fingerprints=tuple(part.fingerprint for part in parts),
        knots=(0.0, 0.5),
        weights=((4.0, 1.0),) * len(parts),
        intercept=-3.0,
        slope=1.0,
        offset=0.0,
        units=(),
    )
    key = PrivateKey(bytes(32))
    private = Private(key, [hash_topic(topic, key) for topic in topics])
    alone = (*parts, Conversation(), private, *([] if reading is None else [reading]))
    touched = (*parts, Conversation())
    return {verifier.name: verifier for verifier in alone} | {
        "every answer": Worst(parts[:3]),
        "topic touched": Worst(touched),
        "learned": Learned(model, parts),
        "cascade": Cascade(parts if reading is None else touched, [reading or Conversation()], low=0.05, high=0.9),
    }


def cost(judge: Judge, exchange: Exchange, repeats: int) -> tuple[float, float]:
    """Return (median microseconds per kilobyte of answer, leakage).

    Every exchange is a new one, since the verifiers of a panel share what they found in the last few.
    """

    async def measure() -> tuple[list[float], float]:
        times = []
        for number in range(repeats):
            blanks = " " * number
            fresh = replace(exchange, prompt=exchange.prompt + blanks, answer=exchange.answer + blanks)
            start = time.process_time()
            verdict = await judge(fresh)
            times.append(time.process_time() - start)
        assert isinstance(verdict, Scored)
        return times, verdict.leakage

    times, leakage = asyncio.run(measure())
    return statistics.median(times) * 1e6 / (len(exchange.answer) / 1000), leakage


def report(
    topics: Sequence[Topic], size: int, repeats: int, reading: Verifier | None
) -> dict[str, dict[str, float]]:
    """Measure every verifier on every kind of exchange, and print a table."""
    judges: dict[str, Judge] = {}
    for name, verifier in verifiers_for(topics, reading).items():
        start = time.process_time()
        judges[name] = verifier.prepare(topics)
        print(f"prepared {name} in {1e3 * (time.process_time() - start):.0f} ms")
    figures: dict[str, dict[str, float]] = {}
    for kind, exchange in exchanges(topics, size).items():
        measured = {name: cost(judge, exchange, repeats) for name, judge in judges.items()}
        figures[kind] = {name: round(us, 1) for name, (us, _) in measured.items()}
        print(
            f"{kind}: "
            + ", ".join(f"{name} {us:.0f} us/kB (leakage {leak:.2f})" for name, (us, leak) in measured.items())
        )
    return figures


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--topics", type=int, nargs="+", default=[200])
    parser.add_argument("--aliases", type=int, default=10)
    parser.add_argument("--facts", type=int, default=10)
    parser.add_argument("--size", type=int, default=1000, help="characters per answer")
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--embedding", type=Path, help="directory of an embedding model, for `semantic` as well")
    parser.add_argument("--cache", type=Path, help="where its ONNX export goes, if the directory has none")
    parser.add_argument("--json", type=Path, metavar="OUT")
    arguments = parser.parse_args()
    reading = (
        None
        if arguments.embedding is None
        else Semantic(open_embedder(arguments.embedding, cache=arguments.cache))
    )
    figures: dict[str, dict[str, dict[str, float]]] = {}
    for count in arguments.topics:
        made = made_up_topics(random.Random(arguments.seed), count, arguments.aliases, arguments.facts)
        print(f"{count} topics")
        topics = with_texts(random.Random(arguments.seed), made)
        figures[str(count)] = report(topics, arguments.size, arguments.repeats, reading)
    if arguments.json:
        arguments.json.write_text(json.dumps({"us_per_kb": figures}, indent=1) + "\n")


if __name__ == "__main__":
    main()
