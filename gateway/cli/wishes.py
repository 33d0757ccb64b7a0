"""What `lethe calibrate` was asked to promise, read from its options and checked before any work."""

from __future__ import annotations

from collections.abc import Set
from enum import StrEnum
from pathlib import Path
from typing import Final, cast, get_args

from calibration.groups import keys_in
from calibration.joint import Limits
from calibration.plan import count_units, explain_plan, plan
from gateway.calibrating import Wish, check_prompts
from gateway.calibrating_jointly import JointWish
from gateway.cli.failures import refusing_bad_input
from gateway.errors import InvalidInput
from gateway.guard.prompts import PromptSet
from gateway.guard.refine import Strategy

__all__ = ["MethodName", "joint_wish", "plain_wish", "plan_in_words", "refuse_stray"]

_STRATEGIES: Final = get_args(Strategy)


class MethodName(StrEnum):
    """How the threshold is chosen."""

    RECORD_LOW = "record-low"
    LTT = "ltt"
    JOINT = "joint"


_PLANNING: Final = frozenset({"leaks", "leak_rate", "oracle_miss"})
_CHOOSING: Final = frozenset({"rounds_among", "strategies_among", "most_changed", "most_refused"})
_UNPLANNED: Final = frozenset({"few", "few_seed", "audit", "most_lost", *_CHOOSING})


def refuse_stray(given: Set[str], method: MethodName, *, planning: bool, few: bool) -> None:
    """Refuse options that would be passed over in silence: somebody relies on them. Raises ``InvalidInput``."""
    joint = method is MethodName.JOINT
    for names, why in (
        (set() if planning else _PLANNING, "only with --plan"),
        (set() if joint else _CHOOSING, "only with --method joint"),
        ({"rounds"} if joint else set(), "with --method joint not at all: see --rounds-among"),
        (set() if few else {"few_seed"}, "only with --few"),
        (_UNPLANNED if planning else set(), "not with --plan, which counts units for a threshold alone"),
    ):
        if stray := sorted(given & names):
            raise InvalidInput(f"--{stray[0].replace('_', '-')} counts {why}")
    if planning and joint:
        raise InvalidInput(
            "--plan counts units for a threshold alone; the joint choice orders on a third of the units and tests "
            "on the others, so write at least half as many again as it says without --method joint"
        )


def plain_wish(
    alpha: float,
    confidence: float,
    method: MethodName,
    every_group: str | None,
    tries: int | None,
    most_lost: float | None,
    audit: Path | None,
    few: Path | None,
    few_seed: int,
    *,
    subsets: bool,
) -> Wish:
    """Read the options of the methods that choose a threshold alone. Raises ``InvalidInput``."""
    _check_level(alpha, confidence)
    if few is not None:
        if confidence == 0 or method is not MethodName.RECORD_LOW or every_group or tries or audit or most_lost:
            raise InvalidInput(
                "--few is a method of its own: it needs a --confidence, and goes with none of --method, "
                "--every-group, --tries, --audit and --most-lost"
            )
        return Wish(alpha, confidence, "few_labels", cover_subsets=subsets, sample_seed=few_seed)
    if most_lost is not None:
        _check_share("--most-lost", most_lost)
    if confidence == 0 and (most_lost is not None or audit is not None):
        raise InvalidInput("--most-lost and --audit need a --confidence above 0")
    if method is MethodName.LTT and (confidence == 0 or every_group or tries or audit):
        raise InvalidInput(
            "--method ltt needs a --confidence, and goes with none of --every-group, --tries, --audit"
        )
    return Wish(
        level=alpha,
        confidence=confidence or None,
        method="ltt" if method is MethodName.LTT else "record_low",
        every_group=every_group,
        cover_subsets=subsets,
        tries=tries,
        most_lost=most_lost,
    )


def joint_wish(
    alpha: float,
    confidence: float,
    rounds_among: str,
    strategies_among: str,
    most_changed: float,
    most_refused: float,
    *,
    subsets: bool,
) -> JointWish:
    """Read the options of ``--method joint``; ``most_refused`` 1 sets no limit. Raises ``InvalidInput``."""
    _check_level(alpha, confidence)
    if confidence == 0:
        raise InvalidInput("--method joint needs a --confidence above 0")
    _check_share("--most-changed", most_changed)
    if most_refused != 1:
        _check_share("--most-refused", most_refused)
    limits = Limits(alpha, most_changed, None if most_refused == 1 else most_refused)
    lists = tuple(_strategies(part) for part in strategies_among.split(";"))
    return JointWish(limits, confidence, _rounds(rounds_among), lists, subsets)


def _rounds(text: str) -> tuple[int, ...]:
    try:
        return tuple(sorted({int(part) for part in text.split(",")}))
    except ValueError:
        raise InvalidInput(
            f"--rounds-among takes numbers with commas between, such as 1,2,3, not {text!r}"
        ) from None


def _strategies(text: str) -> tuple[Strategy, ...]:
    names = tuple(name.strip() for name in text.split(","))
    unknown = [name for name in names if name not in _STRATEGIES]
    if unknown:
        raise InvalidInput(
            f"--strategies-among: {unknown[0]!r} is no strategy; write lists with semicolons between, such as "
            f"'revise,unaware;constrain', of {', '.join(_STRATEGIES)}"
        )
    return cast("tuple[Strategy, ...]", names)


def plan_in_words(
    prompts: PromptSet,
    alpha: float,
    confidence: float,
    every_group: str | None,
    leaks: int,
    leak_rate: float,
    oracle_miss: float,
) -> str:
    """Say how many units each group of the prompts has and needs. Raises ``InvalidInput``."""
    _check_level(alpha, confidence)
    check_prompts(prompts, every_group, None)
    forget = [prompt for prompt in prompts.prompts if not prompt.benign]
    pairs = [
        (f"{key} {prompt.topic if key == 'topic' else prompt.groups[key]}", prompt.unit)
        for key in keys_in(every_group)
        for prompt in forget
    ]
    with refusing_bad_input():
        found = plan(
            count_units(pairs or (("all forget prompts", prompt.unit) for prompt in forget)),
            level=alpha,
            confidence=confidence or None,
            leaks=leaks,
            leak_rate=leak_rate,
            oracle_miss=oracle_miss,
        )
    bare = sum(prompt.forbidden is None for prompt in forget)
    note = f"\n{bare} of {len(forget)} forget prompts have no `forbidden` strings: their answers need labels."
    return explain_plan(found) + (f"{note} See `lethe labels`." if bare else "")


def _check_level(alpha: float, confidence: float) -> None:
    if not 0 < alpha < 1 or not 0 <= confidence < 1:
        raise InvalidInput("--alpha must lie between 0 and 1, --confidence from 0 to below 1")


def _check_share(option: str, share: float) -> None:
    if not 0 < share < 1:
        raise InvalidInput(f"{option} must lie between 0 and 1")
