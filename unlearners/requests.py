"""Requests held against the data: rows that are there, and are forgotten once. Knows no method."""

from __future__ import annotations

from collections.abc import Sequence

from unlearners.certificate import Served
from unlearners.protocol import ForgetRequest, Refused

__all__ = ["check_rows"]


def check_rows(rows: int, served: Sequence[Served], requests: Sequence[ForgetRequest]) -> None:
    """Raise ``Refused`` for a row that is not in the data, or has been forgotten already, or the last of all."""
    gone = {row for one in served for row in one.rows}
    for request in requests:
        for row in request.rows:
            if row >= rows:
                raise Refused("a forgotten row is in the data", f"there is no row {row} among the {rows}")
            if row in gone:
                raise Refused("a row is forgotten once", f"row {row} is forgotten already")
            gone.add(row)
    if len(gone) == rows:
        raise Refused("something remains to be learned", "the requests would forget every row")
