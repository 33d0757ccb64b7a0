"""A trained model's directory, and the work beside it while it is made. Knows no method and no data."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from unlearners.certificate import UnlearningCertificate
from unlearners.checkpoint import STAGING, new_directory, read_checkpoint
from unlearners.fields import field, object_in
from unlearners.protocol import ForgetRequest, Progress, Unlearned
from unlearners.weights import check_weights
from unlearners.workplace import LOCK, REQUEST, cleared, locked, work_beside

__all__ = [
    "CERTIFICATE",
    "STATE",
    "Certifying",
    "Kept",
    "Recipe",
    "Value",
    "forget",
    "read_data_key",
    "read_recipe",
    "settings_of",
    "train",
]

CERTIFICATE = "unlearning.json"
STATE = "state.npz"
"""The secret part: it holds the seed, so it is readable by its owner alone and never published."""

_RECIPE = "recipe.json"

_KINDS: Mapping[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (int, float),
    "float | None": (int, float, type(None)),
}
"""What may be given for a field, by its annotation; all others are texts."""

ModelT = TypeVar("ModelT")
SettingsT = TypeVar("SettingsT")

Value: TypeAlias = bool | int | float | str | None


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a model was made: the method, all its settings, and how its data were read."""

    method: str
    settings: Mapping[str, Value]
    data: Mapping[str, Value]

    def to_json(self) -> str:
        """Encode as JSON text, newline included."""
        content = {"method": self.method, "settings": dict(self.settings), "data": dict(self.data)}
        return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


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


def train(
    make: Callable[[Path], Kept[ModelT]], out: Path, recipe: Recipe, *, seed: int | None, progress: Progress
) -> UnlearningCertificate:
    """Train into the new directory ``out``. The same call goes on where a crash left it.

    ``make`` is given the work directory for its progress. Raises ``ValueError`` where ``out`` exists, or where
    other work was begun for it.
    """
    request = {"train": recipe.to_json(), "seed": seed}
    if (done := _finished(out, request)) is not None:
        return done
    with _pending(out, request) as work:
        kept = make(work)
        model = kept.unlearner.train(seed=seed, progress=progress)
        return _finish(out, kept, model, kept.unlearner.certificate(model), recipe)


def forget(
    make: Callable[[Path], Kept[ModelT]],
    old: Path,
    out: Path,
    requests: Sequence[ForgetRequest],
    recipe: Recipe,
    *,
    progress: Progress,
) -> UnlearningCertificate:
    """Serve the requests from the directory ``old``, which stays as it is, into the new directory ``out``.

    A crash leaves the request recorded beside ``out``, and the same call goes on. A refused request leaves
    nothing. Whoever holds ``old`` still holds what was forgotten: delete it once ``out`` is served.
    """
    rows = [list(request.rows) for request in requests]
    request = {"forget": rows, "from": str(old.absolute())}
    if (finished := _finished(out, request)) is not None:
        return finished
    _certificate_in(old)
    with _pending(out, request) as work:
        kept = make(work)
        done = kept.unlearner.unlearn(kept.read(old / STATE), requests, progress=progress)
        return _finish(out, kept, done.model, done.certificate, recipe)


def read_recipe(directory: Path) -> Recipe:
    """Read how a directory's model was made. Raises ``ValueError`` where it is not one of this version."""
    try:
        source = object_in((directory / _RECIPE).read_text(encoding="utf-8"))
        settings: dict[str, Value] = field(source, "settings", dict)
        data: dict[str, Value] = field(source, "data", dict)
        return Recipe(field(source, "method", str), settings, data)
    except (OSError, ValueError) as error:
        raise ValueError(f"{directory} does not hold a model made here: {error}") from None


def read_data_key(directory: Path) -> str:
    """Read the key by which data are compared with the certificate's digest. Raises ``ValueError`` without one."""
    try:
        return field(read_checkpoint(directory / STATE).record, "data_key", str)
    except (OSError, ValueError):
        raise ValueError(
            f"comparing data needs the key in {STATE}, which {directory} does not hold: name the directory that "
            "was trained, not what was published of it"
        ) from None


def settings_of(kind: Callable[..., SettingsT], given: Mapping[str, Value], **defaults: Value) -> SettingsT:
    """Make settings from what was given. Raises ``ValueError`` naming what is unknown, missing or unusable."""
    known: tuple[Any, ...] = fields(kind)  # type: ignore[arg-type]  # a dataclass, called to make one
    names = {one.name for one in known}
    if strangers := sorted(set(given) - names):
        raise ValueError(f"there is no setting {strangers[0]!r}; the settings are {', '.join(sorted(names))}")
    whole = {**defaults, **given}
    if missing := [one.name for one in known if one.default is MISSING and one.name not in whole]:
        raise ValueError(f"the setting {missing[0]!r} must be given")
    if whole.get("radius") == "infinite":
        whole["radius"] = math.inf  # JSON has no infinity
    for one in known:
        if one.name in whole and type(whole[one.name]) not in _KINDS.get(one.type, (str,)):
            raise ValueError(
                f"the setting {one.name!r} cannot be {whole[one.name]!r}: it is of the kind {one.type}"
            )
    return kind(**whole)


def _finish(
    out: Path, kept: Kept[ModelT], model: ModelT, certificate: UnlearningCertificate, recipe: Recipe
) -> UnlearningCertificate:
    with new_directory(out, work_beside(out)) as staging:
        kept.write(staging / STATE, model)
        os.chmod(staging / STATE, 0o600)
        bound = kept.publish(staging, model, certificate)
        (staging / _RECIPE).write_text(recipe.to_json(), encoding="utf-8")
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
