"""Impair-repair (UNSIR): make a classifier forget whole classes by noise. Promises nothing, and says so."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import torch
from torch import Tensor, nn

from unlearners.certificate import DataSeen, Served, UnlearningCertificate, Unlimited, sealed
from unlearners.impair_repair.data import LabelledTensors, classes_in, retained_sample
from unlearners.impair_repair.journal import Journal
from unlearners.impair_repair.noise import learn_noise
from unlearners.impair_repair.settings import ImpairRepairSettings
from unlearners.impair_repair.training import epochs_of
from unlearners.promise import NothingPromised
from unlearners.protocol import ForgetRequest, Progress, Refused, Unlearned, silent

__all__ = ["METHOD", "ClassifierModel", "ImpairRepair"]

METHOD = "impair-repair"

REASON = (
    "impair-repair is a heuristic. An accuracy of 0 on the forgotten class does not show that the class is gone; "
    "weigh it against the control without noise, the steps to relearn it, a linear probe and a membership attack"
)


@dataclass(frozen=True, slots=True, eq=False)
class ClassifierModel:
    """A classifier, the requests it has served, and what they and its training cost in per-row gradients."""

    module: nn.Module
    served: tuple[Served, ...] = ()
    training_gradients: int = 0
    unlearning_gradients: int = 0


class ImpairRepair:
    """An unlearner of whole classes: ``unlearners.protocol.Unlearner[ClassifierModel]``.

    For any module from inputs (n, …) to class scores. ``fit`` trains one from a seed and returns it with the
    per-row gradients spent (it may be omitted where a trained model is given to ``unlearn``). Requests name
    classes whole (``class_request``); all of one call are impaired and repaired together. ``directory`` keeps
    the state after each phase, so that the same call goes on where a crash left it.
    """

    name = METHOD

    def __init__(
        self,
        data: LabelledTensors,
        settings: ImpairRepairSettings,
        *,
        seed: int,
        fit: Callable[[int, Progress], tuple[nn.Module, int]] | None = None,
        directory: Path | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.data, self.settings, self.seed = data, settings, seed
        self._fit = fit
        self._path = None if directory is None else directory / "progress.npz"
        self._now = now

    def train(self, *, seed: int, progress: Progress = silent) -> ClassifierModel:
        """Learn all classes by the ``fit`` given. Raises ``ValueError`` without one."""
        if self._fit is None:
            raise ValueError("no way to train was given; pass 'fit', or a trained ClassifierModel to unlearn")
        module, gradients = self._fit(seed, progress)
        return ClassifierModel(module, training_gradients=gradients)

    def unlearn(
        self, model: ClassifierModel, requests: Sequence[ForgetRequest], *, progress: Progress = silent
    ) -> Unlearned[ClassifierModel]:
        """Forget the classes that the requests name. ``model`` is left as it is. Raises ``Refused``."""
        new, gone = self._named(model, requests)
        generator = torch.Generator().manual_seed(self.seed)
        retained = retained_sample(self.data, (*gone, *new), self.settings.retain_per_class, generator)
        journal = Journal(self._path, self._key(model, requests))
        module = copy.deepcopy(model.module)
        impaired = self._impaired(module, new, retained, journal, progress)
        self._phase(module, retained, "repair", journal, progress)
        spent = impaired + retained.rows
        cost = spent / self.data.rows / len(requests)
        after = ClassifierModel(
            module,
            model.served + tuple(Served(request.rows, cost) for request in requests),
            model.training_gradients,
            model.unlearning_gradients + spent,
        )
        return Unlearned(after, self.certificate(after))

    def certificate(self, model: ClassifierModel) -> UnlearningCertificate:
        """Say what was done, and that nothing is promised."""
        return sealed(
            UnlearningCertificate(
                id="",
                created=self._now().isoformat(),
                method=METHOD,
                promise=NothingPromised(REASON),
                data=DataSeen(self.data.sha256, self.data.rows, self.data.inputs[0].numel()),
                parameters=self.settings.parameters(),
                assumptions=(),
                served=model.served,
                remaining=Unlimited("each learns its noise, impairs and repairs again"),
                gradients_spent=model.unlearning_gradients,
                training_gradients=model.training_gradients,
                seed=self.seed,
            )
        )

    def _named(
        self, model: ClassifierModel, requests: Sequence[ForgetRequest]
    ) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the classes asked for, and those forgotten before."""
        if not requests:
            raise ValueError("there is nothing to forget: no request was given")
        asked = [label for request in requests for label in classes_in(self.data, request)]
        gone = tuple(label for one in model.served for label in classes_in(self.data, ForgetRequest(one.rows)))
        for place, label in enumerate(asked):
            if label in gone or label in asked[:place]:
                raise Refused("a class is forgotten once", f"class {label} is named again")
        return tuple(asked), gone

    def _impaired(
        self,
        module: nn.Module,
        classes: Sequence[int],
        retained: LabelledTensors,
        journal: Journal,
        progress: Progress,
    ) -> int:
        """Learn the noises apart, impair with all of them; return the gradients spent."""
        if not self.settings.with_noise:
            self._phase(module, retained, "impair", journal, progress)
            return retained.rows
        noises = [self._noise(module, label, journal, progress) for label in classes]
        named = [
            torch.full((len(noise),), label, device=self.data.labels.device)
            for noise, label in zip(noises, classes, strict=True)
        ]
        inputs = torch.cat([retained.inputs, *(noise.to(retained.inputs) for noise in noises)])
        mixed = LabelledTensors(inputs, torch.cat([retained.labels, *named]))
        self._phase(module, mixed, "impair", journal, progress)
        return mixed.rows + len(classes) * self.settings.noise_images * self.settings.noise_steps

    def _noise(self, module: nn.Module, label: int, journal: Journal, progress: Progress) -> Tensor:
        phase = f"noise {label}"
        if (found := journal.tensors(phase)) is not None:
            return found["noise"]
        shape = tuple(self.data.inputs.shape[1:])
        noise = learn_noise(module, label, shape, self.settings, seed=_seed(self.seed, phase), progress=progress)
        journal.record(phase, {"noise": noise})
        return noise

    def _phase(
        self, module: nn.Module, data: LabelledTensors, phase: str, journal: Journal, progress: Progress
    ) -> None:
        """Train one epoch, or take the recorded state after it."""
        if (found := journal.tensors(phase)) is not None:
            module.load_state_dict(found)
            return
        rate = self.settings.impair_rate if phase == "impair" else self.settings.repair_rate
        epochs_of(
            module,
            data,
            rate=rate,
            epochs=1,
            batch=self.settings.batch,
            optimiser=self.settings.optimiser,
            seed=_seed(self.seed, phase),
            progress=lambda _, done, total: progress(phase, done, total),
        )
        journal.record(phase, module.state_dict())

    def _key(self, model: ClassifierModel, requests: Sequence[ForgetRequest]) -> str:
        digest = hashlib.sha256()
        for name, value in model.module.state_dict().items():
            digest.update(name.encode())
            digest.update(value.detach().cpu().contiguous().numpy().tobytes())
        rows = [request.rows for request in requests]
        before = [one.rows for one in model.served]
        settings = sorted(self.settings.parameters().items())
        parts = [self.data.sha256, digest.hexdigest(), self.seed, rows, before, settings]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _seed(seed: int, phase: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed} {phase}".encode()).digest()[:7], "big")
