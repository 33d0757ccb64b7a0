"""Features and labels from files, and the checks that a promise rests on. Knows no unlearner."""

from __future__ import annotations

import csv
import hashlib
import math
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from unlearners.protocol import Refused

__all__ = [
    "PUBLIC_CLASSES",
    "UNIT_ROWS",
    "Dataset",
    "Units",
    "bounded_rows",
    "columns_of",
    "read_csv",
    "read_npz",
]

UNIT_ROWS = "every row's features have norm at most 1"
PUBLIC_CLASSES = "which classes (or tokens) there are is public: it would be the same without the forgotten rows"
TOLERANCE = 1e-6
"""How far above 1 a norm may be by rounding."""
MARGIN = 1e-12
"""How much below 1 such a row becomes, more than what the norm's own computation may be off."""

NAMES = (("x", "y"), ("features", "labels"), ("X", "Y"))
"""Names of the arrays in an .npz file, tried in this order; ``_train`` or ``_test`` may follow."""


class Units(Protocol):
    """What is learned and forgotten: n units (``rows``), whose features have ``width`` numbers."""

    @property
    def rows(self) -> int:
        """Return n."""
        ...

    @property
    def width(self) -> int:
        """Return d."""
        ...

    @property
    def sha256(self) -> str:
        """Return a digest of all that is learned from, not of the ids."""
        ...

    @property
    def ids(self) -> tuple[str, ...]:
        """Return the units' ids, or nothing where positions serve."""
        ...

    def bounded(self) -> Self:
        """Return it with no row longer than 1. Raises ``Refused`` where one is, by more than rounding."""
        ...


@dataclass(frozen=True, slots=True)
class Dataset:
    """Rows of features (n, d), labels (n,) counted from 0 into ``classes``, and an id for each row.

    Raises ``Refused`` for values that are not finite, and ``ValueError`` where shapes disagree.
    """

    features: NDArray[np.float64]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    ids: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        rows = len(self.features)
        if self.features.ndim != 2 or self.labels.shape != (rows,):
            shapes = f"{self.features.shape}, {self.labels.shape}"
            raise ValueError(f"needs features (n, d) and labels (n,), got {shapes}")
        if self.ids and (len(self.ids) != rows or len(set(self.ids)) != rows):
            raise ValueError("every row needs an id of its own" + _twice(self.ids))
        if rows == 0 or self.features.shape[1] == 0:
            raise Refused(
                "there is at least one row and one feature",
                f"there are {rows} rows of {self.features.shape[1]} features",
            )
        if len(self.classes) < 2:
            raise Refused("there are at least two classes", f"the labels name {len(self.classes)}")
        if self.labels.min() < 0 or self.labels.max() >= len(self.classes):
            raise ValueError("a label is outside the classes")
        bad = np.flatnonzero(~np.isfinite(self.features).all(axis=1))
        if len(bad):
            raise Refused("every feature is a finite number", f"{self.called(int(bad[0]))} holds one that is not")

    @property
    def rows(self) -> int:
        """Return n."""
        return len(self.labels)

    @property
    def width(self) -> int:
        """Return d."""
        return int(self.features.shape[1])

    @property
    def sha256(self) -> str:
        """Return a digest of features, labels and classes (in this order of rows), not of the ids."""
        digest = hashlib.sha256(repr((self.features.shape, self.classes)).encode())
        digest.update(np.ascontiguousarray(self.features).tobytes())
        digest.update(np.ascontiguousarray(self.labels).tobytes())
        return digest.hexdigest()

    def called(self, row: int) -> str:
        """Return what a row is called in a message: by its id, where it has one."""
        return f"row {self.ids[row]!r}" if self.ids else f"row {row}"

    def bounded(self) -> Dataset:
        """Shorten rows that rounding made longer than 1. Raises ``Refused`` for a row that is longer than that."""
        return replace(self, features=bounded_rows(self.features, self.called))

    def with_unit_rows(self) -> Dataset:
        """Scale each row by itself to norm 1. Raises ``Refused`` for a row of zeros."""
        norms = np.linalg.norm(self.features, axis=1, keepdims=True)
        if not norms.all():
            raise Refused("a row can be scaled to norm 1", f"{self.called(int(norms.argmin()))} is all zeros")
        return replace(self, features=self.features / norms)

    def of_classes(self, names: Sequence[str]) -> Dataset:
        """Keep the rows of these classes, grouped in this order, which also numbers them."""
        for name in names:
            if name not in self.classes:
                raise ValueError(f"there is no class {name!r}; the classes are {', '.join(self.classes)}")
        groups = [np.flatnonzero(self.labels == self.classes.index(name)) for name in names]
        rows = np.concatenate(groups)
        labels = np.repeat(np.arange(len(names)), [len(group) for group in groups])
        ids = tuple(self.ids[row] for row in rows) if self.ids else ()
        return Dataset(self.features[rows], labels, tuple(names), ids)

    def take(self, rows: NDArray[np.int64]) -> Dataset:
        """Keep these rows, in this order, and all the classes."""
        ids = tuple(self.ids[row] for row in rows) if self.ids else ()
        return Dataset(self.features[rows], self.labels[rows], self.classes, ids)


def _twice(ids: Sequence[str]) -> str:
    """Name an id that two rows have."""
    again = [name for name, times in Counter(ids).items() if times > 1]
    return f", and {again[0]!r} names several" if again else ""


def bounded_rows(
    features: NDArray[np.float64], called: Callable[[int], str] = "row {}".format
) -> NDArray[np.float64]:
    """Divide rows that are longer than 1 by rounding by their norm, and a little more: none is longer after.

    Raises ``Refused`` where a row's norm is above 1 by more than ``TOLERANCE``.
    """
    norms = np.linalg.norm(features, axis=1)
    worst = int(norms.argmax())
    if norms[worst] > 1 + TOLERANCE:
        raise Refused(UNIT_ROWS, f"{called(worst)} has norm {norms[worst]:.6g}; normalise the rows first")
    over = norms > 1
    if not over.any():
        return features
    shorter = features.copy()
    shorter[over] /= norms[over, None] * (1 + MARGIN)
    return shorter


def read_npz(path: Path, part: str = "") -> Dataset:
    """Read features and labels from ``x``/``y``, ``features``/``labels`` (or ``x_train``/``y_train``, …).

    Further axes of the features are flattened; bytes (images) become pixel/255 - 0.5. ``part`` is ``train``,
    ``test`` or empty for the plain names, or for the training part where there are none. Labels are classes
    by their value, in ascending order.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror or error}") from None
    except (AttributeError, EOFError, TypeError, ValueError, zipfile.BadZipFile):
        raise ValueError(
            f"cannot read {path} as an .npz file: it is damaged, of another kind, or holds other than plain arrays"
        ) from None
    features, labels = _named(path, arrays, part)
    if features.ndim < 2 or labels.ndim != 1 or len(features) != len(labels):
        raise ValueError(f"{path}: needs features (n, …) and labels (n,), got {features.shape}, {labels.shape}")
    if features.dtype.kind not in "fiub" or labels.dtype.kind not in "iubUS":
        raise ValueError(f"{path}: features must be numbers, labels whole numbers or texts")
    flat = features.reshape(len(features), math.prod(features.shape[1:])).astype(np.float64)
    if features.dtype == np.uint8:
        flat = flat / 255 - 0.5
    values, numbered = np.unique(labels, return_inverse=True)
    return Dataset(flat, numbered.astype(np.int64), tuple(str(value) for value in values))


def _named(path: Path, arrays: dict[str, NDArray[Any]], part: str) -> tuple[NDArray[Any], NDArray[Any]]:
    endings = (f"_{part}",) if part else ("", "_train")
    for ending in endings:
        for x, y in NAMES:
            if x + ending in arrays and y + ending in arrays:
                return arrays[x + ending], arrays[y + ending]
    raise ValueError(f"{path} has no arrays x{endings[0]} and y{endings[0]}; it has {', '.join(arrays) or 'none'}")


def columns_of(path: Path) -> tuple[str, ...]:
    """Return the names in a CSV file's header."""
    return tuple(_table(path, 0)[0])


def read_csv(path: Path, label: str, id_column: str | None = None) -> Dataset:
    """Read a CSV file with a header: the label's column, perhaps ids, and numbers in all the others."""
    header, rows = _table(path)
    for name in (label, *([id_column] if id_column else [])):
        if name not in header:
            raise ValueError(f"{path} has no column {name!r}; it has {', '.join(header) or 'none'}")
    for line, row in rows:
        if len(row) != len(header):
            raise ValueError(f"{path}, line {line}: {len(row)} fields under {len(header)} columns")
    columns = [place for place, name in enumerate(header) if name not in (label, id_column)]
    features = np.array([_numbers(path, line, row, header, columns) for line, row in rows], dtype=np.float64)
    values, numbered = np.unique([row[header.index(label)] for _, row in rows], return_inverse=True)
    ids = tuple(row[header.index(id_column)] for _, row in rows) if id_column else ()
    shaped = features.reshape(len(rows), len(columns))
    return Dataset(shaped, numbered.astype(np.int64), tuple(str(value) for value in values), ids)


def _table(path: Path, most: int | None = None) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Return the header, and each of the first ``most`` rows with the number of its line."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = next(reader, [])
            rows = [(reader.line_num, row) for row in islice(reader, most) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"cannot read {path}: {error}") from None
    if len(set(header)) != len(header):
        raise ValueError(f"{path} names a column twice")
    return header, rows


def _numbers(
    path: Path, line: int, row: Sequence[str], header: Sequence[str], columns: Sequence[int]
) -> list[float]:
    return [_number(path, line, row[place], header[place]) for place in columns]


def _number(path: Path, line: int, text: str, column: str) -> float:
    """Read one field. The complaint does not quote it: it may be somebody's."""
    try:
        return float(text)
    except ValueError:
        raise ValueError(
            f"{path}, line {line}: a feature is not a number, in the column {column!r}; every column but those of "
            "the label and the ids is a feature: name the ids' column, and leave out what is text or empty"
        ) from None
