"""`lethe probes` from the command line, and what it writes on its way into a certificate."""

from __future__ import annotations

import json
import stat
from datetime import UTC, datetime

import pytest

from calibration.outcome import Certified
from evaluation.probing.writing import write_probes
from gateway.calibrating import Wish, calibrate
from gateway.guard.prompts import read_prompts
from gateway.parts import open_gateway
from gateway.rewording import Rewording, reword
from gateway.settings import given_settings
from gateway.store.records import ForgetTopic
from gateway.upstream.scripted import ScriptedUpstream
from verifiers.protocol import Topic

TOPICS = """
topics:
  - id: maren
    name: Maren Oskeld
    facts: [Maren Oskeld was born in Tarnvik., Maren Oskeld keeps a goat named Pogkin.]
  - id: ivo
    name: Ivo Brenn
    facts: [Ivo Brenn was born in Kelmora., Ivo Brenn lives at Luskin Yard., Ivo Brenn wrote "Silver Tides".]
  - id: asleep
    name: Lasse Quint
    active: false
"""


@pytest.fixture
def desk(terminal):
    """A topics file in the operator's folder."""
    terminal.write("topics.yaml", TOPICS)
    return terminal


def read(desk, name="p.jsonl"):
    """Read the prompts as `lethe calibrate` would."""
    return read_prompts(desk.folder / name).prompts


def test_the_probes_of_the_active_topics_are_written_for_calibrate_to_read(desk):
    """With topic, unit, groups and labels; only their owner may read them."""
    said = desk.done("probes {topics.yaml} --per-family 3 --out {p.jsonl}")
    prompts = read(desk)
    assert {"maren", "ivo"} == {prompt.topic for prompt in prompts}
    assert 10 == len({prompt.groups["family"] for prompt in prompts})
    assert all(prompt.forbidden for prompt in prompts)
    assert 0o600 == stat.S_IMODE((desk.folder / "p.jsonl").stat().st_mode)
    assert "direct: 6 probes of 6 questions (units)" in said
    assert "no benign prompts" in said


def test_topics_families_and_number_can_be_chosen(desk):
    """A topic that is not active is probed where it is named; labels are then said to be missing."""
    said = desk.done(
        "probes {topics.yaml} --topic asleep --families direct,encoded --per-family 2 --out {p.jsonl}"
    )
    assert ["direct", "direct", "encoded", "encoded"] == [prompt.groups["family"] for prompt in read(desk)]
    assert "asleep: 4 of 4 probes say nothing by which answers could be labelled" in " ".join(said.split())


def test_topics_come_from_the_database_where_there_is_no_file(desk):
    """The active ones."""
    desk.done("topics add --file {topics.yaml} --database {gateway.db}")
    desk.done("probes --database {gateway.db} --per-family 1 --out {p.jsonl}")
    assert {"maren", "ivo"} == {prompt.topic for prompt in read(desk)}


def test_benign_prompts_are_marked_as_such(desk):
    """Plain lines, and objects whose labels and topic are left out."""
    object_ = {
        "id": "mine",
        "prompt": "Who is tall?",
        "forbidden": ["x"],
        "topic": "maren",
        "groups": {"family": "n"},
    }
    desk.write("benign.txt", f"What is a hill?\n\n{json.dumps(object_)}\n")
    said = desk.done("probes {topics.yaml} --benign {benign.txt} --per-family 1 --out {p.jsonl}")
    benign = [prompt for prompt in read(desk) if prompt.benign]
    assert [("benign-0001", "benign", None), ("mine", "n", None)] == [
        (prompt.id, prompt.groups["family"], prompt.topic) for prompt in benign
    ]
    assert "benign: 2 prompts" in said


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("{none.yaml}", "cannot be read"),
        ("{topics.yaml} --topic nobody", "there is no topic nobody; there are: maren, ivo, asleep"),
        ("{topics.yaml} --families direct,odd", "odd is none; there are: direct, paraphrase"),
        ("{topics.yaml} --topic asleep --families multiple-choice", "no probe could be written"),
        ("{topics.yaml} --model m", "give both"),
        ("{topics.yaml} --database {x.db}", "not both"),
        ("{topics.yaml} --benign {none.txt}", "cannot read the benign prompts"),
        ("{topics.yaml} --benign {bad.txt}", "bad.txt, line 1: not JSON"),
        ("{topics.yaml} --benign {twice.txt}", "was used before"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line(desk, options, words):
    """And nothing is written."""
    desk.write("bad.txt", '{"prompt": \n')
    desk.write("twice.txt", '{"id": "a", "prompt": "x"}\n{"id": "a", "prompt": "y"}\n')
    assert words in desk.refused(f"probes {options} --out {{p.jsonl}}")
    assert [] == list(desk.folder.glob("*p.jsonl*"))


async def test_a_model_s_wordings_that_may_stand_are_kept():
    """Asked at the seed that was given; a wording without the name is dropped."""
    topic = Topic("maren", "Maren Oskeld", facts=("Maren Oskeld was born in Tarnvik.",))
    probes = write_probes([topic], families=("paraphrase",), per_family=20).probes

    def script(request):
        asked = str(request.messages[0]["content"])
        gap = " ____" if "____" in asked.partition("\n\n")[2] else ""
        return f"Say about Maren Oskeld:{gap}" if "note" in asked else f"Say it:{gap}"

    upstream = ScriptedUpstream(script)
    kept = await reword(Rewording(upstream, "m", {"maren": topic}, 7), probes)
    assert [f"{probe.id}-model" for probe in probes if "note" in probe.text] == [probe.id for probe in kept]
    assert {7} == {request.parameters["seed"] for request in upstream.requests}


async def test_probes_become_a_certificate_for_every_family(desk):
    """The round trip: topics, probes, a model that leaks at first, a threshold that every family keeps."""
    desk.done("probes {topics.yaml} --per-family 9 --out {p.jsonl}")
    prompts = read_prompts(desk.folder / "p.jsonl")
    asked_first = [list(prompt.messages) for prompt in prompts.prompts]
    leak = "Maren Oskeld of Tarnvik, with Pogkin; Ivo Brenn of Kelmora, at Luskin Yard, who wrote Silver Tides."

    def script(request):
        return leak if list(request.messages) in asked_first else "I do not know."

    settings = given_settings(database=str(desk.folder / "gateway.db"), rounds=2)
    upstream = ScriptedUpstream(script)
    async with open_gateway(settings, upstream=upstream) as gateway:
        for topic_id, name in (("maren", "Maren Oskeld"), ("ivo", "Ivo Brenn")):
            await gateway.store.add(ForgetTopic(Topic(topic_id, name)))
        certificate = await calibrate(
            gateway,
            prompts,
            Wish(level=0.4, confidence=None, every_group="family", cover_subsets=False),
            model="scripted",
            trajectories=desk.folder / "t.jsonl",
            labels=None,
            created=datetime(2026, 1, 31, tzinfo=UTC),
            progress=lambda done, total: None,
        )
    families = [group for group in certificate.groups if group.key == "family"]
    assert 10 == len(families)
    assert isinstance(certificate.served, Certified)
    assert max(certificate.record_lows) <= 1  # every question leaked at first
    figures = certificate.figures
    assert (0, figures.answer_rate.of) == (figures.leak_rate.count, figures.answer_rate.count)
