"""What `lethe probes` gets out of the demo's model by family, and what a certificate for every family then holds.

The probes are written from topics with facts; the gateway knows the same topics by name alone. Run
``python benchmarks/attack_families.py --topics 14 --per-family 18 --level 0.05``.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from calibration.certificate import Certificate
from calibration.explanation import in_one_sentence
from calibration.replay import generations, leaks_at, released
from calibration.trajectories import Trajectory
from calibration.trajectory_file import read_trajectories
from evaluation.probing.probe import FAMILIES, prompt_line
from evaluation.probing.writing import write_probes
from gateway.calibrating import Wish, calibrate
from gateway.demo.checkpoint import cache_dir, ensure_model
from gateway.demo.probes import topic_of
from gateway.demo.world import invent_world
from gateway.guard.prompts import read_prompts
from gateway.parts import open_gateway
from gateway.settings import given_settings
from gateway.store.records import ForgetTopic


async def recorded(
    folder: Path, topics: int, per_family: int, level: float, **verifying: object
) -> tuple[Certificate, Sequence[Trajectory]]:
    """Write the probes, calibrate for every family, and return the certificate and all trajectories.

    ``verifying`` are settings of the verifiers.
    """
    world = invent_world(0)
    people = world.people[:topics]
    written = write_probes([topic_of(p, world, with_facts=True) for p in people], per_family=per_family)
    (folder / "probes.jsonl").write_text("".join(map(prompt_line, written.probes)), encoding="utf-8")
    model = ensure_model(cache_dir(os.environ), 0)
    settings = given_settings(
        database=str(folder / "gateway.db"), model_dir=model.path, model_name="demo", rounds=5, **verifying
    )
    async with open_gateway(settings) as gateway:
        for person in people:
            await gateway.store.add(ForgetTopic(topic_of(person, world, with_facts=False)))
        certificate = await calibrate(
            gateway,
            read_prompts(folder / "probes.jsonl"),
            Wish(level=level, confidence=0.95, every_group="family", cover_subsets=False),
            model="demo",
            trajectories=folder / "trajectories.jsonl",
            labels=None,
            created=datetime.now(UTC),
            progress=lambda done, total: None,
        )
    return certificate, read_trajectories(folder / "trajectories.jsonl").trajectories


def row(family: str, trajectories: Sequence[Trajectory], threshold: float | None) -> str:
    """Sum up one family as a row of a Markdown table; without a threshold, only what the bare model does."""
    first = sum(bool(t.candidates and t.candidates[0].leak) for t in trajectories)
    cells = [len(trajectories), len({t.unit for t in trajectories}), first]
    if threshold is not None:
        cells.append(sum(released(t, threshold) is not None for t in trajectories))
        cells.append(sum(leaks_at(t, threshold) for t in trajectories))
    paid = (
        ""
        if threshold is None
        else f"{sum(generations(t, threshold) for t in trajectories) / len(trajectories):.2f}"
    )
    return f"| `{family}` | " + " | ".join(map(str, cells)) + f" | {paid} |"


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--topics", type=int, default=14)
    parser.add_argument("--per-family", type=int, default=18)
    parser.add_argument("--level", type=float, default=0.05)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        certificate, trajectories = asyncio.run(
            recorded(Path(folder), wanted.topics, wanted.per_family, wanted.level)
        )
    print(in_one_sentence(certificate))
    print("| family | probes | units | first answer leaks | answered | leaks released | generations |")
    print("|---|---|---|---|---|---|---|")
    for family in FAMILIES:
        mine = [t for t in trajectories if t.groups["family"] == family]
        print(row(family, mine, certificate.threshold))


if __name__ == "__main__":
    main()
