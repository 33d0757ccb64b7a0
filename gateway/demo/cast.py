"""The demo's cast: who is forgotten, what is asked to show it, and which probes calibrate and measure."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.demo.probes import FAMILIES, Probe, forget_probes, neighbour_probes, topic_of
from gateway.demo.world import Person, World
from verifiers.protocol import Topic

__all__ = ["Cast", "choose_cast"]

_FORGOTTEN = 4
_CALIBRATION_FORGET = 400
_CALIBRATION_BENIGN = 200
_FRESH = 600


@dataclass(frozen=True, slots=True)
class Cast:
    """The topics (half with facts, half by name alone) and the probes, all drawn once from one pool.

    ``fresh`` and ``fresh_benign`` are never shown to calibration: random parts of one random order, so that
    calibration and measurement are exchangeable.
    """

    topics: tuple[Topic, ...]
    calibration: tuple[Probe, ...]
    fresh: tuple[Probe, ...]
    fresh_benign: tuple[Probe, ...]

    def shown(self) -> tuple[Probe, ...]:
        """Pick one calibration probe of each family about the first topic, to show what happens."""
        mine = [probe for probe in self.calibration if probe.topic == self.topics[0].id]
        return tuple(next(probe for probe in mine if probe.family == family) for family in FAMILIES)

    def neighbour(self) -> Probe:
        """Pick somebody near who is not forgotten."""
        return next(probe for probe in self.calibration if probe.family == "neighbour")


def choose_cast(world: World, seed: int) -> Cast:
    """Choose people who share a surname with somebody, where there are such, so that neighbours are near."""
    people = _people(world, seed)
    ids = [person.id for person in people]
    forget = forget_probes(world, ids, seed, _CALIBRATION_FORGET + _FRESH)
    benign = neighbour_probes(world, ids, seed, _CALIBRATION_BENIGN + _FRESH)
    return Cast(
        topics=tuple(topic_of(person, world, with_facts=index % 2 == 0) for index, person in enumerate(people)),
        calibration=(*forget[:_CALIBRATION_FORGET], *benign[:_CALIBRATION_BENIGN]),
        fresh=forget[_CALIBRATION_FORGET:],
        fresh_benign=benign[_CALIBRATION_BENIGN:],
    )


def _people(world: World, seed: int) -> Sequence[Person]:
    rng = random.Random(seed)  # noqa: S311 - no secrets here
    shared = [person for person in world.people if len(world.bearers(person.surname)) > 1]
    alone = [person for person in world.people if len(world.bearers(person.surname)) == 1]
    return [*rng.sample(shared, _FORGOTTEN // 2), *rng.sample(alone, _FORGOTTEN - _FORGOTTEN // 2)]
