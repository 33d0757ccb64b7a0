"""A trained model's directory, and the work beside it while it is made. Knows no method and no data file."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import numpy as np

from unlearners.certificate import DataSeen, UnlearningCertificate, keyed_digest
from unlearners.checkpoint import STAGING, new_directory, read_checkpoint
from unlearners.counted import counted
from unlearners.data import Units
from unlearners.fields import field
from unlearners.measured import FILE as MEASURED
from unlearners.measured import FORGET, Measured
from unlearners.protocol import ForgetRequest, Progress, Refused, Unlearned
from unlearners.recipe import FILE as RECIPE
from unlearners.recipe import Recipe
from unlearners.requests import requests_for
from unlearners.weights import check_weights
from unlearners.workplace import LOCK, REQUEST, cleared, locked, work_beside
from unlearners.yardstick import Weights, Yardstick, compared

__all__ = [
    "CERTIFICATE",
    "SAME_DATA",
    "STATE",
    "Certifying",
    "Kept",
    "Learned",
    "Subject",
    "forget",
    "read_data_key",
    "seen",
    "train",
]

CERTIFICATE = "unlearning.json"
STATE = "state.npz"
"""The secret part: it holds the seed, so it is readable by its owner alone and never published."""
KEPT = "retain"
SAME_DATA = "the model was trained on this data with these settings"


class Learned(Protocol):
    """What a run needs of a model."""

    @property
    def weights(self) -> Weights:
        """Return all that was learned."""
        ...


ModelT = TypeVar("ModelT", bound=Learned)


class Certifying(Protocol[ModelT]):
    """What a run needs of an unlearner; see ``unlearners.protocol.Unlearner``."""

    def train(self, *, seed: int | None = None, progress: Progress = ...) -> ModelT:
        """Learn all the data; without a seed one is drawn and kept secret."""
        ...

    def unlearn(
        self, model: ModelT, requests: Sequence[ForgetRequest], *, progress: Progress = ...
    ) -> Unlearned[ModelT]:
        """Forget the requests in order."""
        ...

    def certificate(self, model: ModelT) -> UnlearningCertificate:
        """Certify a model as it stands."""
        ...


@dataclass(frozen=True, slots=True)
class Kept(Generic[ModelT]):
    """An unlearner with its files: the whole state (secret), and what is published into a directory.

    ``publish`` returns the certificate bound to the weights that it wrote (``unlearners.weights``).
    """

    unlearner: Certifying[ModelT]
    read: Callable[[Path], ModelT]
    write: Callable[[Path, ModelT], None]
    publish: Callable[[Path, ModelT, UnlearningCertificate], UnlearningCertificate]


@dataclass(frozen=True, slots=True)
class Subject(Generic[ModelT]):
    """What a run is about: the data of the file ``source``, how they are learned, how the result is judged.

    ``make`` is given the work directory for its progress. ``noun`` is what one of the data is called.
    """

    data: Units
    source: Path
    noun: str
    make: Callable[[Path], Kept[ModelT]]
    yardstick: Yardstick

    @property
    def ids(self) -> tuple[str, ...]:
        """Return the names by which the data are forgotten: their positions from 0, where they have none."""
        return self.data.ids or tuple(map(str, range(self.data.rows)))


def train(
    subject: Subject[ModelT], out: Path, recipe: Recipe, *, seed: int | None, progress: Progress
) -> UnlearningCertificate:
    """Train into the new directory ``out``. The same call goes on where a crash left it.

    Raises ``ValueError`` where ``out`` exists, or where other work was begun for it.
    """
    request = {"train": recipe.to_json(), "seed": seed}
    if (done := _finished(out, request)) is not None:
        return done
    with _pending(out, request) as work:
        kept = subject.make(work)
        model = kept.unlearner.train(seed=seed, progress=progress)
        everything = {"learned": np.arange(subject.data.rows)}
        yardstick = subject.yardstick
        measured = compared(yardstick, yardstick.untrained, model.weights, everything, "learned")
        return _finish(out, kept, model, kept.unlearner.certificate(model), recipe, measured)


def forget(
    subject: Subject[ModelT],
    old: Path,
    out: Path,
    wanted: Sequence[str],
    recipe: Recipe,
    *,
    together: bool = True,
    progress: Progress,
) -> UnlearningCertificate:
    """Forget what ``wanted`` names from the directory ``old``, which stays as it is, into the new ``out``.

    A crash leaves the request recorded beside ``out``, and the same call goes on. A refused request leaves
    nothing. Whoever holds ``old`` still holds what was forgotten: delete it once ``out`` is served. Raises
    ``Refused`` where the data are not those trained on, and as ``requests_for`` and the unlearner do.
    """
    before = _certificate_in(old)
    _check_trained_on(subject, old, before.data)
    requests = requests_for(wanted, subject.ids, before.served, noun=subject.noun, together=together)
    rows = [list(request.rows) for request in requests]
    request = {"forget": rows, "from": str(old.absolute())}
    if (finished := _finished(out, request)) is not None:
        return finished
    with _pending(out, request) as work:
        kept = subject.make(work)
        model = kept.read(old / STATE)
        done = kept.unlearner.unlearn(model, requests, progress=progress)
        gone = np.array([row for one in rows for row in one])
        served = [row for one in done.certificate.served for row in one.rows]
        sets = {FORGET: gone, KEPT: np.setdiff1d(np.arange(subject.data.rows), served)}
        measured = compared(subject.yardstick, model.weights, done.model.weights, sets, KEPT)
        return _finish(out, kept, done.model, done.certificate, recipe, measured)


def seen(data: Units, key: str) -> DataSeen:
    """Return what a certificate says of these data, under the key of their digest."""
    with suppress(ValueError):  # data that were never taken: not those of any certificate
        data = data.bounded()
    return DataSeen(keyed_digest(key, data.sha256), data.rows, data.width)


def _check_trained_on(subject: Subject[ModelT], old: Path, trained_on: DataSeen) -> None:
    found = seen(subject.data, read_data_key(old))
    if found == trained_on:
        return
    if found.rows != trained_on.rows:
        differs = f"it holds {counted(found.rows, subject.noun)}, and {trained_on.rows} were trained on"
    elif found.features != trained_on.features:
        differs = f"each {subject.noun} has {found.features} features in it, and had {trained_on.features}"
    else:
        differs = (
            f"it holds as many {subject.noun}s, but a value, a label, their order or "
            "what makes features is another"
        )
    raise Refused(SAME_DATA, f"{subject.source} is not what {old} was trained on: {differs}")


def read_data_key(directory: Path) -> str:
    """Read the key by which data are compared with the certificate's digest. Raises ``ValueError`` without one."""
    try:
        return field(read_checkpoint(directory / STATE).record, "data_key", str)
    except (OSError, ValueError):
        raise ValueError(
            f"comparing data needs the key in {STATE}, which {directory} does not hold: name the directory that "
            "was trained, not what was published of it"
        ) from None


def _finish(
    out: Path,
    kept: Kept[ModelT],
    model: ModelT,
    certificate: UnlearningCertificate,
    recipe: Recipe,
    measured: Measured,
) -> UnlearningCertificate:
    with new_directory(out, work_beside(out)) as staging:
        kept.write(staging / STATE, model)
        os.chmod(staging / STATE, 0o600)
        bound = kept.publish(staging, model, certificate)
        (staging / RECIPE).write_text(recipe.to_json(), encoding="utf-8")
        (staging / MEASURED).write_text(measured.to_json(), encoding="utf-8")
        (staging / CERTIFICATE).write_text(bound.to_json(), encoding="utf-8")
    return bound


def _certificate_in(directory: Path) -> UnlearningCertificate:
    """Read a run's certificate. Raises ``ValueError`` where there is none, or it is about other weights."""
    try:
        found = UnlearningCertificate.from_json((directory / CERTIFICATE).read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"cannot read the certificate in {directory}: {error.strerror}") from None
    if problems := check_weights(found, directory):
        raise ValueError(f"{problems[0]}; restore {directory}")
    return found


def _finished(out: Path, request: Mapping[str, object]) -> UnlearningCertificate | None:
    """Tidy up where a crash came after ``out`` was whole and before its request was taken away."""
    work = work_beside(out)
    if not out.exists() or not work.is_dir() or not _asks(work, request):
        return None
    with locked(work):
        certificate = _certificate_in(out)
        cleared(work)
    return certificate


def _asks(work: Path, request: Mapping[str, object]) -> bool:
    try:
        return (work / REQUEST).read_text(encoding="utf-8") == _written(request)
    except OSError:
        return False


def _written(request: Mapping[str, object]) -> str:
    return json.dumps(request, sort_keys=True)


@contextmanager
def _pending(out: Path, request: Mapping[str, object]) -> Iterator[Path]:
    """Keep the request in a work directory beside ``out``, locked, until the block ends well.

    A ``ValueError`` (a refusal too) before any progress was kept takes the work directory away again.
    """
    if out.exists():
        raise ValueError(f"{out} exists already; name a new directory")
    work = work_beside(out)
    with locked(work):
        if (work / REQUEST).exists() and not _asks(work, request):
            raise ValueError(f"{work} holds other work that was begun; repeat that call, or remove it")
        (work / REQUEST).write_text(_written(request), encoding="utf-8")
        try:
            yield work
        except ValueError:
            if {path.name for path in work.iterdir()} <= {REQUEST, LOCK, STAGING}:
                cleared(work)
            raise
        cleared(work)
