"""Runs by Langevin or PCMU, whichever is named: settings, unlearner and files of either. Knows no data file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from unlearners import runs
from unlearners.arrays import Put, in_memory
from unlearners.bags import Bags
from unlearners.certificate import UnlearningCertificate
from unlearners.data import Dataset
from unlearners.langevin import unlearner as langevin
from unlearners.langevin.choice import chosen_settings
from unlearners.langevin.settings import LangevinSettings
from unlearners.losses import Multinomial, loss_for
from unlearners.pcmu import unlearner as pcmu
from unlearners.pcmu.settings import PcmuSettings
from unlearners.pcmu.task import PcmuTask
from unlearners.protocol import Progress
from unlearners.recipe import Recipe, Value, settings_of
from unlearners.yardstick import Weights, Yardstick

__all__ = ["METHODS", "Clock", "Coded", "Head", "Method", "coded_settings", "forget", "train"]

Method: TypeAlias = Literal["langevin", "pcmu"]
METHODS: tuple[str, ...] = get_args(Method)

Clock: TypeAlias = Callable[[], datetime]
Publish: TypeAlias = Callable[[Path, Weights, UnlearningCertificate], UnlearningCertificate]
"""Writes weights into a directory, and returns the certificate bound to them."""


@dataclass(frozen=True, slots=True, eq=False)
class Coded:
    """What PCMU learns from the file ``source``; one of its data is called ``noun``."""

    source: Path
    noun: str
    task: PcmuTask
    publish: Publish
    yardstick: Yardstick

    def subject(self, settings: PcmuSettings, now: Clock) -> runs.Subject[pcmu.PcmuModel]:
        """Return the subject of a run."""

        def make(work: Path) -> runs.Kept[pcmu.PcmuModel]:
            one = pcmu.Pcmu(self.task, settings, directory=work, now=now)
            return runs.Kept(one, pcmu.read_model, pcmu.write_model, partial(_published, self.publish))

        return runs.Subject(self.task.data, self.source, self.noun, make, self.yardstick)


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """A linear head on ``data``, which starts at ``centre`` (None: at zeros); ``task`` makes it one for PCMU.

    ``defaults`` stand in for settings of Langevin that are left out; ``put`` is where it descends. The rest is as
    for ``Coded``.
    """

    source: Path
    noun: str
    data: Dataset | Bags
    task: Callable[[], PcmuTask]
    publish: Publish
    yardstick: Yardstick
    centre: Weights | None = None
    defaults: Mapping[str, Value] = field(default_factory=dict)
    put: Put = in_memory

    def subject(self, settings: LangevinSettings, now: Clock) -> runs.Subject[langevin.LangevinModel]:
        """Return the subject of a run by Langevin."""

        def make(work: Path) -> runs.Kept[langevin.LangevinModel]:
            one = langevin.Langevin(self.data, settings, centre=self.centre, put=self.put, directory=work, now=now)
            return runs.Kept(one, langevin.read_model, langevin.write_model, partial(_published, self.publish))

        return runs.Subject(self.data, self.source, self.noun, make, self.yardstick)

    def coded(self) -> Coded:
        """Return it as PCMU learns it. Raises ``Refused`` as the task does."""
        return Coded(self.source, self.noun, self.task(), self.publish, self.yardstick)

    def settings(self, method: str, given: Mapping[str, Value]) -> LangevinSettings | PcmuSettings:
        """Complete the settings given. Raises ``ValueError`` for another method, and for what is unusable."""
        _check_method(method)
        if method == "langevin":
            data = self.data
            loss = Multinomial(data.outputs) if isinstance(data, Bags) else loss_for(len(data.classes))
            return chosen_settings({**self.defaults, **given}, self.data.rows, loss)
        return coded_settings(given, self.data.rows)


def train(
    head: Head,
    method: str,
    given: Mapping[str, Value],
    how: Mapping[str, Value],
    out: Path,
    *,
    seed: int | None,
    progress: Progress,
    now: Clock,
) -> UnlearningCertificate:
    """Train the head into the new ``out``; ``how`` is how its data were read. Raises as ``runs.train``."""
    settings = head.settings(method, given)
    recipe = Recipe(method, dict(settings.parameters()), how)
    if isinstance(settings, LangevinSettings):
        return runs.train(head.subject(settings, now), out, recipe, seed=seed, progress=progress)
    return runs.train(head.coded().subject(settings, now), out, recipe, seed=seed, progress=progress)


def forget(
    head: Head,
    recipe: Recipe,
    model: Path,
    wanted: Sequence[str],
    out: Path,
    *,
    together: bool,
    progress: Progress,
    now: Clock,
) -> UnlearningCertificate:
    """Forget from the run's ``model`` into ``out``, by the recipe's method. Raises as ``runs.forget``."""
    _check_method(recipe.method)
    if recipe.method == "langevin":
        noisy = head.subject(settings_of(LangevinSettings, recipe.settings), now)
        return runs.forget(noisy, model, out, wanted, recipe, together=together, progress=progress)
    coded = head.coded().subject(settings_of(PcmuSettings, recipe.settings), now)
    return runs.forget(coded, model, out, wanted, recipe, together=together, progress=progress)


def _check_method(method: str) -> None:
    """Raise ``ValueError`` for a method that trains no head."""
    if method not in METHODS:
        raise ValueError(f"the method is 'langevin' or 'pcmu', not {method!r}")


def coded_settings(given: Mapping[str, Value], rows: int) -> PcmuSettings:
    """Complete PCMU's settings. Raises ``ValueError`` for those that are unusable."""
    return settings_of(PcmuSettings, given, delta=1 / max(2, rows))


def _published(
    publish: Publish, directory: Path, model: runs.Learned, certificate: UnlearningCertificate
) -> UnlearningCertificate:
    return publish(directory, model.weights, certificate)
