"""Calibrating: prompts through a gateway's own loop, labelled, into a certificate. Knows no command line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from calibration.certificate import Certificate, Method
from calibration.groups import keys_in
from calibration.issue import issue_certificate
from calibration.issue_few_labels import issue_few_labels_certificate
from calibration.oracle_error import Audit
from calibration.trajectories import Recording
from calibration.trajectory_file import apply_labels
from evaluation.oracle import ForbiddenStrings
from gateway.elsewhere import RecordingElsewhere, Walking
from gateway.engines.protocol import HERE, Engine
from gateway.errors import Inapplicable, InvalidInput, UnknownModel, UpstreamError
from gateway.guard.plan import LoopPlan
from gateway.guard.policy import Policy
from gateway.guard.prompts import Prompt, PromptSet
from gateway.guard.recording import Oracle, Progress, PromptRecorder, Recorder
from gateway.guard.seen import check_unseen
from gateway.in_force import Subject
from gateway.labelling import audited, sampled
from gateway.running import Gateway
from gateway.settings import Settings
from gateway.threads import apart
from gateway.upstream.protocol import Upstream

__all__ = [
    "Wish",
    "by_forbidden_strings",
    "calibrate",
    "check_engine",
    "check_prompts",
    "issuing",
    "record_prompts",
    "written_at",
]

_MOST_LISTED: Final = 20


@dataclass(frozen=True, slots=True)
class Wish:
    """What the certificate should promise: see ``calibration.issue.issue_certificate``.

    ``sample_seed`` drew the units that people labelled, for the method ``few_labels``.
    ``streamed``: about answers that go out segment by segment, where a leak is a leak in what was sent.
    """

    level: float = 0.05
    confidence: float | None = 0.95
    method: Method = "record_low"
    every_group: str | None = None
    cover_subsets: bool = True
    tries: int | None = None
    most_lost: float | None = None
    sample_seed: int = 0
    streamed: bool = False


async def calibrate(
    gateway: Gateway,
    prompts: PromptSet,
    wish: Wish,
    *,
    model: str,
    trajectories: Path,
    labels: Path | None,
    created: datetime,
    progress: Progress,
    oracle: Oracle | None = None,
    audit: Path | None = None,
    few: Path | None = None,
    concurrency: int = 32,
    engine: Engine = HERE,
) -> Certificate:
    """Record, label and issue. Can be interrupted and called again with the same ``trajectories`` file.

    Prompts are recorded by ``engine``, ``concurrency`` at a time at each of its places; an interrupted run may be
    taken up by another engine.

    Answers are labelled by ``oracle``, by default the prompts' forbidden strings; ``labels`` win over either.
    ``audit`` is a file of people's labels for some of the prompts, by which the error of the others is measured;
    ``few`` one for a random sample of the units, which the method ``few_labels`` needs.

    Raises ``InvalidInput`` for a file of other bindings, where no topic is active, and, after recording, where
    labels are missing; ``UpstreamError`` if the model fails.
    """
    check_engine(wish.method)
    check_prompts(prompts, wish.every_group, wish.tries)
    plan = replace(gateway.plan, streamed=wish.streamed)
    async with gateway.policies.for_calibration(model, streamed=wish.streamed) as subject:
        recording = await record_prompts(
            gateway.settings, subject, prompts, plan, trajectories,
            model=model, oracle=oracle, progress=progress, concurrency=concurrency, engine=engine,
        )  # fmt: skip
    # Seconds of computing, for which nobody else in this process should wait.
    return await apart(_certificate, recording, wish, labels, audit, few, created)


def _certificate(
    recording: Recording, wish: Wish, labels: Path | None, audit: Path | None, few: Path | None, created: datetime
) -> Certificate:
    with issuing(wish.method):
        if labels is not None:
            recording = apply_labels(recording, labels)
        if few is not None:
            return _issued_by_few(recording, wish, few, created)
        certificate = _issued(recording, wish, None, created)
        if audit is None or certificate.threshold is None:
            return certificate
        return _issued(recording, wish, audited(recording, audit, certificate.threshold), created)


def _issued(recording: Recording, wish: Wish, audit: Audit | None, created: datetime) -> Certificate:
    return issue_certificate(
        recording,
        level=wish.level,
        confidence=wish.confidence,
        method=wish.method,
        every_group=wish.every_group,
        cover_subsets=wish.cover_subsets,
        tries=wish.tries,
        audit=audit,
        most_lost=wish.most_lost,
        created=written_at(created),
    )


def _issued_by_few(judged: Recording, wish: Wish, few: Path, created: datetime) -> Certificate:
    if wish.confidence is None:
        raise InvalidInput("few people's labels need a confidence: there is no form without")
    return issue_few_labels_certificate(
        judged,
        sampled(judged, few),
        level=wish.level,
        confidence=wish.confidence,
        seed=wish.sample_seed,
        cover_subsets=wish.cover_subsets,
        created=written_at(created),
    )


@contextmanager
def issuing(method: Method) -> Iterator[None]:
    """Turn what the calibration leaf says of bad input, and a missing engine, into ``InvalidInput``."""
    try:
        yield
    except ValueError as error:
        raise InvalidInput(str(error)) from error
    except ImportError as error:
        raise _needs_mapie(method) from error


def check_engine(method: Method) -> None:
    """Refuse, before any work, a method whose engine is not installed here. Raises ``Inapplicable``."""
    if method in ("ltt", "joint") and find_spec("mapie") is None:
        raise _needs_mapie(method)


def _needs_mapie(method: Method) -> Inapplicable:
    return Inapplicable(
        f"the method {method} needs MAPIE, which is not installed: in the checkout, "
        "pip install -c constraints.txt '.[ltt]'",
        param="method",
    )


def written_at(moment: datetime) -> str:
    """Write a time as certificates do."""
    return moment.astimezone(UTC).isoformat(timespec="seconds")


async def record_prompts(
    settings: Settings,
    subject: Subject,
    prompts: PromptSet,
    plan: LoopPlan,
    path: Path,
    *,
    model: str,
    oracle: Oracle | None,
    progress: Progress,
    concurrency: int,
    engine: Engine,
) -> Recording:
    """Take the prompts through the loop of this plan, which need not be the one that is served."""
    _check_topics(prompts, subject.policy)
    check_unseen(prompts, subject.learned)
    fingerprint = plan.refinement_fingerprint(subject.upstream.capabilities)
    bindings = replace(subject.bindings, refinement=fingerprint, rounds=plan.rounds)
    here = PromptRecorder(Walking(subject, plan, model), oracle or by_forbidden_strings(prompts))
    elsewhere = RecordingElsewhere.of(settings, subject.record, plan, model, here.oracle, bindings)
    async with engine.doing(here, elsewhere) as record_prompt:
        recorder = Recorder(
            record_prompt, replace(bindings, prompts=prompts.fingerprint), concurrency * engine.places
        )
        try:
            return await recorder.record(prompts, path, progress)
        except UnknownModel as error:
            raise UnknownModel(await _what_there_is(subject.upstream, model, str(error)), param="model") from error


async def _what_there_is(upstream: Upstream, model: str, said: str) -> str:
    """Say which models the server lists, where that explains why it did not know this one."""
    try:
        listed = await upstream.models()
    except UpstreamError:
        listed = ()
    if not listed or model in listed:
        return f"asked for the model {model!r}: {said}"
    return f"there is no model {model!r}: {said}, and it lists {', '.join(listed[:_MOST_LISTED])}"


def _check_topics(prompts: PromptSet, policy: Policy) -> None:
    if not policy.topics:
        raise InvalidInput("no topic is active, so there is nothing to calibrate; see `lethe topics on`")
    for prompt in prompts.prompts:
        if prompt.topic is not None and prompt.topic not in policy.topics:
            raise InvalidInput(
                f"prompt {prompt.id!r} probes the topic {prompt.topic!r}, which is not active; "
                "activate it or drop the prompt"
            )


def check_prompts(prompts: PromptSet, every_group: str | None, tries: int | None) -> None:
    """Refuse, before any work, prompts that lack a group or sessions that lack a try. ``InvalidInput``."""
    forget = [prompt for prompt in prompts.prompts if not prompt.benign]
    for key in keys_in(every_group):
        without = [p.id for p in forget if (p.topic if key == "topic" else p.groups.get(key)) is None]
        if without:
            known = sorted({key for prompt in forget for key in prompt.groups} | {"topic"})
            raise InvalidInput(
                f"the groups of {key!r}: prompt {without[0]!r} says none, and every forget prompt must (keys that "
                f"some have: {', '.join(known)})"
            )
    counts = Counter(prompt.unit for prompt in forget)
    short = [unit for unit, count in counts.items() if tries is not None and count < tries]
    if short:
        raise InvalidInput(
            f"session {short[0]!r} has {counts[short[0]]} prompts of {tries}: give the prompts of a session the "
            "same `unit`, write more of them, or promise fewer tries"
        )


def by_forbidden_strings(prompts: PromptSet) -> Oracle:
    """Label by the prompts' own forbidden strings. Raises ``InvalidInput`` for one without a letter or digit."""
    try:
        references = {
            prompt.id: ForbiddenStrings.of(prompt.forbidden)
            for prompt in prompts.prompts
            if prompt.forbidden is not None
        }
    except ValueError as error:
        raise InvalidInput(f"the prompts file: {error}") from error
    return _ByStrings(references)


@dataclass(frozen=True, slots=True)
class _ByStrings:
    references: Mapping[str, ForbiddenStrings]

    def __call__(self, prompt: Prompt, answer: str) -> bool | None:
        reference = self.references.get(prompt.id)
        return None if reference is None else reference.leaks(answer)
