"""A judge's labels, models side by side and probes in other words: on Ray what they are in one process."""

from __future__ import annotations

import json

import pytest

from tests.wire.test_calibrate_command import CALIBRATE, Desk, judging

ON_RAY = ("--engine", "ray", "--ray-workers", "2")


def talking(request):
    """Answer, judge, or say a question otherwise."""
    asked = str(request.messages[-1]["content"])
    if "into other words" not in asked:
        return judging(request)
    return "In which town, pray, of Maren Oskeld:" + (" ____" if "____" in asked.partition("\n\n")[2] else "")


@pytest.fixture
async def desk(start, tmp_path):
    """Give a directory of thirty prompts, before a model that is its own judge."""
    async with start(talking, topics=()) as model:
        desk = Desk(tmp_path, f"{model.url}/v1")
        await desk.set_up(30)
        desk.upstream = model.upstream
        yield desk


async def done(desk, *arguments):
    """Run a command that succeeds."""
    code, out, err = await desk.run(*arguments)
    assert 0 == code, out + err
    return out


async def test_a_judge_labels_the_same_answers(desk):
    """The same file, byte for byte."""
    await desk.run(*CALIBRATE)
    desk.environment |= {"LETHE_JUDGE_URL": desk.environment["LETHE_UPSTREAM_URL"], "LETHE_JUDGE_MODEL": "m"}
    recorded = ("--prompts", "prompts.jsonl", "--trajectories", "certificate.trajectories.jsonl")
    await done(desk, "labels", "judge", *recorded, "--out", "here.jsonl")
    assert "30 of 60 answers" in await done(desk, "labels", "judge", *recorded, "--out", "there.jsonl", *ON_RAY)
    here, there = ((desk.folder / f"{name}.jsonl").read_bytes() for name in ("here", "there"))
    assert here == there


async def test_models_are_compared_to_the_same_figures(desk):
    """But for the seconds that they took."""
    for name, engine in (("here", ()), ("there", ON_RAY)):
        await done(desk, "backends", "compare", "--prompts", "prompts.jsonl", "--json", f"{name}.json", *engine)
    here, there = (figures(desk.folder / f"{name}.json") for name in ("here", "there"))
    assert (here, 30) == (there, here[0]["leaks_bare"]["hits"])


def figures(file):
    """Read them, without the seconds."""
    return [
        {name: value for name, value in one.items() if "seconds" not in name}
        for one in json.loads(file.read_text())
    ]


async def test_probes_are_put_in_the_same_other_words(desk):
    """The same file, in the same order."""
    written = ("probes", "--families", "paraphrase", "--upstream", desk.environment["LETHE_UPSTREAM_URL"])
    await done(desk, *written, "--out", "here.jsonl")
    await done(desk, *written, "--out", "there.jsonl", *ON_RAY)
    here, there = ((desk.folder / f"{name}.jsonl").read_text() for name in ("here", "there"))
    assert (here, True) == (there, "In which town" in here)
