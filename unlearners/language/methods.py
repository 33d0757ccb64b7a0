"""Each method's phases over a model in memory: what is trained, on what, in which order. Knows no data files."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from accelerate import Accelerator
from torch import nn
from transformers import PreTrainedModel

from unlearners.language.adapters import merged, trainable, with_adapters
from unlearners.language.checkpoint import LanguageModel
from unlearners.language.descent import Course, Record, StepLoss, descend
from unlearners.language.dialogues import Dialogue
from unlearners.language.encoding import encode_dialogue
from unlearners.language.impair_repair import impairing, refused
from unlearners.language.noise import learn_noise
from unlearners.language.objectives import Composed, Models, Retaining, forgetting_for, steered_layer
from unlearners.language.settings import FineTuning, NoiseSettings, RmuSettings
from unlearners.language.sharding import inside, sharded, whole_state
from unlearners.language.turns import Turns
from unlearners.protocol import Progress

__all__ = ["Outcome", "Prepared", "Work", "forget_in_memory", "prepare"]

RMU_BLOCKS = 3
"""RMU trains so many blocks, up to the steered one."""


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """The model that has forgotten, and the per-dialogue gradients that it took."""

    model: PreTrainedModel
    gradients: int


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A method's settings and data, found fit for the model: nothing is changed yet."""

    language: LanguageModel
    settings: FineTuning
    forget: Turns
    retain: Turns
    refusals: Turns | None
    seed: int


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """Where the work is recorded (None: nowhere) under which key, by which processes, and who is told.

    ``sharding`` shares the weights out between the processes, not only the batches.
    """

    accelerator: Accelerator
    progress: Progress
    directory: Path | None = None
    key: str = ""
    sharding: bool = False

    def record(self, phase: str, every: int) -> Record | None:
        """Return where a phase is recorded."""
        return None if self.directory is None else Record(self.directory / f"{phase}.npz", self.key, every)


def prepare(
    language: LanguageModel,
    settings: FineTuning,
    forget: Sequence[Dialogue],
    retain: Sequence[Dialogue],
    seed: int,
    accelerator: Accelerator,
) -> Prepared:
    """Encode the sets. Raises ``ValueError`` for what does not fit the model or the number of processes."""
    room = language.context
    if isinstance(settings, RmuSettings):
        steered_layer(language.model, settings)
    if isinstance(settings, NoiseSettings) and settings.with_noise:
        room -= settings.noise_tokens

    def turns(dialogues: Sequence[Dialogue], batch: int, what: str, most: int) -> Turns:
        encoded = [encode_dialogue(language.tokenizer, dialogue, most) for dialogue in dialogues]
        return Turns(encoded, batch, seed_of(seed, what), accelerator)

    refusals = None
    if isinstance(settings, NoiseSettings):
        replaced = refused(forget, settings.refusal_texts, seed)
        refusals = turns(replaced, settings.batch, "refusals", room)
    return Prepared(
        language,
        settings,
        turns(forget, settings.batch, "forget", room),
        turns(retain, settings.retain_batch, "retain", language.context),
        refusals,
        seed,
    )


def forget_in_memory(prepared: Prepared, work: Work) -> Outcome:
    """Forget. Dropout is off throughout. The model given is trained in place, and the outcome holds it.

    Weights that are shared out are trained in a copy, and put together in the model at the end.
    """
    settings, model = prepared.settings, prepared.language.model
    base = copy.deepcopy(model).requires_grad_(False)
    kept = with_adapters(model, settings.adapter_rank, seed_of(prepared.seed, "adapters"))
    models = Models(kept, base)
    if work.sharding:
        models = Models(*(sharded(one, model, work.accelerator) for one in (copy.deepcopy(kept), base)))
    if isinstance(settings, NoiseSettings):
        spent = _impair_repair(prepared, settings, models, work)
    else:
        spent = _peer(prepared, models, work)
    if work.sharding:
        kept.load_state_dict(whole_state(models.trained))
    return Outcome(merged(kept, settings.adapter_rank), spent)


def seed_of(seed: int, what: str) -> int:
    """Return a seed of its own for each part of the work."""
    return int.from_bytes(hashlib.sha256(f"{seed} {what}".encode()).digest()[:7], "big")


def _peer(prepared: Prepared, models: Models, work: Work) -> int:
    settings, forget = prepared.settings, prepared.forget
    blocks: range | tuple[int, ...] = ()
    if isinstance(settings, RmuSettings):
        layer = steered_layer(models.base, settings)
        blocks = range(max(0, layer - RMU_BLOCKS), layer)
    forgetting = forgetting_for(settings, models, forget, seed_of(prepared.seed, "direction"))
    loss = Composed(Retaining(models, prepared.retain, settings), forgetting, forget)
    steps = settings.epochs * forget.per_epoch
    return _phase("forget", steps, settings.rate, loss, models.trained, settings, work, blocks)


def _impair_repair(prepared: Prepared, settings: NoiseSettings, models: Models, work: Work) -> int:
    noise, refusals = None, prepared.refusals
    if refusals is None:
        raise TypeError("impair-repair is prepared with refusals")
    if settings.with_noise:
        noise = learn_noise(
            models.base,
            prepared.forget,
            settings,
            seed_of(prepared.seed, "noise"),
            work.accelerator,
            work.record("noise", settings.save_every),
            work.progress,
        )
    spent = 0 if noise is None else noise.gradients
    retaining = Retaining(models, prepared.retain, settings)
    impair = Composed(retaining, impairing(models, refusals, noise), refusals)
    steps = settings.epochs * refusals.per_epoch
    spent += _phase("impair", steps, settings.rate, impair, models.trained, settings, work)
    steps = settings.repair_epochs * prepared.retain.per_epoch
    repair = Composed(retaining)
    return spent + _phase("repair", steps, settings.repair_rate, repair, models.trained, settings, work)


def _phase(
    phase: str,
    steps: int,
    rate: float,
    loss: StepLoss,
    model: nn.Module,
    settings: FineTuning,
    work: Work,
    blocks: range | tuple[int, ...] = (),
) -> int:
    course = Course(phase, steps, rate, settings.warm_up, settings.weight_decay, settings.clip)
    record = work.record(phase, settings.save_every)
    trained = trainable(inside(model), blocks)
    return descend(trained, loss, course, work.accelerator, record=record, progress=work.progress)
