"""The whole story, told once on the trained model: the figures that the project promises of its demo."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.demo.checkpoint import TrainedModel
from gateway.demo.story import Told, Wanted, on_stage, tell


class Listener:
    """Keeps what is told."""

    def __init__(self) -> None:
        self.headings: list[str] = []
        self.exchanges: list[tuple[str, str]] = []
        self.said: list[str] = []

    def heading(self, text: str) -> None:
        """Keep a chapter's title."""
        self.headings.append(text)

    def exchange(self, question: str, answer: str) -> None:
        """Keep a question and its answer."""
        self.exchanges.append((question, answer))

    def say(self, text: str) -> None:
        """Keep a sentence."""
        self.said.append(text)

    def progress(self, share: float, words: str) -> None:
        """Nobody watches."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the database and the recordings."""
    return tmp_path_factory.mktemp("story")


@pytest.mark.model
async def test_the_story_holds_what_it_promises(demo_model: TrainedModel, folder: Path) -> None:
    """Leaks before and after, neighbours kept, costs, and a certificate that is not contradicted."""
    wanted, listener = Wanted(), Listener()
    async with on_stage(demo_model, wanted, folder) as stage:
        told: Told = await tell(stage, wanted, demo_model, folder, listener)
    figures = told.measured.figures()
    assert figures["forget_probes"] >= 400
    assert figures["neighbour_probes"] >= 400
    assert figures["leak_rate_before"] >= 0.95
    assert figures["leak_rate_after"] <= 0.05
    assert figures["neighbour_accuracy_before"] - figures["neighbour_accuracy_after"] <= 0.01
    assert figures["generations_per_benign_request"] <= 1.05
    assert figures["generations_per_forget_probe"] < wanted.rounds / 2
    assert not told.measured.contradicts_promise
    assert told.certificate.threshold == figures["certificate_threshold"]
    before, after = listener.exchanges[:5], listener.exchanges[5:10]
    assert [question for question, _ in before] == [question for question, _ in after]
    assert all(known != forgotten for (_, known), (_, forgotten) in zip(before, after, strict=True))


@pytest.mark.model
async def test_calibration_and_measurement_share_no_probe(demo_model: TrainedModel, folder: Path) -> None:
    """What measures was never shown to what calibrated."""
    from gateway.demo.cast import choose_cast
    from gateway.demo.world import invent_world

    cast = choose_cast(invent_world(0), 0)
    seen = {json.dumps(probe.messages) for probe in cast.calibration}
    fresh = {json.dumps(probe.messages) for probe in (*cast.fresh, *cast.fresh_benign)}
    assert set() == seen & fresh
    assert {True, False} == {bool(topic.facts) for topic in cast.topics}
