"""Between rows and records: the SQL of the verifiers' modes. Opens no transaction."""

from __future__ import annotations

from typing import cast, get_args

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.store.records import Mode
from gateway.store.schema import verifier_modes

__all__ = ["put_verifier_mode", "read_verifier_modes"]


async def read_verifier_modes(connection: AsyncConnection) -> dict[str, Mode]:
    """Return the modes that were set. Raises ``ValueError`` for one that is none: it must not read as off."""
    found = (await connection.execute(select(verifier_modes.c.name, verifier_modes.c.mode))).all()
    if not all(mode in get_args(Mode) for _, mode in found):
        raise ValueError("a verifier's mode is none that there is")
    return {name: cast(Mode, mode) for name, mode in found}


async def put_verifier_mode(connection: AsyncConnection, name: str, mode: Mode) -> None:
    """Set one."""
    changed = update(verifier_modes).where(verifier_modes.c.name == name).values(mode=mode)
    if (await connection.execute(changed)).rowcount == 0:
        await connection.execute(insert(verifier_modes), {"name": name, "mode": mode})
