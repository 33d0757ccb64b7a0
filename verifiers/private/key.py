"""The key of private topics, and the hashes made with it. Knows no topics."""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeAlias

__all__ = ["Kind", "PrivateKey", "WrongKey", "key_from_environment", "key_from_file", "new_key"]

Kind: TypeAlias = Literal["name", "short", "part", "term", "run"]
"""What a hash is of. The same word has another hash for each, so that a name is not found again among facts."""

_FEWEST_BYTES, _MOST_BYTES, _DIGEST_BYTES = 32, 64, 8
_KINDS: tuple[Kind, ...] = ("name", "short", "part", "term", "run")
_BETWEEN = "\x1f"


class WrongKey(ValueError):
    """The key does not open these topics: they were hashed with another one."""


class PrivateKey:
    """A secret of 32 to 64 bytes. Shows itself nowhere; raises ``ValueError`` for another length."""

    __slots__ = ("_check", "_keyed")

    def __init__(self, secret: bytes) -> None:
        if not _FEWEST_BYTES <= len(secret) <= _MOST_BYTES:
            raise ValueError(
                f"the key of private topics has {_FEWEST_BYTES} to {_MOST_BYTES} bytes, not {len(secret)}; "
                "make one with `python -c 'import secrets; print(secrets.token_hex(32))'`"
            )
        self._keyed = {kind: _keyed(secret, kind) for kind in _KINDS}
        self._check = _keyed(secret, "check").hexdigest()

    @property
    def check(self) -> str:
        """The key check value: by it a file knows its key. It tells nothing that helps to guess the key."""
        return self._check

    def hash(self, kind: Kind, words: Sequence[str]) -> str:
        """Return the keyed hash of words, as 16 hexadecimal digits."""
        state = self._keyed[kind].copy()
        state.update(_BETWEEN.join(words).encode())
        return state.hexdigest()

    def must_open(self, check: str, what: str) -> None:
        """Raise `WrongKey` unless ``what`` was hashed with this key."""
        if check != self._check:
            raise WrongKey(
                f"the key does not open {what}: it was hashed with the key whose check value is {check}, "
                f"and this key's is {self._check}; give that key, or hash the topics again"
            )


def new_key() -> str:
    """Make a key, as text for a file or the environment."""
    return secrets.token_hex(_FEWEST_BYTES)


def key_from_environment(name: str, environment: Mapping[str, str]) -> PrivateKey:
    """Read a key from a variable. Raises ``ValueError`` naming the variable, never its value."""
    if not environment.get(name, "").strip():
        raise ValueError(f"{name} is not set: private topics need the key that they were hashed with")
    return _parsed(environment[name], name)


def key_from_file(path: Path) -> PrivateKey:
    """Read a key from a file. Raises ``ValueError`` naming the file, never its contents."""
    try:
        text = path.read_text(encoding="ascii")
    except OSError as error:
        raise ValueError(f"the key of private topics, {path}, cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise ValueError(f"{path} holds no key: it is neither hexadecimal nor base64") from None
    return _parsed(text, str(path))


def _parsed(text: str, source: str) -> PrivateKey:
    stripped = text.strip()
    try:
        secret = bytes.fromhex(stripped)
    except ValueError:
        try:
            secret = base64.b64decode(stripped, validate=True)
        except binascii.Error:
            raise ValueError(f"{source} holds no key: it is neither hexadecimal nor base64") from None
    try:
        return PrivateKey(secret)
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from None


def _keyed(secret: bytes, kind: str) -> hashlib.blake2b:
    return hashlib.blake2b(key=secret, digest_size=_DIGEST_BYTES, person=f"lethe {kind}".encode())
