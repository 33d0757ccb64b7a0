"""Recording and labelling in another process: what it is sent, and how it opens the same. Knows no cluster."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from calibration.trajectories import Bindings
from gateway.errors import InvalidInput
from gateway.guard.plan import LoopPlan
from gateway.guard.prompts import Prompt
from gateway.guard.recording import Oracle, PromptRecorder
from gateway.guard.steps import Step
from gateway.guard.trajectory import walk
from gateway.in_force import Subject
from gateway.judging import Judging
from gateway.opening import Backends, open_upstream
from gateway.panel import open_panel
from gateway.policies import Exceptions, Policies
from gateway.settings import Settings
from gateway.store.records import PolicyRecord, Server
from gateway.upstream.routing import Routing
from verifiers.protocol import Topic

__all__ = ["JudgingElsewhere", "RecordingElsewhere", "Walking", "named_keys", "sendable"]

_NOT_SENT: Final = ("admin_key", "api_key", "metrics_key")
"""Keys by which others ask this gateway, which a worker does not serve."""


@dataclass(frozen=True, slots=True)
class Walking:
    """Takes a prompt through the loop under one policy and one plan, without stopping."""

    subject: Subject
    plan: LoopPlan
    model: str

    def __call__(self, prompt: Prompt) -> AsyncIterator[Step]:
        """Walk."""
        return walk(self.subject.upstream, self.plan, prompt.request(self.model), self.subject.policy)


@dataclass(frozen=True, slots=True)
class RecordingElsewhere:
    """The settings, the topics and the servers' keys, with which another process records as this one would.

    Holds what is to be forgotten. Models, and files that settings name, are not sent: they lie at the same path
    there, and ``bindings`` tell whether they are the same. ``record`` is a ``Subject``'s.
    """

    settings: Settings
    server_keys: Mapping[str, str]
    record: PolicyRecord
    plan: LoopPlan
    model: str
    oracle: Oracle
    bindings: Bindings

    @classmethod
    def of(
        cls,
        settings: Settings,
        record: PolicyRecord,
        plan: LoopPlan,
        model: str,
        oracle: Oracle,
        bindings: Bindings,
        environment: Mapping[str, str] = os.environ,
    ) -> RecordingElsewhere:
        """Put together what is needed, and no more; of ``environment`` the keys of servers that are named."""
        return cls(
            sendable(settings), named_keys(settings, record, environment), record, plan, model, oracle, bindings
        )

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[PromptRecorder]:
        """Open the models and the verifiers, and close them in the end.

        Raises ``InvalidInput`` where they cannot be opened, or are others than where the calibration was begun.
        """
        async with AsyncExitStack() as stack:
            routing = Routing(
                open_upstream(self.settings, self.server_keys), Backends(self.settings, self.server_keys)
            )
            stack.push_async_callback(routing.aclose)
            policies = Policies(
                _Kept(self.record),
                routing,
                stack.enter_context(open_panel(self.settings)),
                self.plan,
                Exceptions(),
                verify_timeout_s=self.settings.verify_timeout_s,
            )
            subject = await stack.enter_async_context(
                policies.for_calibration(self.model, streamed=self.plan.streamed)
            )
            _check_same(self.bindings, subject.bindings)
            yield PromptRecorder(Walking(subject, self.plan, self.model), self.oracle)


@dataclass(frozen=True, slots=True)
class JudgingElsewhere:
    """The settings of a judge, and the topics that it is told of: with these another process asks the same judge.

    Holds what is to be forgotten, and the judge's key.
    """

    settings: Settings
    topics: Sequence[Topic]
    called_leak_from: float
    fingerprint: str

    @classmethod
    def of(
        cls, settings: Settings, topics: Sequence[Topic], called_leak_from: float, fingerprint: str
    ) -> JudgingElsewhere:
        """Put together what is needed, and no more. ``fingerprint`` is the judge's here."""
        sent = sendable(settings).model_copy(update={"upstream_key": None})
        return cls(sent, topics, called_leak_from, fingerprint)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Judging]:
        """Make ready to ask the judge. Raises ``InvalidInput`` where it cannot be asked, or is another one."""
        # Optional extras, which a worker that records need not have.
        from gateway.model_verifiers import ModelVerifiers

        with ExitStack() as stack:
            judge = ModelVerifiers(self.settings, stack).judge()
            if judge.fingerprint != self.fingerprint:
                raise InvalidInput("it would ask another judge; give every node the same models and files")
            yield Judging.by(judge, self.topics, self.called_leak_from, self.settings.max_prompt_chars)


@dataclass(frozen=True, slots=True)
class _Kept:
    """A policy that does not change any more."""

    record: PolicyRecord

    async def snapshot(self) -> PolicyRecord:
        """Give it."""
        return self.record

    def revision_changed(self) -> bool:
        """Never."""
        return False


def sendable(settings: Settings) -> Settings:
    """Leave out what a worker has no use for; files are named from the root, wherever a worker stands."""
    files = {name: value.absolute() for name, value in settings if isinstance(value, Path)}
    return settings.model_copy(update={**files, **dict.fromkeys(_NOT_SENT)})


def named_keys(
    settings: Settings, record: PolicyRecord, environment: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """Give of ``environment`` the keys of the servers that settings and backends name."""
    places = [backend.place for backend in record.backends]
    named = [one.key_env for one in settings.upstreams]
    named += [place.key_env for place in places if isinstance(place, Server)]
    return {name: environment[name] for name in named if name is not None and name in environment}


def _check_same(wanted: Bindings, found: Bindings) -> None:
    names = ("generator", "verifier", "topics", "refinement", "decoding", "rounds", "streamed")
    others = [name for name in names if getattr(wanted, name) != getattr(found, name)]
    if others:
        raise InvalidInput(
            f"it would record otherwise (another {', '.join(others)}); give every node the same models and files"
        )
