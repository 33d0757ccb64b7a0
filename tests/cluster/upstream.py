"""A model server that knows one secret and tells it to everybody. Prints its address, serves until it is ended."""

from __future__ import annotations

import asyncio
import sys

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from gateway.serving import serve_until_signalled

SECRET = "Maren Oskeld was born in Seltal."


async def models(request: Request) -> JSONResponse:
    """Name the only model."""
    return JSONResponse({"object": "list", "data": [{"id": "m", "object": "model", "owned_by": "test"}]})


async def chat(request: Request) -> JSONResponse:
    """Tell the secret, as any answer to anything, after a moment."""
    await request.json()
    await asyncio.sleep(0.01)
    message = {"role": "assistant", "content": SECRET}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    usage = {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}
    return JSONResponse(
        {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}
    )


def main() -> None:
    """Serve on a free port of the loopback."""
    routes = [Route("/v1/models", models), Route("/v1/chat/completions", chat, methods=["POST"])]

    def tell(url: str) -> None:
        sys.stdout.write(f"{url}\n")
        sys.stdout.flush()

    app = Starlette(routes=routes)
    asyncio.run(serve_until_signalled(app, "127.0.0.1", 0, tell, client_timeout_s=30.0))


if __name__ == "__main__":
    main()
