"""Errors on the wire: exceptions to statuses and OpenAI-style bodies. Quotes nothing that a client sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match

from gateway.errors import (
    InvalidInput,
    LetheError,
    RateLimited,
    StoreError,
    TooSlow,
    Unauthenticated,
    UpstreamBusy,
    UpstreamRejected,
)
from gateway.logs import Report, keep_silent
from gateway.store.wire import explain, field_path

__all__ = [
    "UNEXPECTED",
    "install_problem_handlers",
    "on_gone",
    "on_lethe_error",
    "problem_body",
    "problem_status",
]

_STORE_UNAVAILABLE: Final = "the gateway cannot read its policy, so nothing is released; its log says why"
UNEXPECTED: Final = "the gateway failed; nothing was released"
_GATEWAY_KEY_REFUSED: Final = "the upstream refused the gateway's own key"
_PASSED_ON: Final = frozenset({400, 404, 413, 422, 429})
_FIELD_LENGTH: Final = 64
_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")


def install_problem_handlers(app: FastAPI, report: Report = keep_silent) -> None:
    """Make the app answer every error in one shape. Starlette still raises unexpected ones to the server."""
    app.state.report = report
    app.add_exception_handler(LetheError, on_lethe_error)
    app.add_exception_handler(RequestValidationError, _on_invalid_body)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(ClientDisconnect, on_gone)
    app.add_exception_handler(Exception, _on_unexpected)


def problem_status(error: LetheError) -> int:
    """Return the status that the client sees.

    An upstream's complaint about the request is the client's; one about the gateway's key is not.
    """
    if isinstance(error, UpstreamRejected) and error.upstream_status in _PASSED_ON:
        return error.upstream_status
    return error.status


def problem_body(error: LetheError) -> dict[str, Any]:
    """Return the body that the client sees, also as the last event of a stream."""
    message, kind, code = str(error), error.kind, error.code
    if isinstance(error, StoreError):
        message = _STORE_UNAVAILABLE  # the error itself names a path
    if isinstance(error, UpstreamRejected):
        if error.upstream_status in (401, 403):
            message = _GATEWAY_KEY_REFUSED
        elif error.upstream_status == 429:
            kind, code = "rate_limit_error", "rate_limit_exceeded"
        elif error.upstream_status in _PASSED_ON:
            kind = "invalid_request_error"
    return _body(message, kind, error.param if isinstance(error, InvalidInput) else None, code)


def _body(message: str, kind: str, param: str | None, code: str | None) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


async def on_lethe_error(request: Request, error: Exception) -> JSONResponse:
    """Answer with the error's status and body."""
    if not isinstance(error, LetheError):  # starlette's signature promises less than it does
        raise error
    headers: dict[str, str] = {}
    if isinstance(error, StoreError):
        _report(request, "store_unavailable", reason=str(error))
    if isinstance(error, TooSlow):
        headers["connection"] = "close"  # what comes yet would be read as another request
    if isinstance(error, Unauthenticated):
        headers["www-authenticate"] = "Bearer"
    if isinstance(error, RateLimited | UpstreamBusy):
        headers["retry-after"] = str(error.retry_after_s)
    if isinstance(error, UpstreamRejected) and error.retry_after and error.retry_after.isdecimal():
        headers["retry-after"] = error.retry_after
    return _answer(request, problem_status(error), problem_body(error), headers)


async def _on_invalid_body(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        raise error
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        body = _body("the body is not valid JSON", "invalid_request_error", None, "invalid_body")
    else:
        field = _field(first["loc"])
        message = f"{field or 'the body'}: {explain(first)}"
        body = _body(message, "invalid_request_error", field or None, "invalid_body")
    return _answer(request, 422, body)


async def _on_http_exception(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    if isinstance(error.__cause__, LetheError):  # FastAPI's own wrapping of what reading the body raised
        return await on_lethe_error(request, error.__cause__)
    phrase = HTTPStatus(error.status_code).phrase
    kind = "invalid_request_error" if error.status_code < 500 else "server_error"
    body = _body(phrase, kind, None, phrase.lower().replace(" ", "_"))
    headers = error.headers
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers = {"allow": ", ".join(_allowed(request))}
    return _answer(request, error.status_code, body, headers)


async def on_gone(request: Request, error: Exception) -> JSONResponse:
    """Answer nobody: who went away in the middle of a body is no failure of the gateway's."""
    return _answer(request, 400, _body("the body is not whole", "invalid_request_error", None, "invalid_body"))


async def _on_unexpected(request: Request, error: Exception) -> JSONResponse:
    _report(request, "unexpected_error", kind=type(error).__name__)
    return _answer(request, 500, _body(UNEXPECTED, "server_error", None, "internal_error"))


def _allowed(request: Request) -> Iterator[str]:
    """Name what the path allows: of several routes on one path, the router names the first one's methods alone."""
    for method in _METHODS:
        scope = {**request.scope, "method": method}
        if any(route.matches(scope)[0] is Match.FULL for route in request.app.routes):
            yield method


def _report(request: Request, event: str, **fields: object) -> None:
    report: Report = request.app.state.report
    report(event, {**fields, "request_id": _request_id(request)})


def _field(loc: tuple[str | int, ...]) -> str:
    """Name the field, in printable characters and briefly: an unknown field's name is the client's."""
    steps = field_path(loc[1:] if loc[:1] == ("body",) else loc)
    named = ".".join(str(step) for step in steps)
    return "".join(letter for letter in named if letter.isprintable())[:_FIELD_LENGTH]


def _answer(
    request: Request, status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> JSONResponse:
    request_id = _request_id(request)
    named = {} if request_id is None else {"x-request-id": request_id}
    return JSONResponse(body, status, {**(headers or {}), **named})


def _request_id(request: Request) -> str | None:
    return getattr(request.state, "request_id", None)
