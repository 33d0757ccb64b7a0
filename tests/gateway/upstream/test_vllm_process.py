"""A vLLM of our own, with a stand-in program where vLLM would be."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import httpx
import pytest

from gateway.errors import UpstreamUnreachable
from gateway.upstream.vllm_process import VllmServer, running_vllm

SERVES = """
import http.server, json, os, sys
port = int(sys.argv[sys.argv.index("--port") + 1])
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"data": [{"id": sys.argv[sys.argv.index("--served-model-name") + 1]}]}).encode()
        self.send_response(200); self.send_header("content-length", str(len(body))); self.end_headers()
        self.wfile.write(body)
    def log_message(self, *a): pass
http.server.HTTPServer(("127.0.0.1", port), Answer).serve_forever()
"""


def standing_in(folder: Path, program: str, **given) -> VllmServer:
    """Make a server whose vLLM is ``program``."""
    package = folder / "vllm" / "entrypoints" / "openai"
    package.mkdir(parents=True)
    (package / "api_server.py").write_text(program)
    environment = {"PYTHONPATH": str(folder)}
    return VllmServer(Path(sys.executable), "some/model", "m", environment=environment, **given)


async def test_the_block_begins_when_it_answers_and_ends_it(tmp_path):
    """Nothing of it is left running."""
    async with running_vllm(standing_in(tmp_path, SERVES)) as running:
        async with httpx.AsyncClient() as client:
            listed = (await client.get(f"{running.url}/models")).json()
        pid = running.pid
    assert "m" == listed["data"][0]["id"]
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_one_that_dies_is_started_again_on_the_same_port(tmp_path):
    """The gateway in front keeps its base URL."""
    told = []
    async with running_vllm(standing_in(tmp_path, SERVES), told.append) as running:
        before = running.pid
        os.kill(before, signal.SIGKILL)
        async with httpx.AsyncClient() as client, asyncio.timeout(20):
            while running.starts < 2 or not await up(client, running.url):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert before != running.pid
    assert "vLLM ended; starting it again in 1 s" == told[0]


async def up(client, url):
    """Say whether it answers."""
    try:
        return (await client.get(f"{url}/models")).is_success
    except httpx.HTTPError:
        return False


async def test_one_that_never_comes_up_is_said_so(tmp_path):
    """Its exit ends the waiting at once."""
    with pytest.raises(UpstreamUnreachable, match="ended before it answered"):
        async with running_vllm(standing_in(tmp_path, "raise SystemExit(1)")):
            pass


async def test_one_that_takes_too_long_is_given_up_and_ended(tmp_path):
    """The limit is the caller's."""
    with pytest.raises(UpstreamUnreachable, match=r"within 0\.5 s"):
        async with running_vllm(standing_in(tmp_path, "import time; time.sleep(60)", ready_s=0.5)):
            pass


async def test_a_python_that_is_not_there_is_named():
    """Before anything is waited for."""
    with pytest.raises(UpstreamUnreachable, match="no-such-python"):
        async with running_vllm(VllmServer(Path("no-such-python"), "model", "m")):
            pass
