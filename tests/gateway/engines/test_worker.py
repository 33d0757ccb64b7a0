"""A worker's process: what it computes with is compared, and what fails comes back as words that may be read."""

from __future__ import annotations

import pickle
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from gateway.engines.build import Build, difference, this_build
from gateway.engines.worker import Failed, RemoteWorker
from gateway.errors import InvalidInput, UpstreamRejected


class Halving:
    """Halves even numbers."""

    @asynccontextmanager
    async def opened(self):
        """Open nothing."""

        async def halved(number):
            if number == 0:
                raise UpstreamRejected("no", upstream_status=400)
            if number % 2:
                raise ValueError(f"{number}, and Maren Oskeld was born in Seltal")
            return number // 2

        yield halved


class Broken:
    """Cannot be opened."""

    @asynccontextmanager
    async def opened(self):
        """Open it in vain."""
        raise InvalidInput("there is no model here")
        yield


async def test_a_worker_does_what_it_opened():
    """One item after the other."""
    worker = RemoteWorker()
    assert None is await worker.open(Halving())
    assert [2, 3] == [await worker.do(number) for number in (4, 6)]


async def test_what_was_raised_on_purpose_comes_back_in_its_words():
    """As input that is wrong, or as a model that fails."""
    worker = RemoteWorker()
    refused = await worker.open(Broken())
    assert Failed(True, "there is no model here") == pickle.loads(pickle.dumps(refused))
    await worker.open(Halving())
    assert Failed(False, "no") == await worker.do(0)


async def test_any_other_failure_keeps_its_words_to_itself():
    """They may quote what is to be forgotten, and end in a log."""
    worker = RemoteWorker()
    await worker.open(Halving())
    assert Failed(False, "a worker failed unexpectedly: ValueError") == await worker.do(3)


async def test_an_item_before_the_opening_fails():
    """It is never done in some other way."""
    assert isinstance(await RemoteWorker().do(4), Failed)


@pytest.mark.parametrize(
    ("there", "said"),
    [
        ({}, ""),
        ({"code": "f00"}, "another Lethe"),
        ({"versions": {"numpy": "1", "torch": "2"}}, "numpy 1 in place of 2"),
        ({"versions": {"numpy": "2", "rapidfuzz": "3"}}, ""),
    ],
    ids=["the same", "other code", "another library", "more libraries"],
)
def test_a_build_differs_where_it_could_answer_or_judge_otherwise(there, said):
    """A library that only one of them has is no difference."""
    here = Build("c0de", {"numpy": "2", "torch": "2"})
    found = difference(here, replace(here, **there))
    assert (bool(said), True) == (bool(found), said in found)


def test_this_build_names_the_code_and_the_libraries():
    """The same each time."""
    assert (this_build(), True) == (this_build(), "numpy" in this_build().versions)
