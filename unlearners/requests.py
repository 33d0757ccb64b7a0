"""Requests held against the data: rows that are there, and are forgotten once. Knows no method."""

from __future__ import annotations

from collections.abc import Sequence

from unlearners.certificate import Served
from unlearners.counted import named
from unlearners.protocol import ForgetRequest, Refused

__all__ = ["check_rows", "requests_for"]


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


def requests_for(
    wanted: Sequence[str],
    ids: Sequence[str],
    served: Sequence[Served],
    *,
    noun: str,
    together: bool,
) -> list[ForgetRequest]:
    """Find what is to be forgotten by its ids, in one request or one each, in order.

    ``noun`` says what an id names, such as "row". Raises ``Refused`` that names the ids, for strangers, for
    those forgotten already and for everything that is left; ``ValueError`` for none and for one named twice.
    """
    if not wanted:
        raise ValueError(f"a forget request names at least one {noun}")
    if again := [name for place, name in enumerate(wanted) if name in wanted[:place]]:
        raise ValueError(f"a forget request names a {noun} twice: {named(again)}")
    places = {name: row for row, name in enumerate(ids)}
    if strangers := [name for name in wanted if name not in places]:
        raise Refused(
            f"a forgotten {noun} is in the data",
            f"there is no {noun} {named(strangers)}; the ids are such as {named(ids[:2])}",
        )
    gone = {row for one in served for row in one.rows}
    if late := [name for name in wanted if places[name] in gone]:
        raise Refused(f"a {noun} is forgotten once", f"forgotten already: {named(late)}")
    if len(gone) + len(wanted) == len(ids):
        raise Refused("something remains to be learned", f"the request would forget every {noun} that is left")
    rows = [places[name] for name in wanted]
    return [ForgetRequest(tuple(rows))] if together else [ForgetRequest((row,)) for row in rows]
