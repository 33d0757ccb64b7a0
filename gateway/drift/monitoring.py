"""Monitoring a running gateway: scores and audits in, alarms out, and what an alarm does to the release rule."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

from calibration.certificate import Certificate
from calibration.drift import Audits, Scores
from gateway.drift.state import read_watches, write_watches
from gateway.drift.watch import MONITORS, Labelled, Monitor, Watch, after_labels
from gateway.guard.policy import Bounded, Closed
from gateway.logs import Report, keep_silent

__all__ = ["Drift", "Reactions"]

_SAVE_EVERY: Final = 1000
"""Scores between two writes of the state: what a killed process forgets at most. Alarms are written at once."""

_WORDS: Final[Mapping[Monitor, str]] = {
    "scores": "the scores of conversations about topics are no longer like those at its beginning",
    "audits": "audited answers leak more often than it promises",
}


@dataclass(frozen=True, slots=True)
class Reactions:
    """What the operator decided: see the settings of the same names (``drift_…``, ``audit_probability``)."""

    delta: float = 0.01
    on_scores: Literal["warn", "tighten", "fall_back"] = "warn"
    on_audits: Literal["warn", "fall_back"] = "fall_back"
    audit_probability: float = 0.01


class Drift:
    """One process's monitors, a pair for each certificate; an alarm stays until another certificate is in force.

    It counts for every certificate of the same model that is in force as well, that is of streamed answers beside
    whole ones: they promise something of the same prompts and the same model, and who is refused by one could
    ask for the other.

    P(a false alarm of a monitor, ever, under one certificate) <= delta while its scores are exchangeable, or
    its audited answers leak with probability at most the certificate's level: docs/guarantees.md, theorems 13
    and 14. ``seed`` draws a number that nobody can guess.
    """

    def __init__(
        self, reactions: Reactions, path: Path, *, seed: Callable[[], int], report: Report = keep_silent
    ) -> None:
        self._reactions = reactions
        self._path = path
        self._seed = seed
        self._report = report
        self._watches = {id_: watch.held_to(reactions.delta) for id_, watch in read_watches(path).items()}
        self._in_force: Mapping[str, Certificate] = {}
        self._found_drawn: Mapping[str, int] = {}
        self._scores_since_save = 0
        self._unsaved = False

    def follow(self, certificates: Iterable[Certificate]) -> None:
        """Take note of which certificates are in force: alarms of others are past."""
        self._in_force = {certificate.id: certificate for certificate in certificates}

    def rule(self, certificate: Certificate, rule: Bounded) -> Bounded | Closed:
        """Say what must hold for an answer after the alarms so far."""
        watch = self._watches.get(certificate.id)
        if watch is None:
            return rule
        if watch.rang("audits") and self._reactions.on_audits == "fall_back":
            return _closed(certificate, "audits")
        if not watch.rang("scores") or self._reactions.on_scores == "warn":
            return rule
        if self._reactions.on_scores == "tighten" and certificate.may_tighten:
            return replace(rule, threshold=rule.threshold / 2)
        return _closed(certificate, "scores")  # to fall back, or since it covers its own threshold alone

    def saw(self, certificate: Certificate, score: float) -> None:
        """Take the score of a conversation's first candidate. Costs some 20 µs: see benchmarks/drift.py."""
        watch = self._watch(certificate)
        self._scores_since_save += 1
        save = self._scores_since_save >= _SAVE_EVERY
        self._put(certificate.id, watch, watch.after_score(score), save=save)

    def probability(self, certificate: Certificate) -> float:
        """Give the probability of an audit: never below that at the certificate's beginning, which weighs them."""
        return max(self._reactions.audit_probability, self._watch(certificate).audits.least_probability)

    def next_number(self, certificate: Certificate) -> int:
        """Give the number of the next audit."""
        return self._watch(certificate).drawn + 1

    def found_drawn(self, numbers: Mapping[str, int]) -> None:
        """Hear the last number of each certificate in the file of a process that may have been killed."""
        self._found_drawn = numbers
        for id_ in numbers.keys() & self._watches.keys():
            watch = self._watches[id_]
            self._watches[id_] = replace(watch, drawn=max(watch.drawn, numbers[id_]))

    def drew(self, certificate: Certificate) -> None:
        """Count an answer that was kept for an audit."""
        watch = self._watch(certificate)
        self._put(certificate.id, watch, watch.draw(), save=True)

    def audited(self, certificate: Certificate, labels: Sequence[Labelled]) -> int:
        """Take labels of audited answers; returns how many were new. Raises ``InvalidInput``."""
        watch = self._watch(certificate)
        after, new = after_labels(watch, labels)
        self._put(certificate.id, watch, after, save=True)
        return new

    def alarm(self, monitor: Monitor) -> bool:
        """Say whether a monitor of a certificate in force rang."""
        return any(watch.rang(monitor) for watch in self._current())

    def log_wealth(self, monitor: Monitor) -> float:
        """Give the evidence against no drift, the largest of the certificates in force: 0 is none."""
        return max((watch.monitor(monitor).wealth.log for watch in self._current()), default=0.0)

    def notes(self) -> Mapping[str, str]:
        """Say of each monitor what it found, in words; empty where nothing."""
        return {name: f"{_WORDS[name]}: calibrate again" if self.alarm(name) else "" for name in MONITORS}

    def save(self) -> None:
        """Write the state, where there is something new. A failure is reported: serving goes on."""
        if not self._unsaved:
            return
        self._scores_since_save = 0
        try:
            write_watches(self._path, self._watches)
        except OSError as error:
            self._report("drift_state_not_saved", {"reason": error.strerror or type(error).__name__})
        else:
            self._unsaved = False

    def _current(self) -> list[Watch]:
        return [watch for id_, watch in self._watches.items() if id_ in self._in_force]

    def _watch(self, certificate: Certificate) -> Watch:
        watch = self._watches.get(certificate.id)
        if watch is None:
            delta, least = self._reactions.delta, self._reactions.audit_probability
            drawn = self._found_drawn.get(certificate.id, 0)
            watch = Watch(Scores(self._seed(), delta), Audits(certificate.level, delta, least), drawn)
            self._watches[certificate.id] = watch
        return watch

    def _put(self, id_: str, before: Watch, after: Watch, *, save: bool) -> None:
        self._watches[id_] = after
        self._unsaved = True
        for name in MONITORS:
            if after.monitor(name).alarm and not before.monitor(name).alarm:
                self._tell_those_beside(id_, name)
                self._report("drift_alarm", {"monitor": name, "certificate": id_, "action": self._action(name)})
                save = True
        if save:
            self.save()

    def _tell_those_beside(self, id_: str, monitor: Monitor) -> None:
        rang = self._in_force.get(id_)
        for other in self._in_force.values():
            if rang is not None and other.id != id_ and other.bindings.generator == rang.bindings.generator:
                watch = self._watch(other)
                self._watches[other.id] = replace(watch, beside=watch.beside | {monitor})

    def _action(self, monitor: Monitor) -> str:
        return self._reactions.on_scores if monitor == "scores" else self._reactions.on_audits


def _closed(certificate: Certificate, monitor: Monitor) -> Closed:
    return Closed(f"certificate {certificate.id} is held back, since {_WORDS[monitor]}: calibrate again")
