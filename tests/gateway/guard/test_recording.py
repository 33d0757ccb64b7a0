"""Recording: every finished prompt is kept, none is repeated, and another set-up is not mixed in."""

from __future__ import annotations

import asyncio
import stat

import pytest

from calibration.trajectories import Bindings
from calibration.trajectory_file import read_trajectories
from gateway.errors import InvalidInput, UpstreamRejected, UpstreamUnreachable
from gateway.guard.plan import LoopPlan
from gateway.guard.prompts import Prompt, PromptSet
from gateway.guard.recording import PromptRecorder, Recorder
from gateway.guard.trajectory import walk

BOUND = Bindings("g", "v", {"maren": "f"}, "r", "d", 2, "p")


def prompts(count: int) -> PromptSet:
    """Make so many prompts about Maren."""
    made = (
        Prompt(
            f"p{i}",
            ({"role": "user", "content": f"{i} Maren Oskeld?"},),
            {},
            ("Seltal",),
            False,
            "maren",
            f"p{i}",
            {},
        )
        for i in range(count)
    )
    return PromptSet(tuple(made), "p")


@pytest.fixture
def recorder(loop):
    """Make a recorder over a scripted loop, which counts its requests."""

    def make(script, bindings=BOUND):
        talk = loop(script, plan=LoopPlan(rounds=2))
        walking = lambda prompt: walk(talk.upstream, talk.plan, prompt.request("m"), talk.policy)  # noqa: E731
        return talk, Recorder(
            PromptRecorder(walking, lambda prompt, answer: "Seltal" in answer), bindings, concurrency=2
        )

    return make


def silent(done: int, total: int) -> None:
    """Tell nobody."""


async def test_candidates_are_recorded_with_scores_labels_and_topics(recorder, tmp_path):
    """Two rounds: one leaks, the other does not."""
    _, made = recorder(lambda request: "0.9 Seltal" if len(request.messages) == 1 else "0.2 fine")
    recording = await made.record(prompts(3), tmp_path / "t.jsonl", silent)
    assert {"p0", "p1", "p2"} == {each.id for each in recording.trajectories}
    first = recording.trajectories[0]
    assert ((0.9, 0.2), (True, False)) == (first.scores, first.leaks)
    assert ("maren",) == first.candidates[0].topics


async def test_a_killed_recording_goes_on_where_it_stopped(recorder, tmp_path):
    """The finished prompt is not asked again; the half-written line is."""
    path = tmp_path / "t.jsonl"
    _, made = recorder(["0.9 Seltal"])
    await made.record(prompts(2), path, silent)
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    talk, again = recorder(["0.9 Seltal"])
    recording = await again.record(prompts(2), path, silent)
    assert (2, 2) == (len(talk.upstream.requests), len(recording.trajectories))
    assert whole.count(b"\n") == path.read_bytes().count(b"\n")


async def test_a_recording_killed_in_its_first_line_starts_over(recorder, tmp_path):
    """A torn header holds nothing to lose."""
    path = tmp_path / "t.jsonl"
    path.write_bytes(b'{"lethe": "traj')
    _, made = recorder(["0.9 Seltal"])
    assert 2 == len((await made.record(prompts(2), path, silent)).trajectories)


async def test_a_recording_is_in_the_order_of_the_prompts(recorder, tmp_path):
    """The file's order says which answers came quickly, and sessions count their first tries."""
    path = tmp_path / "t.jsonl"
    talk, made = recorder(["0.1 a"])
    quick = talk.upstream.complete

    async def complete(request):
        if "0 Maren" in str(request.messages):
            await asyncio.sleep(0.05)
        return await quick(request)

    talk.upstream.complete = complete
    recording = await made.record(prompts(3), path, silent)
    assert ["p0", "p1", "p2"] == [trajectory.id for trajectory in recording.trajectories]
    assert "p0" != read_trajectories(path).trajectories[0].id


async def test_a_failing_model_keeps_what_was_finished(recorder, tmp_path):
    """The error is the model's, and the file can be resumed."""
    path = tmp_path / "t.jsonl"
    _, made = recorder(lambda request: UpstreamUnreachable("gone") if "3" in str(request.messages[0]) else "0.1 a")
    with pytest.raises(UpstreamUnreachable):
        await made.record(prompts(4), path, silent)
    kept = read_trajectories(path).trajectories
    assert 2 <= len(kept) < 4


async def test_a_prompt_that_the_model_refuses_is_named(recorder, tmp_path):
    """So that it can be mended."""
    _, made = recorder(lambda request: UpstreamRejected("no", upstream_status=400))
    with pytest.raises(InvalidInput, match="'p0'"):
        await made.record(prompts(1), tmp_path / "t.jsonl", silent)


async def test_another_set_up_does_not_go_on_with_the_file(recorder, tmp_path):
    """Mixing two verifiers in one recording would prove nothing."""
    path = tmp_path / "t.jsonl"
    _, made = recorder(["0.9 Seltal"])
    await made.record(prompts(1), path, silent)
    other = Bindings("g", "another", {"maren": "f"}, "r", "d", 2, "p")
    _, changed = recorder(["0.9 Seltal"], other)
    with pytest.raises(InvalidInput, match="another model, prompts, topics or settings"):
        await changed.record(prompts(1), path, silent)


async def test_only_the_owner_may_read_the_answers(recorder, tmp_path):
    """They hold what is to be forgotten."""
    path = tmp_path / "t.jsonl"
    _, made = recorder(["0.9 Seltal"])
    await made.record(prompts(1), path, silent)
    assert 0o600 == stat.S_IMODE(path.stat().st_mode)


async def test_progress_counts_what_was_there_before(recorder, tmp_path):
    """A resumed bar starts where it stopped."""
    path, told = tmp_path / "t.jsonl", []
    _, made = recorder(["0.9 Seltal"])
    await made.record(prompts(2), path, silent)
    await made.record(prompts(2), path, lambda done, total: told.append((done, total)))
    assert [(2, 2)] == told
