"""Tokens of an identity provider: only what it signed, for us, and not too long ago, stands for a key."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
from pathlib import Path

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

from gateway.errors import IdentitiesUnavailable, InvalidInput, Unauthenticated
from gateway.identities import Identities, Provider, open_identities

NOW = 1_800_000_000
PROVIDER = Provider("https://id.example", "lethe")
RSA = RSAKey.generate_key(2048, {"kid": "one"})
OTHER = RSAKey.generate_key(2048, {"kid": "two"})
CURVE = ECKey.generate_key("P-256", {"kid": "three"})


class Source:
    """Gives a key set and counts how often it was asked; raises where it is told to."""

    def __init__(self, *keys) -> None:
        self.keys, self.asked, self.gone = keys, 0, False

    async def __call__(self) -> bytes:
        """Read it."""
        self.asked += 1
        if self.gone:
            raise OSError("away")
        return json.dumps(KeySet(list(self.keys)).as_dict(private=False)).encode()


class Clock:
    """Shows what it is set to."""

    at = 0.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.at


def token(key=RSA, alg: str = "RS256", *, header=None, **claims: object) -> str:
    """Sign claims that are in order, but for those that are given."""
    said = {"iss": PROVIDER.issuer, "aud": "lethe", "sub": "alice", "exp": NOW + 600, **claims}
    kept = {name: value for name, value in said.items() if value is not None}
    head = {"alg": alg, "kid": key.kid} if header is None else header
    return jwt.encode(head, kept, key, algorithms=[alg])


def encoded(raw: bytes) -> str:
    """Write as the parts of a token are."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def identities(source: Source, clock: Clock | None = None, **provider: object) -> Identities:
    """Verify by a source of keys."""
    chosen = Provider(**{"issuer": PROVIDER.issuer, "audience": "lethe", **provider})
    return Identities(chosen, source, clock=clock or Clock(), now=lambda: NOW)


@pytest.mark.parametrize(("key", "alg"), [(RSA, "RS256"), (CURVE, "ES256")])
async def test_a_token_in_order_stands_for_its_name(key, alg):
    """By the claim that is configured."""
    assert "alice" == await identities(Source(RSA, CURVE)).name(token(key, alg))
    named = identities(Source(RSA, CURVE), name_claim="team")
    assert "search" == await named.name(token(key, alg, team="search"))


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://evil.example"},
        {"iss": None},
        {"aud": "another"},
        {"aud": None},
        {"exp": NOW - 61},
        {"exp": None},
        {"nbf": NOW + 120},
        {"sub": None},
        {"sub": 7},
        {"sub": ""},
    ],
)
async def test_a_claim_that_is_missing_or_wrong_is_refused(claims):
    """Another issuer or audience, a time that is over or still to come, no name."""
    with pytest.raises(Unauthenticated):
        await identities(Source(RSA)).name(token(**claims))


async def test_what_the_provider_did_not_sign_is_refused():
    """Another key under its id, a key id that it has not, no signature, a shared secret made of its public key."""
    forged = RSAKey.generate_key(2048, {"kid": "one"})
    body = token().split(".")[1]
    head = b'{"alg":"HS256","kid":"one"}'
    signed = f"{encoded(head)}.{body}"
    secret = RSA.as_pem(private=False)
    by_secret = f"{signed}.{encoded(hmac.digest(secret, signed.encode(), 'sha256'))}"
    unsigned = f"eyJhbGciOiJub25lIn0.{body}."
    for given in (
        token(forged),
        token(OTHER),
        by_secret,
        unsigned,
        token()[:-8] + "AAAAAAAA",
        "a.b.c",
        "x" * 20_000,
    ):
        with pytest.raises(Unauthenticated):
            await identities(Source(RSA)).name(given)


async def test_an_algorithm_that_is_not_allowed_is_refused():
    """Though the signature is right."""
    with pytest.raises(Unauthenticated):
        await identities(Source(RSA), algorithms=("ES256",)).name(token())


async def test_a_token_that_does_not_say_its_key_counts_only_where_there_is_one():
    """Else it is not known who signed."""
    unsaid = token(header={"alg": "RS256"})
    assert "alice" == await identities(Source(RSA)).name(unsaid)
    with pytest.raises(Unauthenticated):
        await identities(Source(RSA, OTHER)).name(unsaid)


async def test_keys_that_the_provider_changes_are_read_again():
    """At once for an id that is not known, but not more often than every ten seconds."""
    source, clock = Source(RSA), Clock()
    verifying = identities(source, clock)
    assert "alice" == await verifying.name(token())
    source.keys = (OTHER,)
    with pytest.raises(Unauthenticated):
        await verifying.name(token(OTHER))
    clock.at = 11.0
    assert ("alice", 2) == (await verifying.name(token(OTHER)), source.asked)
    for _ in range(5):
        with pytest.raises(Unauthenticated):
            await verifying.name(token(CURVE, "ES256"))
    assert 2 == source.asked


async def test_keys_that_cannot_be_had_close_in_the_end():
    """At first nobody comes in; the last known ones count for an hour; then nobody again, until they are back."""
    source, clock = Source(RSA), Clock()
    source.gone = True
    verifying = identities(source, clock)
    with pytest.raises(IdentitiesUnavailable):
        await verifying.name(token())
    source.gone, clock.at = False, 20.0
    assert "alice" == await verifying.name(token())
    source.gone, clock.at = True, 3000.0
    assert "alice" == await verifying.name(token())
    clock.at = 4000.0
    with pytest.raises(IdentitiesUnavailable):
        await verifying.name(token())
    source.gone, clock.at = False, 4020.0
    assert "alice" == await verifying.name(token())


async def test_a_provider_that_is_slow_keeps_nobody_waiting_who_has_a_known_key():
    """Whoever sends unknown key ids while it drips holds up none but themselves."""
    source, clock = Source(RSA), Clock()
    verifying = identities(source, clock)
    assert "alice" == await verifying.name(token())
    read, drips = Source.__call__, asyncio.Event()

    async def dripping() -> bytes:
        await drips.wait()
        return await read(source)

    verifying._read = dripping
    clock.at = 400.0  # the keys are due to be read again
    waiting = asyncio.create_task(verifying.name(token(OTHER)))
    await asyncio.sleep(0)
    assert "alice" == await verifying.name(token())
    drips.set()
    with pytest.raises(Unauthenticated):
        await waiting


async def test_keys_are_read_from_a_file(tmp_path: Path):
    """And a damaged file lets nobody in."""
    path = tmp_path / "keys.json"
    path.write_bytes(await Source(RSA)())
    async with open_identities(PROVIDER, str(path), clock=Clock(), now=lambda: NOW) as verifying:
        assert "alice" == await verifying.name(token())
    path.write_text("{}")
    async with open_identities(PROVIDER, str(path), clock=Clock(), now=lambda: NOW) as verifying:
        with pytest.raises(IdentitiesUnavailable):
            await verifying.name(token())


async def test_keys_over_a_bare_connection_are_refused():
    """Whoever is between could put in their own."""
    with pytest.raises(InvalidInput, match="https"):
        async with open_identities(PROVIDER, "http://id.example/keys", clock=Clock(), now=lambda: NOW):
            pass
