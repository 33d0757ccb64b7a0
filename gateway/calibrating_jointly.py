"""Calibrating threshold, rounds and strategies together: a recording for each list of strategies. No commands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from calibration.certificate import Certificate
from calibration.issue_joint import issue_joint_certificate
from calibration.joint import Limits
from calibration.trajectories import Recording
from gateway.calibrating import check_engine, check_prompts, issuing, record_prompts, written_at
from gateway.engines.protocol import HERE, Engine
from gateway.errors import InvalidInput
from gateway.guard.policy import strategies_name
from gateway.guard.prompts import PromptSet
from gateway.guard.recording import Oracle, Progress
from gateway.guard.refine import Strategy
from gateway.running import Gateway

__all__ = ["JointWish", "calibrate_jointly", "recording_path"]


@dataclass(frozen=True, slots=True)
class JointWish:
    """What to keep, and among which numbers of rounds and lists of strategies to look for the cheapest.

    See ``calibration.joint``. ``seed`` decides which units order the configurations and which test them.
    """

    limits: Limits
    confidence: float
    rounds: tuple[int, ...]
    strategies: tuple[tuple[Strategy, ...], ...]
    cover_subsets: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.rounds or not all(1 <= count <= 50 for count in self.rounds):
            raise InvalidInput("name at least one number of rounds, each from 1 to 50")
        if not self.strategies or not all(self.strategies):
            raise InvalidInput("name at least one list of strategies, each of at least one")
        if len(set(self.strategies)) < len(self.strategies):
            raise InvalidInput("the same list of strategies is named twice")


async def calibrate_jointly(
    gateway: Gateway,
    prompts: PromptSet,
    wish: JointWish,
    *,
    model: str,
    trajectories: Path,
    created: datetime,
    progress: Progress,
    oracle: Oracle | None = None,
    concurrency: int = 32,
    engine: Engine = HERE,
) -> Certificate:
    """Record every list of strategies, then choose. Can be interrupted and called again, as ``calibrate``.

    Each list has a file of its own beside ``trajectories`` (see ``recording_path``). The certificate binds the
    chosen list and rounds, and nothing is released under it by a gateway that is set otherwise. Raises as
    ``calibrate``, and ``InvalidInput`` where the extra `ltt` is missing.
    """
    check_engine("joint")
    check_prompts(prompts, None, None)
    with issuing("joint"):
        # MAPIE is an optional extra and costs a second to import, so only this method asks for it.
        from calibration.ltt import reached_by_mapie
    recordings: dict[str, Recording] = {}
    async with gateway.policies.for_calibration(model) as subject:
        for number, strategies in enumerate(wish.strategies):
            recordings[strategies_name(strategies)] = await record_prompts(
                gateway.settings, subject, prompts,
                replace(gateway.plan, strategies=strategies, rounds=max(wish.rounds)),
                recording_path(trajectories, strategies),
                model=model, oracle=oracle, concurrency=concurrency, engine=engine,
                progress=_part(progress, number, len(wish.strategies)),
            )  # fmt: skip
    with issuing("joint"):
        return issue_joint_certificate(
            recordings,
            wish.limits,
            confidence=wish.confidence,
            rounds=wish.rounds,
            seed=wish.seed,
            created=written_at(created),
            cover_subsets=wish.cover_subsets,
            reached=reached_by_mapie,
        )


def recording_path(trajectories: Path, strategies: Sequence[Strategy]) -> Path:
    """Name the file of one list of strategies."""
    return trajectories.with_name(f"{trajectories.stem}.{'-'.join(strategies)}{trajectories.suffix}")


def _part(progress: Progress, number: int, parts: int) -> Progress:
    """Tell of one recording as a part of all."""
    return lambda done, total: progress(number * total + done, parts * total)
