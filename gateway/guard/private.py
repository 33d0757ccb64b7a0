"""Private topics among those that are forgotten: which a key opens, and why some stay shut. Knows no hashes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gateway.store.records import ForgetTopic
from verifiers.private.key import PrivateKey
from verifiers.private.topic import PrivateTopic

__all__ = ["opens", "sealed", "why_sealed"]


def opens(key: PrivateKey | None, topic: PrivateTopic) -> bool:
    """Say whether the topic was hashed with this key."""
    return key is not None and key.check == topic.check


def sealed(key: PrivateKey | None, topics: Iterable[ForgetTopic]) -> tuple[PrivateTopic, ...]:
    """Return the active private topics that the key does not open: no answer can be checked for them."""
    private = (each.topic for each in topics if each.active and isinstance(each.topic, PrivateTopic))
    return tuple(topic for topic in private if not opens(key, topic))


def why_sealed(key: PrivateKey | None, shut: Sequence[PrivateTopic]) -> str:
    """Say what to do about topics that stay shut, without naming them: anybody may ask whether we are ready."""
    hashed = f"active private topics that cannot be looked for: {len(shut)}"
    checks = ", ".join(sorted({topic.check for topic in shut}))
    if key is None:
        return f"{hashed}; set LETHE_PRIVATE_KEY_FILE to their key, whose check value is {checks}"
    return (
        f"{hashed}; the key of LETHE_PRIVATE_KEY_FILE has the check value {key.check} and does not open them: "
        f"theirs has {checks}; give that key, or hash the topics again"
    )
