"""Comparing models: the same prompts to each, bare and through the loop. Knows no command line."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from statistics import fmean

from evaluation.rates import Rate
from gateway.calibrating import by_forbidden_strings
from gateway.elsewhere import named_keys, sendable
from gateway.engines.protocol import HERE, Engine
from gateway.errors import InvalidInput, UpstreamUnreachable
from gateway.guard.channels import visible
from gateway.guard.loop import Outcome, Released
from gateway.guard.policy import Bounded, Closed, ReleaseRule, ZeroEvidence
from gateway.guard.prompts import Prompt, PromptSet
from gateway.guard.recording import Oracle, Progress
from gateway.guard.together import all_of
from gateway.opening import Backends, open_upstream
from gateway.parts import open_gateway
from gateway.running import Gateway
from gateway.settings import Settings

__all__ = ["Compared", "compare"]


@dataclass(frozen=True, slots=True)
class Compared:
    """One model's figures. ``rule`` is the release rule that its answers went through: the certificate's id, or
    the rule's name, and then ``because`` says why no certificate applied.

    ``kept`` counts the benign answers that the loop left word for word as the bare model gave them;
    ``generations`` and ``seconds`` are means over all requests through the loop, ``seconds_bare`` without it.
    """

    model: str
    rule: str
    because: str
    leaks_bare: Rate
    leaks: Rate
    answered: Rate
    kept: Rate
    generations: float
    seconds: float
    seconds_bare: float


@dataclass(frozen=True, slots=True)
class _Asked:
    prompt: Prompt
    bare: str
    guarded: str
    outcome: Outcome
    seconds_bare: float
    seconds: float


@dataclass(frozen=True, slots=True)
class _Asking:
    """Asks a model, named beside the prompt, bare and through this gateway's loop."""

    gateway: Gateway

    async def __call__(self, asked: tuple[str, Prompt]) -> _Asked:
        model, prompt = asked
        request = prompt.request(model)
        began = time.perf_counter()
        async with self.gateway.policies.serving(model) as served:
            bare = await served.upstream.complete(request if prompt.benign else self.gateway.plan.pinned(request))
        between = time.perf_counter()
        outcome = await self.gateway.ask(request)
        ended = time.perf_counter()
        said = visible(bare.choices), visible(outcome.choices)
        return _Asked(prompt, *said, outcome, between - began, ended - between)


@dataclass(frozen=True, slots=True)
class _AskingElsewhere:
    """The settings and the servers' keys, by which another process opens the same gateway on the same database."""

    settings: Settings
    server_keys: Mapping[str, str]
    revision: int

    @classmethod
    async def of(cls, gateway: Gateway) -> _AskingElsewhere:
        """Put together what is needed. Raises ``StoreError``."""
        record = await gateway.store.snapshot()
        file = gateway.store.database.path
        database = gateway.settings.database if file is None else str(file.absolute())
        settings = sendable(gateway.settings).model_copy(update={"database": database, "audit_file": None})
        return cls(settings, named_keys(settings, record), record.revision)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[_Asking]:
        """Open it. Raises ``InvalidInput`` where its policy is another, ``StoreError`` without the database."""
        async with open_gateway(
            self.settings,
            upstream=open_upstream(self.settings, self.server_keys),
            opener=Backends(self.settings, self.server_keys),
            create=False,
        ) as gateway:
            await gateway.policies.settled()
            if await gateway.policies.follow() != self.revision:
                raise InvalidInput("it serves by another revision of the policy; let every node read one database")
            yield _Asking(gateway)


async def compare(
    gateway: Gateway,
    prompts: PromptSet,
    models: Sequence[str],
    *,
    progress: Progress,
    concurrency: int = 8,
    engine: Engine = HERE,
) -> list[Compared]:
    """Ask each model all prompts, ``concurrency`` at a time at each place of the engine.

    Answers are labelled by the prompts' own strings.

    Forget prompts are asked bare with the decoding that the loop gives them, so that the loop is the only
    difference. Raises ``InvalidInput`` where a forget prompt has no strings to be labelled by,
    ``UpstreamError`` where a model is not available or fails.
    """
    oracle = by_forbidden_strings(prompts)
    if unlabelled := [p.id for p in prompts.prompts if not p.benign and p.forbidden is None]:
        raise InvalidInput(
            f"prompt {unlabelled[0]!r} has no `forbidden` strings to tell a leak by; add or drop it"
        )
    problems = await gateway.policies.settled()
    for model in models:
        if reason := problems.get(model):
            raise UpstreamUnreachable(f"the backend {model!r} is not available: {reason}")
    done, total = 0, len(models) * len(prompts.prompts)
    found: list[Compared] = []
    async with engine.doing(_Asking(gateway), await _AskingElsewhere.of(gateway)) as ask:
        for model in models:
            gate = asyncio.Semaphore(concurrency * engine.places)

            async def one(prompt: Prompt, model: str = model, gate: asyncio.Semaphore = gate) -> _Asked:
                nonlocal done
                async with gate:
                    asked = await ask((model, prompt))
                done += 1
                progress(done, total)
                return asked

            asked = await all_of(one(prompt) for prompt in prompts.prompts)
            _, rule = await gateway.policies.now(model)
            found.append(_summed(model, rule, asked, oracle))
    return found


def _summed(model: str, rule: ReleaseRule, asked: Sequence[_Asked], oracle: Oracle) -> Compared:
    forget = [one for one in asked if not one.prompt.benign]
    return Compared(
        model=model,
        rule=rule.certificate_id if isinstance(rule, Bounded) else type(rule).__name__.lower(),
        because=rule.reason if isinstance(rule, Closed | ZeroEvidence) else "",
        leaks_bare=Rate.of(bool(oracle(one.prompt, one.bare)) for one in forget),
        leaks=Rate.of(bool(oracle(one.prompt, one.guarded)) for one in forget),
        answered=Rate.of(isinstance(one.outcome, Released) for one in forget),
        kept=Rate.of(one.bare == one.guarded for one in asked if one.prompt.benign),
        generations=fmean(one.outcome.generations for one in asked),
        seconds=fmean(one.seconds for one in asked),
        seconds_bare=fmean(one.seconds_bare for one in asked),
    )
