"""Pass-throughs that check nothing: the least that Python frameworks and HTTP clients cost. One to a process."""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import httpx
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

__all__ = ["fastapi_httpx", "starlette_aiohttp"]

_PATH = "/v1/chat/completions"
_JSON = {"content-type": "application/json"}


def starlette_aiohttp(upstream: str) -> Starlette:
    """Hand the bytes on, and the answer's back."""
    kept: dict[str, aiohttp.ClientSession] = {}

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=200)) as session:
            kept["session"] = session
            yield

    async def passed(request: Request) -> Response:
        async with kept["session"].post(upstream + _PATH, data=await request.body(), headers=_JSON) as answer:
            return Response(await answer.read(), answer.status, media_type="application/json")

    return Starlette(routes=[Route(_PATH, passed, methods=["POST"])], lifespan=lifespan)


class _Message(BaseModel):
    model_config = ConfigDict(extra="allow")

    role: str


class _Body(BaseModel):
    model_config = ConfigDict(extra="allow")

    model: str
    messages: list[_Message]


def fastapi_httpx(upstream: str) -> FastAPI:
    """Read the body with pydantic, and ask with httpx: how most such services are begun."""
    kept: dict[str, httpx.AsyncClient] = {}

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with httpx.AsyncClient(limits=httpx.Limits(max_connections=200)) as client:
            kept["client"] = client
            yield

    app = FastAPI(lifespan=lifespan)

    @app.post(_PATH)
    async def passed(body: _Body) -> Any:
        answer = await kept["client"].post(upstream + _PATH, json=body.model_dump())
        return answer.json()

    return app


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=("starlette+aiohttp", "fastapi+httpx"))
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--upstream", required=True)
    given = parser.parse_args()
    app = (starlette_aiohttp if given.kind == "starlette+aiohttp" else fastapi_httpx)(given.upstream)
    uvicorn.run(app, host="127.0.0.1", port=given.port, log_level="warning", access_log=False)
