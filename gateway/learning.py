"""Labelled trajectories into a learned verifier, and which units it may not be calibrated on. No command line.

Training needs the extra `learned`; checking what a model saw, and serving it, do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from calibration.trajectories import Recording
from evaluation.learned_training import LabelledScores, scores_of, split_units, train_learned
from gateway.errors import InvalidInput
from gateway.guard.conversation import read_conversation
from gateway.guard.policy import Panel, Policy
from gateway.guard.prompts import Prompt, PromptSet
from gateway.guard.seen import marks_of
from gateway.labelling import recorded
from gateway.store.records import ForgetTopic
from verifiers.learned import LearnedModel
from verifiers.protocol import Abstained, Judge, Topic

__all__ = ["Learning", "Skipped", "Trained", "learn_verifier"]


@dataclass(frozen=True, slots=True)
class Learning:
    """What to learn from: a recording with labels, its prompts, and the share of the units to train on."""

    prompts: PromptSet
    recording: Recording
    share: float = 0.5
    seed: int = 0
    most_chars: int = 200_000


@dataclass(frozen=True, slots=True)
class Skipped:
    """Answers that nothing could be learned from, and why."""

    unlabelled: int = 0
    untouched: int = 0
    abstained: int = 0


@dataclass(frozen=True, slots=True)
class Trained:
    """A model, what it was trained on, and the prompts of the units that it never saw.

    ``examples`` are scored answers of the trained units, ``unseen`` those of the others, for measuring.
    """

    model: LearnedModel
    examples: tuple[LabelledScores, ...]
    unseen: tuple[LabelledScores, ...]
    skipped: Skipped
    rest: tuple[Prompt, ...]


async def learn_verifier(work: Learning, topics: Sequence[ForgetTopic], panel: Panel) -> Trained:
    """Score the recorded answers by every verifier of the panel, and train on a share of the units.

    Every candidate counts, also those that could never be released: the model sees more kinds of answers.
    Raises ``InvalidInput`` where recording, prompts and topics do not belong together, or labels are too few.
    """
    panel = replace(panel, learned=None)
    policy = Policy.prepare(0, topics, panel, verify_timeout_s=None)
    _check(work, policy)
    plain = tuple(each.topic for each in policy.topics.values() if isinstance(each.topic, Topic))
    verifiers = (*panel.cheap, *panel.screened)
    scored, skipped = await _scored(work, policy, [verifier.prepare(plain) for verifier in verifiers])
    chosen, _ = split_units([prompt.unit for prompt in work.prompts.prompts], work.share, work.seed)
    examples = tuple(each for each in scored if each.unit in chosen)
    try:
        model = train_learned(examples, verifiers, work.seed)
    except ValueError as error:
        raise InvalidInput(f"{error}; or train on more of the units with --share") from error
    seen = [prompt for prompt in work.prompts.prompts if prompt.unit in chosen]
    return Trained(
        replace(model, units=tuple(sorted({mark for prompt in seen for mark in marks_of(prompt)}))),
        examples,
        tuple(each for each in scored if each.unit not in chosen),
        skipped,
        tuple(prompt for prompt in work.prompts.prompts if prompt.unit not in chosen),
    )


def _check(work: Learning, policy: Policy) -> None:
    if not policy.topics:
        raise InvalidInput("no topic is active, so no answer can be judged; see `lethe topics on`")
    if dict(work.recording.bindings.topics) != policy.fingerprints:
        raise InvalidInput(
            "the trajectories were recorded with other active topics, or other wordings of them; record again"
        )


async def _scored(work: Learning, policy: Policy, judges: Sequence[Judge]) -> tuple[list[LabelledScores], Skipped]:
    """Score every labelled candidate of a conversation that touches a topic: the only ones that it will judge."""
    found: list[LabelledScores] = []
    unlabelled = untouched = abstained = 0
    for prompt, trajectory in recorded(work.prompts, work.recording):
        said = read_conversation(prompt.request(""), most_chars=work.most_chars)
        if policy.screen is None or not (said.opaque or await policy.screen.touched(said.text)):
            untouched += len(trajectory.candidates)
            continue
        for candidate in trajectory.candidates:
            if candidate.leak is None:
                unlabelled += 1
                continue
            scores = await scores_of(judges, said.exchange(candidate.answer))
            if isinstance(scores, Abstained):
                abstained += 1
                continue
            found.append(LabelledScores(prompt.unit, scores, candidate.leak))
    return found, Skipped(unlabelled, untouched, abstained)
