"""What a recording says of a prompt: everything that calibration counts, exactly."""

from __future__ import annotations

import pytest

from calibration.trajectories import Bindings, Candidate, Trajectory
from calibration.trajectory_file import header_line, read_trajectories
from gateway.errors import UpstreamError, UpstreamUnreachable
from gateway.guard.plan import LoopPlan
from gateway.guard.prompts import Prompt, PromptSet
from gateway.guard.recording import PromptRecorder, Recorder
from gateway.guard.trajectory import walk

BOUND = Bindings("g", "v", {"maren": "f"}, "r", "d", 2, "p")


def prompt(id_="p", text="Where was Maren Oskeld born?", benign=False):
    """Make a prompt of the unit u."""
    topic = None if benign else "maren"
    return Prompt(id_, ({"role": "user", "content": text},), {}, None, benign, topic, "u", {"family": "direct"})


async def recorded(loop, path, script, *prompts):
    """Record one prompt after the other, every answer with "Seltal" a leak."""
    talk = loop(script, plan=LoopPlan(rounds=2))
    walking = lambda one: walk(talk.upstream, talk.plan, one.request("m"), talk.policy)  # noqa: E731
    made = Recorder(PromptRecorder(walking, lambda _, answer: "Seltal" in answer), BOUND, concurrency=1)
    return (await made.record(PromptSet(prompts, "p"), path, lambda done, total: None)).trajectories


async def test_a_forget_prompt_is_recorded_whole(loop, tmp_path):
    """With its unit, groups and topic, and each round's score, topics and label; touched topics count too."""
    candidates = (
        Candidate(1, 0.9, ("maren",), "0.9 Seltal", leak=True),
        Candidate(2, 0.0, ("maren",), "0.0 fine", leak=False),
    )
    expected = Trajectory("p", candidates, "u", False, "maren", {"family": "direct"}, None)
    assert (expected,) == await recorded(loop, tmp_path / "t", ["0.9 Seltal", "0.0 fine"], prompt())


async def test_a_benign_prompt_never_leaks(loop, tmp_path):
    """Whatever the oracle would say; and evidence names its topic where nothing is touched."""
    answers = ["0.9 Seltal", "0.0 fine"]
    candidates = (
        Candidate(1, 0.9, ("maren",), "0.9 Seltal", leak=False),
        Candidate(2, 0.0, (), "0.0 fine", leak=False),
    )
    expected = Trajectory("p", candidates, "u", True, None, {"family": "direct"}, None)
    asked = prompt(text="What is the tallest hill?", benign=True)
    assert (expected,) == await recorded(loop, tmp_path / "t", answers, asked)


async def test_an_abstention_ends_a_trajectory(loop, tmp_path):
    """What was judged before it stays."""
    (only,) = await recorded(loop, tmp_path / "t", ["0.9 Seltal", "abstain"], prompt())
    assert ("abstained", (0.9,)) == (only.ended, only.scores)


async def test_a_file_of_a_header_alone_is_resumed_with_one_header(loop, tmp_path):
    """As a kill after the first line leaves it."""
    path = tmp_path / "t"
    path.write_text(header_line(BOUND), encoding="utf-8")
    await recorded(loop, path, ["0.9 Seltal"], prompt())
    assert 1 == path.read_text(encoding="utf-8").count(header_line(BOUND))
    assert 1 == len(read_trajectories(path).trajectories)


async def test_a_model_that_fails_in_a_later_round_stops_the_recording(loop, tmp_path):
    """The finished prompt is kept, the broken one is not."""
    script = ["0.9 a", "0.8 b", "0.9 c", UpstreamUnreachable("gone")]
    with pytest.raises(UpstreamError, match="'second'"):
        await recorded(loop, tmp_path / "t", script, prompt("first"), prompt("second"))
    assert ["first"] == [each.id for each in read_trajectories(tmp_path / "t").trajectories]
