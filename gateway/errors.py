"""The gateway's errors, drawn as a tree, each with the HTTP status that clients see.

::

    LetheError
    ├── InvalidInput             400  the request, file or setting is wrong; the message says where
    │   ├── UnknownModel         404
    │   └── Inapplicable         422  well formed, but the gateway as it is could not follow it
    ├── Unauthenticated          401
    ├── Forbidden                403
    ├── NotFound                 404
    ├── Conflict                 409
    ├── TooSlow                  408  the client stalled in the middle of its request
    ├── TooLarge                 413
    │   └── HeadTooLarge         431
    ├── WrongContentType         415
    ├── RateLimited              429  the key's own limit; Retry-After says when to come back
    ├── StoreError               503  the database cannot be read or written
    └── UpstreamError            502  no answer could be had
        ├── UpstreamUnreachable  502
        ├── UpstreamTimeout      504
        ├── UpstreamBusy         503  too many wait for it, or it keeps failing; Retry-After says when to come back
        ├── UpstreamRejected     as upstream said
        └── UpstreamGarbage      502  an answer of unknown shape: withheld, not passed on

A message says what to do about it, and never quotes a conversation, a topic or a secret.
"""

from __future__ import annotations

from typing import ClassVar, Literal, TypeAlias

__all__ = [
    "Conflict",
    "Forbidden",
    "HeadTooLarge",
    "IdentitiesUnavailable",
    "Inapplicable",
    "InvalidInput",
    "LetheError",
    "NotFound",
    "RateLimited",
    "StoreError",
    "TooLarge",
    "TooSlow",
    "Unauthenticated",
    "UnknownModel",
    "UpstreamBusy",
    "UpstreamError",
    "UpstreamGarbage",
    "UpstreamRejected",
    "UpstreamTimeout",
    "UpstreamUnreachable",
    "WrongContentType",
]

Phase: TypeAlias = Literal["connect", "read", "write", "pool"]


class LetheError(Exception):
    """Anything that Lethe reports on purpose."""

    status: ClassVar[int] = 500
    kind: ClassVar[str] = "server_error"
    code: ClassVar[str | None] = None


class InvalidInput(LetheError):
    """A request, file or setting that cannot be used. ``param`` names the offending field."""

    status = 400
    kind = "invalid_request_error"

    def __init__(self, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


class UnknownModel(InvalidInput):
    """The client asked for a model that no upstream serves."""

    status = 404
    code = "model_not_found"


class Inapplicable(InvalidInput):
    """A change that cannot be applied as the gateway is configured; nothing was changed."""

    status = 422
    code = "cannot_apply"


class Unauthenticated(LetheError):
    """A key is missing or wrong."""

    status = 401
    kind = "authentication_error"
    code = "invalid_api_key"


class Forbidden(LetheError):
    """Nobody may do this as the gateway is configured."""

    status = 403
    kind = "permission_error"
    code = "forbidden"


class NotFound(LetheError):
    """There is no such thing."""

    status = 404
    kind = "invalid_request_error"
    code = "not_found"


class Conflict(LetheError):
    """It exists already, or has changed meanwhile."""

    status = 409
    kind = "invalid_request_error"
    code = "conflict"


class TooLarge(LetheError):
    """The body is larger than the gateway accepts."""

    status = 413
    kind = "invalid_request_error"
    code = "request_too_large"


class HeadTooLarge(TooLarge):
    """The head of a request does not end."""

    status = 431


class TooSlow(LetheError):
    """The client began a request and stalled."""

    status = 408
    kind = "invalid_request_error"
    code = "request_timeout"


class WrongContentType(LetheError):
    """The body says that it is something else than JSON."""

    status = 415
    kind = "invalid_request_error"
    code = "unsupported_content_type"


class RateLimited(LetheError):
    """The client's key has used up what it may ask for now."""

    status = 429
    kind = "rate_limit_error"
    code = "rate_limit_exceeded"

    def __init__(self, message: str, *, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class IdentitiesUnavailable(LetheError):
    """Tokens cannot be verified now."""

    status = 503
    code = "identities_unavailable"


class StoreError(LetheError):
    """The database cannot be read or written. Nothing was changed."""

    status = 503
    code = "store_unavailable"


class UpstreamError(LetheError):
    """No answer could be had from the model behind the gateway."""

    status = 502
    kind = "api_error"
    code = "upstream_error"


class UpstreamUnreachable(UpstreamError):
    """No connection, or one that broke. ``answer_begun`` says that something of an answer had come by then."""

    code = "upstream_unreachable"

    def __init__(self, message: str, *, answer_begun: bool = False) -> None:
        super().__init__(message)
        self.answer_begun = answer_begun


class UpstreamBusy(UpstreamError):
    """The model was not asked: too many wait for it already, or it is being left alone after failures."""

    status = 503
    code = "upstream_busy"

    def __init__(self, message: str, *, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class UpstreamTimeout(UpstreamError):
    """A phase of the exchange took too long."""

    status = 504
    code = "upstream_timeout"

    def __init__(self, message: str, *, phase: Phase) -> None:
        super().__init__(message)
        self.phase = phase


class UpstreamRejected(UpstreamError):
    """The upstream answered with an error status, which is passed on without its body."""

    code = "upstream_rejected"

    def __init__(self, message: str, *, upstream_status: int, retry_after: str | None = None) -> None:
        super().__init__(message)
        self.upstream_status = upstream_status
        self.retry_after = retry_after


class UpstreamGarbage(UpstreamError):
    """The upstream's answer has a shape that cannot be verified."""

    code = "upstream_garbage"
