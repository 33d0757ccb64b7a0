"""A client's connection: how long it may stall, and how much it may say before it asks. Knows no routes.

uvicorn waits for ever for the rest of a request's head, and for a client that takes nothing of what it is sent.
"""

from __future__ import annotations

import asyncio
import struct
import sys
from asyncio import TimerHandle
from http import HTTPStatus
from typing import Any, ClassVar, Final

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.errors import HeadTooLarge, InvalidInput, LetheError, TooSlow
from gateway.http.problems import problem_body

if sys.platform == "linux":
    import fcntl
    import termios

__all__ = ["MOST_HEAD_BYTES", "PatientConnection", "patient"]

MOST_HEAD_BYTES: Final = 65_536
"""Of a head that is not whole yet; one that comes in one piece is read whatever its size."""


class PatientConnection(HttpToolsProtocol):
    """Speaks HTTP as uvicorn does, and closes the connection on whoever stalls for ``patience_s``.

    That long a client has for the whole head of a request, once it is connected or has begun one; for the rest
    of a body that was answered before its end; and for taking anything of what waits to be sent. A body that
    somebody reads is ``BodyLimit``'s to time, and a connection between two requests uvicorn's own.
    """

    patience_s: ClassVar[float] = 30.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_body = False
        self._head_bytes = 0
        self._waiting: TimerHandle | None = None
        self._sending: TimerHandle | None = None
        self._untaken_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._stop_waiting()
        self._stop_watching()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; where no head is whole by then and nothing is being answered, the client's time runs."""
        in_head = not self._in_body
        super().data_received(data)
        if self.transport.is_closing() or not (self.cycle is None or self.cycle.response_complete):
            return
        if in_head and not self._in_body:
            self._head_bytes += len(data)
            if self._head_bytes > MOST_HEAD_BYTES:
                self._refuse(HeadTooLarge(f"the head of the request is larger than {MOST_HEAD_BYTES} bytes"))
                return
        if self._waiting is None:
            self._wait()

    def on_headers_complete(self) -> None:
        """The head came in time."""
        self._in_body, self._head_bytes = True, 0
        self._stop_waiting()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """What comes next is another head."""
        self._in_body = False
        super().on_message_complete()

    def pause_writing(self) -> None:
        """Give the client its time to take some of what waits."""
        super().pause_writing()
        self._watch_sending()

    def resume_writing(self) -> None:
        """The client has taken enough for more to be sent."""
        self._stop_watching()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP, in the shape of every other error."""
        self._refuse(InvalidInput(msg))

    def _wait(self) -> None:
        self._waiting = self.loop.call_later(self.patience_s, self._stalled)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _stalled(self) -> None:
        self._waiting = None
        if self.transport.is_closing():
            return
        if self._head_bytes:
            self._refuse(TooSlow("the rest of the request's head did not come in time"))
        else:
            self.transport.close()

    def _watch_sending(self) -> None:
        self._untaken_bytes = _untaken_bytes(self.transport)
        self._sending = self.loop.call_later(self.patience_s, self._look_at_sending)

    def _stop_watching(self) -> None:
        if self._sending is not None:
            self._sending.cancel()
            self._sending = None

    def _look_at_sending(self) -> None:
        if _untaken_bytes(self.transport) < self._untaken_bytes:
            self._watch_sending()
        else:
            self.transport.abort()  # closing would wait until all of it is taken

    def _refuse(self, error: LetheError) -> None:
        body = orjson.dumps(problem_body(error))
        status = HTTPStatus(error.status)
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode("ascii") + body)
        self.transport.close()


def patient(patience_s: float) -> type[PatientConnection]:
    """Make the kind of connection that closes on who stalls for so long."""

    class Patient(PatientConnection):
        pass

    Patient.patience_s = patience_s
    return Patient


def _untaken_bytes(transport: asyncio.Transport) -> int:
    """Count what waits here, and in the system's buffer where it can be asked: that one hides some megabytes."""
    waiting = transport.get_write_buffer_size()
    if sys.platform != "linux":
        return waiting
    descriptor = transport.get_extra_info("socket").fileno()
    (queued,) = struct.unpack("i", fcntl.ioctl(descriptor, termios.TIOCOUTQ, bytes(4)))
    return waiting + int(queued)
