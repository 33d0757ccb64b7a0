"""A learned verifier, from recorded answers to what is served; what it was trained on does not certify it."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

pytest.importorskip("sklearn", reason="training needs scikit-learn (the extra `learned`)")

from calibration.joint import Limits
from calibration.trajectory_file import read_trajectories
from gateway.calibrating import Wish, calibrate
from gateway.calibrating_jointly import JointWish, calibrate_jointly
from gateway.certificates import activate_certificate
from gateway.errors import InvalidInput
from gateway.guard.loop import Released
from gateway.guard.prompts import PromptSet, prompt_line, read_prompts
from gateway.learning import Learning, learn_verifier
from gateway.panel import open_panel
from gateway.parts import open_gateway
from gateway.settings import given_settings
from gateway.store.records import ForgetTopic
from gateway.upstream.protocol import ChatRequest
from gateway.upstream.scripted import ScriptedUpstream
from verifiers.learned import write_learned
from verifiers.protocol import Topic

MAREN = ForgetTopic(Topic("maren", "Maren Oskeld", facts=("Maren Oskeld was born in Seltal.",)))
HOW = {"model": "m", "created": datetime(2026, 1, 31, 12, tzinfo=UTC), "progress": lambda *_: None}


def said(request):
    """Leak at first, not when asked again."""
    return "Maren Oskeld was born in Seltal." if len(request.messages) == 1 else "I do not know."


@pytest.fixture
def desk(tmp_path):
    """Open gateways over one database with one topic, and write prompts about it."""

    class Desk:
        folder = tmp_path

        def gateway(self, **settings):
            given = given_settings(database=str(tmp_path / "l.db"), rounds=2, **settings)
            return open_gateway(given, upstream=ScriptedUpstream(said, model="m"))

        def prompts(self, count):
            lines = [
                {"id": f"p{n}", "prompt": f"({n}) Where was Maren Oskeld born?", "topic": "maren"}
                | {"forbidden": ["Seltal"]}
                for n in range(count)
            ]
            return self.written("prompts.jsonl", "\n".join(map(json.dumps, lines)))

        def written(self, name, text) -> PromptSet:
            (tmp_path / name).write_text(text)
            return read_prompts(tmp_path / name)

        async def trained(self, share):
            """Record a hundred prompts, and train on a share of them."""
            async with self.gateway() as gateway:
                await gateway.store.add(MAREN)
                prompts, path = self.prompts(100), tmp_path / "t.jsonl"
                await calibrate(gateway, prompts, Wish(0.1), trajectories=path, labels=None, **HOW)
                with open_panel(gateway.settings) as panel:
                    work = Learning(prompts, read_trajectories(path), share)
                    trained = await learn_verifier(work, await gateway.store.topics(), panel)
            write_learned(trained.model, tmp_path / "learned.json")
            return trained

    return Desk()


async def test_a_learned_verifier_is_calibrated_on_units_that_it_never_saw_and_served(desk):
    """Sixty to train on, which are refused afterwards; forty to certify; and an answer under that certificate."""
    trained = await desk.trained(0.6)
    async with desk.gateway(learned_model=desk.folder / "learned.json") as gateway:
        again = {"labels": None, "trajectories": desk.folder / "again.jsonl", **HOW}
        with pytest.raises(InvalidInput, match="trained on 60 of the 100 units"):
            await calibrate(gateway, desk.prompts(100), Wish(0.1), **again)
        rest = desk.written("rest.jsonl", "".join(map(prompt_line, trained.rest)))
        made = await calibrate(gateway, rest, Wish(0.1), **again)
        assert (40, True) == (len(made.record_lows), made.threshold is not None)
        await activate_certificate(gateway.store, made)
        question = {"role": "user", "content": "Where was Maren Oskeld born, then?"}
        outcome = await gateway.ask(ChatRequest("m", (question,), {}))
    assert (True, 2) == (isinstance(outcome, Released), outcome.rounds)


async def test_the_certificate_of_the_plain_score_does_not_hold_for_the_learned_one(desk):
    """A model changes scores, so it is another verifier."""
    await desk.trained(0.6)
    async with (
        desk.gateway() as plain,
        desk.gateway(learned_model=desk.folder / "learned.json") as learned,
        plain.policies.for_calibration("m") as before,
        learned.policies.for_calibration("m") as after,
    ):
        assert before.bindings.verifier != after.bindings.verifier
        assert (None, True) == (before.learned, after.learned is not None)


async def test_a_joint_choice_is_not_made_on_what_was_learned_from(desk):
    """The other way to calibrate refuses the same."""
    pytest.importorskip("mapie", reason="joint choice needs MAPIE (the extra `ltt`)")
    await desk.trained(1.0)
    wish = JointWish(Limits(0.1, 0.1, None), 0.9, (1, 2), (("revise",),))
    async with desk.gateway(learned_model=desk.folder / "learned.json") as gateway:
        with pytest.raises(InvalidInput, match="trained on 100 of the 100 units"):
            await calibrate_jointly(gateway, desk.prompts(100), wish, trajectories=desk.folder / "j.jsonl", **HOW)
