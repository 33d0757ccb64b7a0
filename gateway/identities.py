"""OpenID Connect: bearer tokens of an identity provider, verified, to the name that they stand for.

Knows no keys: what a name may do is said by the client key or admin key of that name.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import httpx
import orjson
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from gateway.errors import IdentitiesUnavailable, InvalidInput, Unauthenticated
from gateway.threads import apart

__all__ = ["Identities", "Provider", "ReadKeys", "open_identities"]

ReadKeys: TypeAlias = Callable[[], Awaitable[bytes]]
"""Gives the provider's JSON Web Key Set. Raises ``OSError`` or ``httpx.HTTPError``."""

_FRESH_S: Final = 300.0
_AGAIN_S: Final = 10.0
_LONGEST_S: Final = 3600.0
_PATIENT_S: Final = 3500.0
_READING_S: Final = 10.0
_MOST_BYTES: Final = 1_000_000
_LONGEST_TOKEN: Final = 16_384
_LEEWAY_S: Final = 60


@dataclass(frozen=True, slots=True)
class Provider:
    """Whose tokens count: the issuer, the audience that they must be for, how they may be signed.

    ``name_claim`` is the claim whose text is the name that a token stands for.
    """

    issuer: str
    audience: str
    algorithms: Sequence[str] = ("RS256", "ES256")
    name_claim: str = "sub"


class Identities:
    """Verifies tokens by the provider's keys, which are read again every five minutes and for an unknown key id.

    Where they cannot be read, those of the last hour count; after it nobody is let in by a token. ``clock`` is
    monotonic, ``now`` the seconds since 1970.
    """

    def __init__(
        self, provider: Provider, read: ReadKeys, *, clock: Callable[[], float], now: Callable[[], float]
    ) -> None:
        self._provider = provider
        self._read = read
        self._clock = clock
        self._claims = jwt.JWTClaimsRegistry(
            now=lambda: int(now()),
            leeway=_LEEWAY_S,
            iss={"essential": True, "value": provider.issuer},
            aud={"essential": True, "value": provider.audience},
            exp={"essential": True},
        )
        self._reading = asyncio.Lock()
        self._keys: KeySet | None = None
        self._read_at = self._tried_at = float("-inf")

    async def name(self, token: str) -> str:
        """Verify a token and give the name that it stands for.

        Raises ``Unauthenticated``, and ``IdentitiesUnavailable`` where there are no keys to verify by.
        """
        if len(token) > _LONGEST_TOKEN:
            raise _refused()
        try:
            claims = self._verified(token, await self._current(_FRESH_S))
        except InvalidKeyIdError:
            claims = self._verified_again(token, await self._current(_AGAIN_S))
        except (JoseError, ValueError):
            raise _refused() from None
        name = claims.get(self._provider.name_claim)
        if not isinstance(name, str) or not name:
            raise _refused()
        return name

    def _verified(self, token: str, keys: KeySet) -> dict[str, Any]:
        found = jwt.decode(token, keys, algorithms=list(self._provider.algorithms))
        if "kid" not in found.header and len(keys.keys) > 1:
            raise ValueError("which key signed it is not said")
        self._claims.validate(found.claims)
        return found.claims

    def _verified_again(self, token: str, keys: KeySet) -> dict[str, Any]:
        try:
            return self._verified(token, keys)
        except (JoseError, ValueError):
            raise _refused() from None

    async def _current(self, fresh_s: float) -> KeySet:
        """Give the keys, read anew where they are older than ``fresh_s`` and no try was just made.

        Nobody waits for a provider that is slow to answer somebody else, while there are keys that count.
        """
        age_s = self._clock() - self._read_at
        if self._keys is not None and (age_s < fresh_s or (self._reading.locked() and age_s < _PATIENT_S)):
            return self._keys
        async with self._reading:
            at = self._clock()
            if at - self._read_at >= fresh_s and at - self._tried_at >= _AGAIN_S:
                self._tried_at = at
                await self._renew(at)
            if self._keys is None or at - self._read_at > _LONGEST_S:
                raise IdentitiesUnavailable("the identity provider's keys cannot be had; try again later")
            return self._keys

    async def _renew(self, at: float) -> None:
        try:
            async with asyncio.timeout(_READING_S):  # a provider that drips would keep everybody out
                raw = await self._read()
            self._keys = KeySet.import_key_set(orjson.loads(raw))
            self._read_at = at
        except (OSError, httpx.HTTPError, JoseError, ValueError, KeyError, TypeError):
            return  # the old ones count for a while


def _refused() -> Unauthenticated:
    return Unauthenticated("the token is not valid here")


@asynccontextmanager
async def open_identities(
    provider: Provider, keys: str, *, clock: Callable[[], float], now: Callable[[], float]
) -> AsyncIterator[Identities]:
    """Read the keys from a file's path or an https:// address. Raises ``InvalidInput`` for another address."""
    if "://" not in keys:
        yield Identities(provider, lambda: apart(_file, Path(keys)), clock=clock, now=now)
        return
    address = httpx.URL(keys)
    if address.scheme != "https" and address.host not in ("127.0.0.1", "localhost", "::1"):
        raise InvalidInput("LETHE_OIDC_KEYS: an address begins with https://; else whoever is between could sign")
    async with httpx.AsyncClient(timeout=5.0) as client:
        yield Identities(provider, lambda: _address(client, keys), clock=clock, now=now)


def _file(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_MOST_BYTES)


async def _address(client: httpx.AsyncClient, url: str) -> bytes:
    async with client.stream("GET", url, headers={"accept": "application/json"}) as response:
        response.raise_for_status()
        raw = b""
        async for piece in response.aiter_bytes():
            raw += piece
            if len(raw) > _MOST_BYTES:
                raise OSError("the key set is too large")
        return raw
