"""Between rows and records: which certificates there are, and going back to one. Opens no transaction."""

from __future__ import annotations

from operator import attrgetter

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.errors import Conflict, NotFound
from gateway.store.records import KeptCertificate
from gateway.store.schema import certificates
from gateway.store.stamps import in_utc

__all__ = ["read_certificates", "roll_back"]


async def read_certificates(connection: AsyncConnection) -> tuple[KeptCertificate, ...]:
    """Return all certificates, the newest first. Raises ``ValueError`` for one that is not a mapping."""
    rows = sorted((await connection.execute(select(certificates))).all(), key=attrgetter("id"))
    if not all(isinstance(row.body, dict) for row in rows):
        raise ValueError("a certificate's body is not a mapping")
    found = [
        KeptCertificate(
            row.id,
            row.body,
            row.active,
            in_utc(row.added_at),
            None if row.activated_at is None else in_utc(row.activated_at),
        )
        for row in rows
    ]
    return tuple(sorted(found, key=attrgetter("added_at"), reverse=True))


async def roll_back(connection: AsyncConnection, certificate_id: str) -> str:
    """Put in force again what was before this one, of the same generator, and return its id.

    Going back again leads further back. Raises ``NotFound``, and ``Conflict`` where this one is not in force, or
    none was before it.
    """
    named = select(certificates).where(certificates.c.id == certificate_id)
    now = (await connection.execute(named)).one_or_none()
    if now is None:
        raise NotFound("there is no certificate with this id")
    if not now.active:
        raise Conflict("this certificate is not in force, so there is nothing to go back from")
    of_it = select(certificates).where(certificates.c.generator == now.generator)
    before = [
        row
        for row in (await connection.execute(of_it)).all()
        if row.activated_at is not None and row.id != now.id and row.activated_at <= now.activated_at
    ]
    if not before:
        raise Conflict("no certificate of this model was in force before; deactivate it, or activate another")
    last = max(before, key=attrgetter("activated_at", "id"))
    for id_, active in ((now.id, False), (last.id, True)):  # never two of one generator at a time
        await connection.execute(update(certificates).where(certificates.c.id == id_).values(active=active))
    return str(last.id)
