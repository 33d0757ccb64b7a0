"""Labels on their way: a sample for people, a judge's labels of all, and the certificate that needs both."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from calibration.trajectories import Candidate, Trajectory
from calibration.trajectory_file import apply_labels, labels_line, read_trajectories
from calibration.verification import verify
from gateway.calibrating import Wish, calibrate
from gateway.errors import InvalidInput
from gateway.guard.prompts import read_prompts
from gateway.judging import Judging, judge_recording
from gateway.labelling import check_labels, releasable, sheet_line, to_label
from gateway.parts import open_gateway
from gateway.settings import given_settings
from gateway.store.records import ForgetTopic
from gateway.upstream.scripted import ScriptedUpstream
from verifiers.protocol import Abstained, Scored, Topic
from verifiers.scripted import ScriptedVerifier

MAREN = ForgetTopic(Topic("maren", "Maren Oskeld", facts=("Maren Oskeld was born in Seltal.",)))


def said(request):
    """Leak at first; when asked again, give it away in words that no verifier here sees, about one in ten."""
    if len(request.messages) == 1:
        return "Maren Oskeld was born in Seltal."
    return "By the quay." if "7, please" in str(request.messages) else "I do not know."


def seen(exchange):
    """A judge that knows the quay in a tenth of the cases, and says nothing of one prompt."""
    if "(3," in exchange.prompt:
        return Abstained("cannot say")
    return Scored(0.9 if "Seltal" in exchange.answer or "(17," in exchange.prompt else 0.4)


@pytest.fixture
def desk(tmp_path):
    """Three hundred prompts, recorded as often as is asked."""

    class Desk:
        people, judged = tmp_path / "people.jsonl", tmp_path / "judged.jsonl"

        def __init__(self):
            lines = [
                {"id": f"p{n}", "prompt": f"({n}, please) Where was Maren Oskeld born?", "topic": "maren"}
                | {"forbidden": ["Seltal"]}
                for n in range(300)
            ]
            lines.append({"id": "b", "prompt": "What is the tallest hill?", "benign": True})
            (tmp_path / "prompts.jsonl").write_text("\n".join(map(json.dumps, lines)))
            self.prompts = read_prompts(tmp_path / "prompts.jsonl")

        @property
        def recording(self):
            return read_trajectories(tmp_path / "t.jsonl")

        async def certificate(self, wish, **files):
            given = given_settings(database=str(tmp_path / "l.db"), rounds=2)
            async with open_gateway(given, upstream=ScriptedUpstream(said, model="m")) as gateway:
                if not await gateway.store.topics():
                    await gateway.store.add(MAREN)
                return await calibrate(
                    gateway, self.prompts, wish, model="m", trajectories=tmp_path / "t.jsonl",
                    created=datetime(2026, 1, 31, 12, tzinfo=UTC), progress=lambda *_: None,
                    **{"labels": None, **files},
                )  # fmt: skip

        def fill_in(self, units, seed=0, *, leaving=0):
            """Label a sample as people would, who know of the quay."""
            sheets = [
                json.loads(sheet_line(*pair)) for pair in to_label(self.prompts, self.recording, units, seed)
            ]
            for sheet in sheets[leaving:]:
                sheet["labels"] = [None if a is None else "know" not in a for a in sheet["answers"]]
            self.people.write_text("".join(json.dumps(sheet) + "\n" for sheet in sheets))

    return Desk()


async def test_few_people_s_labels_correct_what_the_strings_miss(desk):
    """Strings see no leak in "by the quay", which a tenth of the answers are; people's labels of 120 say so."""
    trusting = await desk.certificate(Wish(0.1))
    assert trusting.threshold is not None
    desk.fill_in(120)
    made = await desk.certificate(Wish(0.1, method="few_labels"), few=desk.people)
    assert (None, (), 120) == (made.threshold, verify(made), made.few_labels.labelled)
    made = await desk.certificate(Wish(0.25, method="few_labels"), few=desk.people)
    assert (True, ()) == (made.threshold is not None, verify(made))


async def test_the_sample_is_the_seed_s_and_whole(desk):
    """Another seed, a line left out, an answer left unlabelled."""
    await desk.certificate(Wish(0.1))
    desk.fill_in(120, seed=3)
    wish = Wish(0.25, method="few_labels", sample_seed=3)
    assert (await desk.certificate(wish, few=desk.people)).threshold is not None
    with pytest.raises(InvalidInput, match="seed 0 draws"):
        await desk.certificate(replace(wish, sample_seed=0), few=desk.people)
    lines = desk.people.read_text().splitlines(keepends=True)
    desk.people.write_text("".join(lines[:100]))
    with pytest.raises(InvalidInput, match="not among the 100"):
        await desk.certificate(wish, few=desk.people)
    desk.fill_in(120, seed=3, leaving=1)
    with pytest.raises(InvalidInput, match="has no label"):
        await desk.certificate(wish, few=desk.people)


async def test_a_judge_s_labels_are_a_labels_file(desk):
    """It labels what some threshold could release, and what it abstains on keeps the label that was there."""
    await desk.certificate(Wish(0.1))
    work = Judging.by(ScriptedVerifier(seen), (MAREN.topic,), 0.5, 10_000)
    judged = await judge_recording(work, desk.prompts, desk.recording, lambda done, total: None)
    desk.judged.write_text("".join(map(labels_line, judged)))
    by_id = {trajectory.id: trajectory for trajectory in judged}
    assert (300, (True, False), (True, True)) == (len(judged), by_id["p5"].leaks, by_id["p17"].leaks)
    assert (None, None) == by_id["p3"].leaks
    told = {trajectory.id: trajectory for trajectory in apply_labels(desk.recording, desk.judged).trajectories}
    assert (True, False) == told["p3"].leaks
    strict = Judging.by(ScriptedVerifier(seen), (MAREN.topic,), 0.95, 10_000)
    judged = await judge_recording(strict, desk.prompts, desk.recording, lambda done, total: None)
    assert not any(any(trajectory.leaks) for trajectory in judged)


def test_only_answers_that_a_threshold_could_release_need_a_label():
    """Those that score below all before them."""
    scores = (0.9, 0.9, 0.3, 0.5, 0.3, 0.1)
    trajectory = Trajectory("p", tuple(Candidate(at, score) for at, score in enumerate(scores)))
    assert frozenset({0, 2, 5}) == releasable(trajectory)


async def test_a_sheet_asks_only_for_what_is_needed(desk):
    """And shows the question with it."""
    await desk.certificate(Wish(0.1))
    pairs = to_label(desk.prompts, desk.recording, 10, 0)
    sheet = json.loads(sheet_line(*pairs[0]))
    assert (10, [None, None]) == (len(pairs), sheet["labels"])
    assert "Where was Maren" in sheet["messages"][0]["content"]
    with pytest.raises(InvalidInput, match="cannot draw 301 of 300 units"):
        to_label(desk.prompts, desk.recording, 301, 0)


async def test_labels_of_other_prompts_are_refused_before_any_work(desk, tmp_path):
    """With how many, and which."""
    desk.people.write_text('{"id": "p1", "labels": [true]}\n{"id": "nobody", "labels": [true]}\n')
    with pytest.raises(InvalidInput, match="labels for 1 prompts that the prompts file lacks, such as 'nobody'"):
        check_labels(desk.prompts, desk.people)
    with pytest.raises(InvalidInput, match="cannot read the labels file"):
        check_labels(desk.prompts, tmp_path / "none.jsonl")
    desk.people.write_text("true\n")
    with pytest.raises(InvalidInput, match=r"people.jsonl, line 1"):
        check_labels(desk.prompts, desk.people)
