"""The cascade: cheap verifiers first, dear ones where those leave doubt, as one verifier. Knows no thresholds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, replace

from verifiers.combine import Worst
from verifiers.identity import fingerprint_of
from verifiers.protocol import Abstained, Evidence, Exchange, Judge, Scored, Topic, Verdict, Verifier

__all__ = ["Cascade"]

_REVISION = "1"
_NO_TOPIC = ""


@dataclass(frozen=True, slots=True)
class Cascade:
    """Cheap and dear verifiers as one, with one score.

    Let s be the worst that the cheap ones find of a topic (0 for nothing) and d the worst that the dear ones find
    of it. Where s is below ``low`` or at least ``high``, the topic's leakage is s; in between it is
    low + (high - low) d. So the dear ones order what is in doubt, and never move it past what is not. The
    leakage of the answer is the worst of all topics'. The dear ones are asked only if some topic is in doubt;
    with ``low`` = 0 every topic is that the cheap ones do not convict. The score is a function of the exchange
    and the topics alone, so a certificate covers the whole.

    Whoever abstains or raises, where asked, makes the whole abstain.
    """

    cheap: Worst
    dear: Worst
    low: float
    high: float

    def __init__(
        self, cheap: Sequence[Verifier], dear: Sequence[Verifier], *, low: float = 0.05, high: float = 0.9
    ) -> None:
        if not 0.0 <= low < high <= 1.0:
            raise ValueError(f"the band must satisfy 0 <= low < high <= 1, got {low} and {high}")
        names = [verifier.name for verifier in (*cheap, *dear)]
        if len(set(names)) < len(names):
            raise ValueError(f"a verifier can be cheap or dear, not both: {', '.join(names)}")
        object.__setattr__(self, "cheap", Worst(cheap))
        object.__setattr__(self, "dear", Worst(dear))
        object.__setattr__(self, "low", low)
        object.__setattr__(self, "high", high)

    @property
    def name(self) -> str:
        """See `Verifier`."""
        return f"cascade({self.cheap.name}, {self.dear.name})"

    @property
    def fingerprint(self) -> str:
        """See `Verifier`."""
        parts = [self.cheap.fingerprint, self.dear.fingerprint]
        return fingerprint_of("cascade", _REVISION, parts=parts, low=self.low, high=self.high)

    def prepare(self, topics: Sequence[Topic]) -> _CascadeJudge:
        """Prepare all parts."""
        ids = tuple(topic.id for topic in topics)
        return _CascadeJudge(self.cheap.prepare(topics), self.dear.prepare(topics), ids, self.low, self.high)


@dataclass(frozen=True, slots=True)
class _CascadeJudge:
    cheap: Judge
    dear: Judge
    ids: tuple[str, ...]
    low: float
    high: float

    async def __call__(self, exchange: Exchange) -> Verdict:
        first = await self.cheap(exchange)
        if isinstance(first, Abstained):
            return first
        cheap = _worst_of(first)
        doubtful = {topic for topic in (*self.ids, *cheap) if self.low <= cheap.get(topic, 0.0) < self.high}
        if not doubtful:
            return first
        second = await self.dear(exchange)
        if isinstance(second, Abstained):
            return second
        dear = _worst_of(second)
        dear[_NO_TOPIC] = dear.get(_NO_TOPIC, 0.0)
        settled = dict(cheap)
        for topic in doubtful:
            found = second.leakage if topic == _NO_TOPIC else max(dear.get(topic, 0.0), dear[_NO_TOPIC])
            settled[topic] = self._placed(found)
        evidence = [*self._kept(first, settled, doubtful), *self._moved(second, doubtful)]
        evidence.sort(key=lambda each: (-each.leakage, each.topic_id, each.verifier, each.reason))
        return Scored(max(settled.values(), default=0.0), tuple(evidence))

    def _placed(self, leakage: float) -> float:
        """Put what the dear ones found into the band."""
        return self.low + (self.high - self.low) * leakage

    def _kept(self, first: Scored, settled: dict[str, float], doubtful: Set[str]) -> Iterator[Evidence]:
        """Give the cheap evidence; that of a doubtful topic counts no more than the topic does in the end."""
        for each in first.evidence:
            leakage = min(each.leakage, settled[each.topic_id]) if each.topic_id in doubtful else each.leakage
            if leakage > 0:
                yield replace(each, leakage=leakage)

    def _moved(self, second: Scored, doubtful: Set[str]) -> Iterator[Evidence]:
        for each in second.evidence:
            if each.topic_id in doubtful and each.leakage > 0:
                yield replace(each, leakage=self._placed(each.leakage))


def _worst_of(verdict: Scored) -> dict[str, float]:
    """Give every topic's worst leakage; what exceeds all evidence is of no topic, and so could be of any."""
    found: dict[str, float] = {}
    for each in verdict.evidence:
        found[each.topic_id] = max(found.get(each.topic_id, 0.0), each.leakage)
    if verdict.leakage > max(found.values(), default=0.0):
        found[_NO_TOPIC] = verdict.leakage
    return found
