"""What is measured: Lethe, bare pass-throughs, and peers that somebody has installed. Starts nothing."""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from verifier_cost import made_up_topics

from gateway.store.records import ForgetTopic
from gateway.store.store import Store

__all__ = ["Target", "bare", "lethe", "litellm", "nemo", "nginx", "portkey"]

_HERE = Path(__file__).parent
_TOPICS = 200


@dataclass(frozen=True, slots=True)
class Target:
    """A gateway: how it is started, and how it is asked. An empty command: it runs already."""

    name: str
    base: str
    command: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    headers: Sequence[str] = ()
    model: str = "m"

    @property
    def url(self) -> str:
        """Where chats go."""
        return f"{self.base}/v1/chat/completions"


def lethe(folder: Path, port: int, upstream: str) -> Target:
    """Lethe with 200 active topics of 10 aliases and 10 facts, and its default verifiers.

    There is no certificate: what has no trace goes out, which asks the same of the verifiers.
    """
    database = folder / "lethe.db"
    if not database.exists():
        asyncio.run(_fill(database))
    command = (sys.executable, "-c", "from gateway.cli import main; main()", "serve", "--port", str(port))
    environment = {
        "LETHE_UPSTREAM_URL": f"{upstream}/v1",
        "LETHE_DATABASE": str(database),
        "LETHE_WITHOUT_CERTIFICATE": "zero-evidence",
    }
    return Target("Lethe", _base(port), command, environment)


async def _fill(database: Path) -> None:
    store = await Store.open(str(database), create=True)
    topics = made_up_topics(random.Random(0), _TOPICS, aliases=10, facts=10)
    await store.add(*(ForgetTopic(topic, active=True) for topic in topics))
    await store.aclose()


def bare(kind: str, port: int, upstream: str) -> Target:
    """A pass-through of this kind; see ``bare.py``."""
    command = (sys.executable, str(_HERE / "bare.py"), kind, "--port", str(port), "--upstream", upstream)
    return Target(kind, _base(port), command)


def litellm(program: Path, folder: Path, port: int, upstream: str) -> Target:
    """LiteLLM's proxy without guardrails, keys or database, one worker, set to be quiet and for production."""
    config = folder / "litellm.yaml"
    parameters = {"model": "openai/m", "api_base": f"{upstream}/v1", "api_key": "none"}
    config.write_text(json.dumps({"model_list": [{"model_name": "m", "litellm_params": parameters}]}))
    command = (str(program), "--config", str(config), "--port", str(port), "--host", "127.0.0.1")
    quiet = {"LITELLM_MODE": "PRODUCTION", "LITELLM_LOG": "ERROR", "LITELLM_TELEMETRY": "False"}
    quiet |= {"LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true"}  # as Lethe, without a key
    return Target("LiteLLM proxy", _base(port), command, quiet)


def portkey(script: Path, port: int, upstream: str) -> Target:
    """Portkey's gateway without checks: build/start-server.js of @portkey-ai/gateway."""
    headers = ("x-portkey-provider: openai", f"x-portkey-custom-host: {upstream}/v1", "authorization: Bearer none")
    command = ("node", str(script), f"--port={port}", "--headless")
    return Target("Portkey gateway", _base(port), command, {"TRUSTED_CUSTOM_HOSTS": "127.0.0.1"}, headers)


def nemo(program: Path, folder: Path, port: int, upstream: str) -> Target:
    """NeMo Guardrails' server on its IO-rails engine, with one regular expression over each answer."""
    config = folder / "nemo" / "m"
    config.mkdir(parents=True, exist_ok=True)
    model = {
        "type": "main",
        "engine": "openai",
        "model": "m",
        "parameters": {"base_url": f"{upstream}/v1", "api_key": "none"},
    }
    rails = {
        "config": {"regex_detection": {"output": {"patterns": ["Maren Oskeld"]}}},
        "output": {"flows": ["regex check output"]},
    }
    (config / "config.yml").write_text(json.dumps({"models": [model], "rails": rails}))
    command = (
        str(program),
        "server",
        "--config",
        str(config.parent),
        "--port",
        str(port),
        "--default-config-id",
        "m",
    )
    environment = {"NEMO_GUARDRAILS_IORAILS_ENGINE": "1", "DO_NOT_TRACK": "1", "OPENAI_API_KEY": "none"}
    environment |= {"MAIN_MODEL_ENGINE": "openai", "MAIN_MODEL_BASE_URL": f"{upstream}/v1"}
    return Target("NeMo IO-rails", _base(port), command, environment)


def nginx(program: Path, folder: Path, port: int, upstream: str) -> Target:
    """nginx with kept connections, one worker: the least that any proxy costs."""
    config = folder / "nginx.conf"
    config.write_text(
        "daemon off; worker_processes 1; pid nginx.pid; error_log nginx.log;\n"
        "events { worker_connections 1024; }\n"
        "http { access_log off; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;\n"
        "  uwsgi_temp_path uwsgi; scgi_temp_path scgi;\n"
        f"  upstream model {{ server {upstream.removeprefix('http://')}; keepalive 128; }}\n"
        f"  server {{ listen 127.0.0.1:{port}; keepalive_requests 1000000000;\n"
        '    location / { proxy_pass http://model; proxy_http_version 1.1; proxy_set_header Connection ""; } } }\n'
    )
    return Target("nginx", _base(port), (str(program), "-p", str(folder), "-c", str(config)))


def _base(port: int) -> str:
    return f"http://127.0.0.1:{port}"
