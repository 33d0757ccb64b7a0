"""Opening models: from the settings the default one, from a backend's record an alternative. Knows no topics."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from gateway.errors import InvalidInput
from gateway.servers import configured_servers, key_from, server_capabilities, server_pool
from gateway.settings import Settings
from gateway.store.records import Checkpoint, Place, Server
from gateway.upstream.pinned import Pinned
from gateway.upstream.protocol import Capabilities, Upstream

__all__ = ["IN_PROCESS", "Backends", "open_upstream"]

IN_PROCESS: Final = Capabilities(several_choices=True, banned_words=True)
"""What every model in this process can do; asking the model itself would load torch."""


def open_upstream(settings: Settings, environment: Mapping[str, str] = os.environ) -> Upstream:
    """Connect to the configured model. Raises ``InvalidInput`` if there is none, or it cannot be loaded."""
    if (servers := configured_servers(settings, environment)) is not None:
        return servers
    if settings.model_dir is not None:
        return _checkpoint(settings, settings.model_dir, settings.model_name or settings.model_dir.name)
    raise InvalidInput("no model to stand before: set LETHE_UPSTREAM_URL, LETHE_UPSTREAMS, or LETHE_MODEL_DIR")


class Backends:
    """Opens backends: with the settings' timeouts and threads, and keys out of ``environment``."""

    def __init__(self, settings: Settings, environment: Mapping[str, str] = os.environ) -> None:
        self._settings = settings
        self._environment = environment

    def capabilities(self, place: Place) -> Capabilities:
        """A server is taken to do what the settings say that servers do."""
        return IN_PROCESS if isinstance(place, Checkpoint) else server_capabilities(self._settings)

    def open(self, name: str, place: Place) -> Upstream:
        """Load a checkpoint, or make ready to talk to a server. Raises ``InvalidInput``."""
        match place:
            case Checkpoint(path):
                return Pinned(_checkpoint(self._settings, path, name), name)
            case Server(url, model, key_env):
                key = key_from(self._environment, key_env)
                return Pinned(server_pool(self._settings, name, url, key), model)


def _checkpoint(settings: Settings, path: Path, name: str) -> Upstream:
    # torch is an optional extra, and the serving path must not load it for a remote model.
    try:
        from gateway.upstream.transformers import Batching, TransformersUpstream
    except ImportError as error:
        raise InvalidInput(
            f"a model in this process needs the extra `local`, which is not installed ({error}): "
            "in the checkout: pip install -c constraints.txt '.[local]'"
        ) from error
    return TransformersUpstream(
        path, name=name, threads=settings.model_threads, batching=Batching(rows=settings.max_batch)
    )
