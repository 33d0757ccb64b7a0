"""Composition fails closed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import pytest

from verifiers.claims import Claims
from verifiers.combine import Worst, about, never_waits, with_deadline
from verifiers.facts import Facts
from verifiers.lexical import Lexical
from verifiers.protocol import Abstained, Evidence, Exchange, Judge, Scored, Topic, Verdict, Verifier
from verifiers.verbatim import Verbatim

EXCHANGE = Exchange("a question", "an answer")


@dataclass(frozen=True)
class Fixed:
    """A verifier that says what it is told to."""

    name: str
    says: Callable[[Exchange], Awaitable[Verdict]]
    fingerprint: str = "fixed"

    def prepare(self, topics: Sequence[Topic]) -> Judge:
        """Ignore the topics."""
        return self.says


def says(name: str, leakage: float) -> Fixed:
    """Make a verifier with a fixed leakage."""

    async def judge(exchange: Exchange) -> Verdict:
        return Scored(leakage, (Evidence("t", name, leakage, f"{name} says so"),))

    return Fixed(name, judge, fingerprint=f"{name}-{leakage}")


def judge(verifiers: Sequence[Verifier], **options: int) -> Verdict:
    """Judge an exchange by the worst of some verifiers."""
    return asyncio.run(_judge(Worst(verifiers, **options)))


async def _judge(verifier: Verifier) -> Verdict:
    return await verifier.prepare([])(EXCHANGE)


def test_the_worst_counts_and_all_evidence_is_kept() -> None:
    """Sorted by leakage, and no more of it than allowed."""
    verdict = judge([says("a", 0.2), says("b", 0.9), says("c", 0.5)], max_evidence=2)
    assert isinstance(verdict, Scored)
    assert verdict.leakage == 0.9
    assert [each.verifier for each in verdict.evidence] == ["b", "c"]


def test_nothing_to_verify_is_not_a_pass() -> None:
    """An empty composition cannot be built."""
    with pytest.raises(ValueError, match="at least one"):
        Worst([])


def test_two_of_one_name_are_refused() -> None:
    """Evidence could not be told apart."""
    with pytest.raises(ValueError, match="told apart"):
        Worst([Lexical(), Lexical(echo=0.1)])


def test_one_abstention_abstains_the_whole() -> None:
    """And says whose it was."""

    async def unsure(exchange: Exchange) -> Verdict:
        return Abstained("the text is too long")

    assert judge([says("a", 0.0), Fixed("b", unsure)]) == Abstained("b: the text is too long")


def test_an_exception_abstains_without_its_message() -> None:
    """A message might quote the answer."""

    async def broken(exchange: Exchange) -> Verdict:
        raise RuntimeError(exchange.answer)

    assert judge([says("a", 0.0), Fixed("b", broken)]) == Abstained("b failed: RuntimeError")


async def test_a_cancellation_passes_through() -> None:
    """Cancelling the request is no abstention."""

    async def slow(exchange: Exchange) -> Verdict:
        await asyncio.sleep(60)
        return Scored(0.0)

    task = asyncio.create_task(_judge(Worst([Fixed("slow", slow)])))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_deadline_abstains() -> None:
    """Late is no verdict; in time is."""

    async def slow(exchange: Exchange) -> Verdict:
        await asyncio.sleep(60)
        return Scored(0.0)

    assert await with_deadline(slow, 0.01)(EXCHANGE) == Abstained("no verdict within 0.01 s")
    assert await with_deadline(says("a", 0.3).says, 5.0)(EXCHANGE) == await says("a", 0.3).says(EXCHANGE)
    with pytest.raises(ValueError, match="positive"):
        with_deadline(slow, 0.0)


async def test_a_timeout_of_the_judges_own_is_its_failure() -> None:
    """Only the deadline itself speaks as the deadline."""

    async def timed_out(exchange: Exchange) -> Verdict:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        await with_deadline(timed_out, 5.0)(EXCHANGE)


def test_fingerprints_change_with_parameters_and_parts() -> None:
    """Each parameter of each verifier, and each part of a composition."""
    verifiers: list[Verifier] = [
        Lexical(),
        Lexical(echo=0.4),
        Facts(),
        Facts(window=61),
        Facts(confirmation=0.5),
        Claims(),
        Claims(scale=0.9),
        Worst([Lexical()]),
        Worst([Lexical(), Facts()]),
        Worst([Lexical(echo=0.4), Facts()]),
        Worst([Lexical(), Facts()], max_evidence=3),
    ]
    assert len({verifier.fingerprint for verifier in verifiers}) == len(verifiers)
    assert Lexical().fingerprint == Lexical().fingerprint
    assert Worst([Lexical(), Facts()]).fingerprint == Worst([Facts(), Lexical()]).fingerprint


@pytest.mark.parametrize("verifier", [Lexical(), Facts()])
async def test_many_traces_of_other_topics_hide_none_of_the_one_that_counts(verifier):
    """Topics that are switched off leave evidence too, before it is sorted out."""
    names = [f"{first}a {last}elda" for first in ("Mar", "Bor", "Tiv", "Nor", "Lum", "Hes") for last in _LASTS]
    topics = [Topic(f"t{at:02}", name, facts=(f"{name} lives in {name[::-1]}.",)) for at, name in enumerate(names)]
    said = " ".join(f"{name} lives in {name[::-1]}." for name in names)
    judge = about(verifier.prepare(topics), frozenset({topics[-1].id}))
    verdict = await judge(Exchange("Who lives where?", said))
    assert {topics[-1].id} == {each.topic_id for each in verdict.evidence}
    assert verdict.leakage > 0


_LASTS = ("Osk", "Vint", "Grum", "Praz", "Kemb", "Dorv", "Wulk", "Jast")


@pytest.mark.parametrize("verifier", [Lexical(), Facts(), Verbatim(), Claims()], ids=lambda each: each.name)
def test_what_says_that_it_never_waits_is_done_at_its_first_step(verifier: Verifier) -> None:
    """Alone, with others and about some topics: a coroutine that waited would give something to wait for."""
    topic = Topic("maren", "Maren Oskeld", facts=("Maren Oskeld was born in Seltal.",))
    whole = about(Worst([verifier]).prepare([topic]), frozenset({"maren"}))
    for judge in (verifier.prepare([topic]), whole):
        assert never_waits(judge)
        work = judge(Exchange("Where was Maren Oskeld born?", "In Seltal, says TWFyZW4gT3NrZWxk."))
        with pytest.raises(StopIteration):
            work.__await__().send(None)


def test_one_that_may_wait_makes_the_whole_wait() -> None:
    """A judge says so only of itself; whoever says nothing may wait."""
    parts = [Lexical(), says("slow", 0.0)]
    assert not never_waits(Worst(parts).prepare([Topic("maren", "Maren Oskeld")]))
