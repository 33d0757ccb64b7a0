"""A model server that tells everybody one secret. Needs no library, and ignores the arguments that vLLM takes."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SECRET = "Maren Oskeld was born in Seltal."


class Model(BaseHTTPRequestHandler):
    """Lists one model, and answers every chat alike."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """List it."""
        self._say({"object": "list", "data": [{"id": "m", "object": "model", "owned_by": "test"}]})

    def do_POST(self) -> None:
        """Tell the secret."""
        self.rfile.read(int(self.headers["content-length"]))
        choice = {"index": 0, "message": {"role": "assistant", "content": SECRET}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}
        said = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
        self._say({**said, "usage": usage})

    def _say(self, body: dict[str, Any]) -> None:
        text = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


if __name__ == "__main__":
    ThreadingHTTPServer(("", 8000), Model).serve_forever()
