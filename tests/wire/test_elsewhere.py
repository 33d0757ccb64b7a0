"""Recording elsewhere: what another process is sent suffices for the same trajectories, and holds no more."""

from __future__ import annotations

import pickle
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace

import pytest

from gateway.elsewhere import JudgingElsewhere, RecordingElsewhere, Walking
from gateway.errors import InvalidInput
from gateway.guard.prompts import Prompt
from gateway.guard.recording import PromptRecorder
from gateway.judging import Judging
from gateway.model_verifiers import ModelVerifiers
from gateway.parts import open_gateway
from gateway.settings import given_settings
from gateway.store.records import BackendRecord, ForgetTopic, Server
from tests.wire.test_calibrate_command import judging
from verifiers.protocol import Topic

MAREN = ForgetTopic(Topic("maren", "Maren Oskeld", facts=("Maren Oskeld was born in Seltal.",)))
LEO = ForgetTopic(Topic("leo", "Leo Tarn", facts=("Leo Tarn keeps bees.",)), active=False)
ASKED = ({"role": "user", "content": "Where was Maren Oskeld born?"},)
PROMPT = Prompt("p", ASKED, {}, ("Seltal",), False, "maren", "p", {})


def leaks(prompt, answer):
    """Label."""
    return "Seltal" in answer


@pytest.fixture
def desk(start, tmp_path):
    """Give what a calibration through a gateway before a scripted model would send, and how it records itself."""

    @asynccontextmanager
    async def made(script=("Born in Seltal.", "I do not know.") * 2, **given):
        async with start(script, topics=()) as model:
            settings = given_settings(
                database=str(tmp_path / "d.db"), upstream_url=f"{model.url}/v1", rounds=2, **given
            )
            async with open_gateway(settings) as gateway:
                await gateway.store.add(MAREN, LEO)
                async with gateway.policies.for_calibration("m") as subject:
                    here = PromptRecorder(Walking(subject, gateway.plan, "m"), leaks)
                    yield (
                        here,
                        RecordingElsewhere.of(
                            settings, subject.record, gateway.plan, "m", leaks, subject.bindings, {}
                        ),
                    )

    return made


async def test_what_is_sent_records_as_this_process_does(desk):
    """Two rounds with their scores and labels, after a way through bytes, with no database."""
    async with desk() as (here, elsewhere):
        expected = await here(PROMPT)
        async with pickle.loads(pickle.dumps(elsewhere)).opened() as there:
            assert expected == await there(PROMPT)
    assert (True, False) == expected.leaks


async def test_another_verifier_there_is_refused(desk):
    """Its scores would be mixed with ours: it is named."""
    async with desk() as (_, elsewhere):
        other = replace(elsewhere, bindings=replace(elsewhere.bindings, verifier="another"))
        with pytest.raises(InvalidInput, match=r"\(another verifier\)"):
            async with other.opened():
                pass


async def test_keys_to_the_gateway_itself_and_other_topics_are_not_sent(desk):
    """The server's key is, and so is what is to be forgotten now."""
    keys = {
        "admin_key": "the-admin",
        "api_key": "a-client",
        "metrics_key": "of-metrics",
        "upstream_key": "sk-server",
    }
    async with desk(**keys) as (_, elsewhere):
        sent = pickle.dumps(elsewhere)
    words = ("the-admin", "a-client", "of-metrics", "bees", "sk-server", "Seltal")
    assert ["sk-server", "Seltal"] == [word for word in words if word.encode() in sent]


async def test_of_the_environment_the_named_keys_are_sent(desk):
    """Those of the backends' servers, and nothing else."""
    async with desk() as (_, elsewhere):
        backend = BackendRecord("b", Server("http://127.0.0.1:9/v1", "m2", "B_KEY"), "f")
        record = replace(elsewhere.record, backends=(backend,))
        made = RecordingElsewhere.of(
            elsewhere.settings, record, elsewhere.plan, "m", leaks, elsewhere.bindings,
            {"B_KEY": "sk-b", "HOME": "somewhere"},
        )  # fmt: skip
    assert {"B_KEY": "sk-b"} == made.server_keys


async def test_files_are_named_from_the_root(desk, tmp_path, monkeypatch):
    """A worker stands in another directory."""
    monkeypatch.chdir(tmp_path)
    async with desk(drift_file="drift.json") as (_, elsewhere):
        assert tmp_path / "drift.json" == elsewhere.settings.drift_file


async def test_a_judge_there_labels_as_the_one_here(start, desk):
    """By the same fingerprint; the key of the answering server is not sent to it."""
    async with desk() as (here, _):
        recorded = await here(PROMPT)
    async with start(judging, topics=()) as model:
        settings = given_settings(judge_url=f"{model.url}/v1", judge_model="m", upstream_key="sk-of-the-server")
        with ExitStack() as stack:
            judge = ModelVerifiers(settings, stack).judge()
            expected = await Judging.by(judge, (MAREN.topic,), 0.5, 10_000)((PROMPT, recorded))
        there = JudgingElsewhere.of(settings, (MAREN.topic,), 0.5, judge.fingerprint)
        sent = pickle.dumps(there)
        async with pickle.loads(sent).opened() as label:
            assert expected == await label((PROMPT, recorded))
        with pytest.raises(InvalidInput, match="another judge"):
            async with replace(there, fingerprint="another").opened():
                pass
    assert ((True, False), False) == (expected.leaks, b"sk-of-the-server" in sent)
