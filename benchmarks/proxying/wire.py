"""HTTP/1.1 as far as a benchmark needs it: one message at a time out of a stream of bytes. Knows no routes."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Messages"]


@dataclass(slots=True)
class Messages:
    """Cuts bytes into messages, whose bodies have a length or come in chunks. Not for untrusted peers."""

    _held: bytearray = field(default_factory=bytearray)

    def take(self, data: bytes) -> list[tuple[bytes, bytes]]:
        """Give the heads and bodies that are complete now. Raises ``ValueError`` for anything malformed."""
        self._held += data
        found: list[tuple[bytes, bytes]] = []
        while (message := self._next()) is not None:
            found.append(message)
        return found

    def _next(self) -> tuple[bytes, bytes] | None:
        end = self._held.find(b"\r\n\r\n")
        if end < 0:
            return None
        head = bytes(self._held[:end]).lower()
        start = end + 4
        if b"\r\ntransfer-encoding: chunked" in head:
            return self._chunked(head, start)
        stop = start + _length(head)
        if len(self._held) < stop:
            return None
        body = bytes(self._held[start:stop])
        del self._held[:stop]
        return head, body

    def _chunked(self, head: bytes, at: int) -> tuple[bytes, bytes] | None:
        body = bytearray()
        while (line := self._held.find(b"\r\n", at)) >= 0:
            size = int(bytes(self._held[at:line]), 16)
            at = line + 2 + size + 2
            if len(self._held) < at:
                return None
            body += self._held[line + 2 : at - 2]
            if size == 0:
                del self._held[:at]
                return head, bytes(body)
        return None


def _length(head: bytes) -> int:
    _, found, rest = head.partition(b"\r\ncontent-length:")
    return int(rest.partition(b"\r\n")[0]) if found else 0
