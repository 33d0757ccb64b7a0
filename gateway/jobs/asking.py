"""Asking for a calibration: what is wrong with it is said before any work. Knows neither HTTP nor the loop."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from gateway.calibrating import Wish, by_forbidden_strings, check_engine, check_prompts
from gateway.errors import InvalidInput, UnknownModel
from gateway.guard.prompts import PromptSet, parse_prompts
from gateway.running import Gateway
from gateway.store.calibration_jobs import CalibrationJobs
from gateway.store.calibration_records import CalibrationJob, NewJob

__all__ = ["MOST_PROMPTS", "ask_for", "prompts_of", "wish_of"]

MOST_PROMPTS: Final = 20_000
"""So many are read in a second or two, and kept in memory with their answers."""


async def ask_for(
    gateway: Gateway,
    jobs: CalibrationJobs,
    prompts: str,
    wish: Wish,
    *,
    model: str | None,
    concurrency: int,
    asked_by: str,
) -> CalibrationJob:
    """Have a calibration done by a process that serves. ``prompts`` are JSON Lines, as of a prompts file.

    Raises ``InvalidInput`` for prompts that cannot support the wish, ``Inapplicable`` for a method whose engine is
    not installed, ``UnknownModel``, ``UpstreamError`` where the
    models cannot be named, and ``Conflict`` where many jobs wait.
    """
    check_engine(wish.method)
    found = prompts_of(prompts)
    _check(found, wish)
    named = await _named(gateway, model)
    said = {**asdict(wish), "concurrency": concurrency}
    return await jobs.add(NewJob(uuid.uuid4().hex, named, said, prompts, len(found.prompts), asked_by))


def prompts_of(text: str) -> PromptSet:
    """Read a job's prompts. Raises ``InvalidInput``."""
    return parse_prompts(text.encode(), "the prompts")


def wish_of(said: Mapping[str, Any]) -> tuple[Wish, int]:
    """Read a job's wish and concurrency, as ``ask_for`` wrote them. Raises ``TypeError`` for another Lethe's."""
    wish = dict(said)
    concurrency = int(wish.pop("concurrency"))
    return Wish(**wish), concurrency


def _check(prompts: PromptSet, wish: Wish) -> None:
    if len(prompts.prompts) > MOST_PROMPTS:
        raise InvalidInput(f"a job takes {MOST_PROMPTS} prompts at most; use `lethe calibrate`", param="prompts")
    if without := [one.id for one in prompts.prompts if not one.benign and one.forbidden is None]:
        raise InvalidInput(
            f"prompt {without[0]!r} has no `forbidden` strings, by which a job labels the answers; write them, or "
            "let people label with `lethe calibrate`",
            param="prompts",
        )
    by_forbidden_strings(prompts)
    check_prompts(prompts, wish.every_group, wish.tries)


async def _named(gateway: Gateway, model: str | None) -> str:
    models = await gateway.upstream.models()
    if model is None and len(models) == 1:
        return models[0]
    if model is None:
        raise InvalidInput(f"name one of the models: {', '.join(models) or 'none is served'}", param="model")
    if model not in models:
        raise UnknownModel("there is no such model; GET /v1/models lists them", param="model")
    return model
