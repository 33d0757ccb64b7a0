"""What the demo's tests share: one invented world, and the model that learned it (trained once, then cached)."""

from __future__ import annotations

import os

import pytest

from gateway.demo.checkpoint import TrainedModel, cache_dir, ensure_model
from gateway.demo.world import World, invent_world

SEED = 0


@pytest.fixture(scope="session")
def world() -> World:
    """The demo's world."""
    return invent_world(SEED)


@pytest.fixture(scope="session")
def demo_model() -> TrainedModel:
    """The demo's model; the first call trains it for about a minute."""
    return ensure_model(cache_dir(os.environ), SEED)
