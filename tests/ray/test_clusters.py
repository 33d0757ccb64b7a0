"""Clusters that cannot be used: said at once, with what to do."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from gateway.engines.build import Build
from gateway.engines.on_ray import on_ray
from gateway.errors import InvalidInput, UpstreamUnreachable
from tests.ray.processes import free_port


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_an_address_at_which_nobody_answers_is_named_at_once(scheme):
    """Ray itself would try for two minutes, and then end the process."""
    address = f"{scheme}127.0.0.1:{free_port()}"
    with pytest.raises(UpstreamUnreachable, match=address), on_ray(address, workers=1, concurrency=1):
        pass


def test_no_cluster_on_this_machine_is_said(monkeypatch):
    """Where RAY_ADDRESS names none either."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with pytest.raises(UpstreamUnreachable, match="auto"), on_ray("auto", workers=1, concurrency=1):
        pass


def test_an_address_that_is_none_is_refused():
    """With the kinds that there are."""
    with pytest.raises(InvalidInput, match="HOST:PORT"), on_ray("nonsense", workers=1, concurrency=1):
        pass


class Untold:
    """Says with what it was opened; a worker that computes otherwise is not to get so far."""

    @asynccontextmanager
    async def opened(self):
        """Open nothing."""

        async def said(item):
            return item

        yield said


async def test_a_worker_for_which_there_is_no_cpu_leaves_the_work_to_the_others():
    """One of two has to wait; the one that works does not."""
    with on_ray("local", workers=1, concurrency=2) as engine:
        async with asyncio.timeout(40), replace(engine, workers=2).doing(None, Untold()) as do:
            assert [0, 1, 2, 3, 4] == [await do(item) for item in range(5)]


async def test_a_worker_with_another_lethe_is_refused_before_it_is_told_anything():
    """The same one may work."""
    with on_ray("local", workers=1, concurrency=1) as engine:
        async with engine.doing(None, Untold()) as do:
            assert "as it was" == await do("as it was")
        other = replace(engine, build=Build("another", {}))
        async with other.doing(None, Untold()) as do:
            with pytest.raises(InvalidInput, match=r"another Lethe.*every node"):
                await do("a fact")
