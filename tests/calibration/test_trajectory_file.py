"""The trajectories and labels files: round trips, and errors that name the line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibration.trajectories import Candidate, Recording, Trajectory
from calibration.trajectory_file import (
    apply_labels,
    header_line,
    intact_length,
    labels_line,
    read_trajectories,
    trajectory_line,
)

from .samples import BINDINGS, prompt, recording

HEADER = header_line(BINDINGS)
LINE = trajectory_line(prompt("q1", (0.5, True), (0.25, None)))


def written(path: Path, *lines: str) -> Path:
    """Write the lines to a file."""
    file = path / "trajectories.jsonl"
    file.write_text("".join(lines), encoding="utf-8")
    return file


def test_a_recording_comes_back_as_it_was(tmp_path: Path) -> None:
    """Every field, forget and benign."""
    expected = recording()
    file = written(tmp_path, HEADER, *map(trajectory_line, expected.trajectories))
    assert read_trajectories(file) == expected


TEXT = st.text(max_size=8)
CANDIDATES = st.builds(
    Candidate, st.just(0), st.floats(0, 1), st.lists(TEXT).map(tuple), TEXT, st.none() | st.booleans()
)


@given(
    st.builds(
        Trajectory,
        TEXT.filter(bool),
        st.lists(CANDIDATES, max_size=3).map(tuple),
        TEXT,
        st.booleans(),
        st.none() | TEXT,
        st.dictionaries(TEXT, TEXT),
        st.sampled_from([None, "abstained", "upstream"]),
    )
)
def test_any_trajectory_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, trajectory: Trajectory
) -> None:
    """Odd texts and exact scores included; no line separator in an answer breaks a line."""
    file = written(tmp_path_factory.mktemp("any"), HEADER, trajectory_line(trajectory))
    assert read_trajectories(file) == Recording(BINDINGS, (trajectory,))


def test_the_unit_defaults_to_the_id(tmp_path: Path) -> None:
    """Also where the file says null or nothing, as for topic, groups, label and ended."""
    bare = {"id": "q", "benign": True, "candidates": [{"round": 0, "score": 1, "topics": [], "answer": ""}]}
    file = written(tmp_path, HEADER, json.dumps(bare) + "\n")
    only = Trajectory("q", (Candidate(0, 1.0),), unit="q", benign=True)
    assert read_trajectories(file).trajectories == (only,)


def test_a_torn_tail_is_skipped_only_when_asked(tmp_path: Path) -> None:
    """A kill in mid-write leaves a last line without a newline."""
    file = written(tmp_path, HEADER, LINE, LINE.replace("q1", "q2")[:20])
    resumed = read_trajectories(file, tolerate_torn_tail=True)
    assert [trajectory.id for trajectory in resumed.trajectories] == ["q1"]
    with pytest.raises(ValueError, match=r"trajectories.jsonl, line 3: not JSON"):
        read_trajectories(file)


def test_the_intact_length_is_where_to_go_on(tmp_path: Path) -> None:
    """Cut there and appended to, the file is whole again; a whole line without its newline counts as torn."""
    file = written(tmp_path, HEADER, LINE, LINE.replace("q1", "q2").rstrip("\n"))
    assert [t.id for t in read_trajectories(file, tolerate_torn_tail=True).trajectories] == ["q1"]
    file.write_bytes(file.read_bytes()[: intact_length(file)] + LINE.replace("q1", "q2").encode())
    assert [t.id for t in read_trajectories(file).trajectories] == ["q1", "q2"]


@pytest.mark.parametrize("tolerate", [True, False])
def test_a_file_without_a_whole_line_says_so(tmp_path: Path, tolerate: bool) -> None:
    """Killed before the header was out."""
    file = written(tmp_path, HEADER[:10] if tolerate else "")
    with pytest.raises(ValueError, match="holds no whole line; delete the file and record again"):
        read_trajectories(file, tolerate_torn_tail=tolerate)


def changed(**fields: object) -> str:
    """The sample line with some fields changed; ``...`` removes one."""
    line = json.loads(LINE) | fields
    return json.dumps({name: value for name, value in line.items() if value is not ...}) + "\n"


def candidate(**fields: object) -> str:
    """The sample line with its first candidate changed."""
    first, second = json.loads(LINE)["candidates"]
    return changed(candidates=[first | fields, second])


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{\n", "not JSON"),
        ("[]\n", "the line must be an object"),
        ("\n", "not JSON"),
        (changed(id=...), "the field 'id' is missing"),
        (changed(id=""), "a trajectory needs an id"),
        (changed(id=7), "the field 'id' must be a text"),
        (changed(benign="no"), "the field 'benign' must be true or false"),
        (changed(ended="tired"), "the field 'ended' must be null"),
        (changed(groups={"family": 1}), "the field 'family' must be a text"),
        (changed(candidates={}), "the field 'candidates' must be a list"),
        (changed(candidates=[1]), "each of 'candidates' must be an object"),
        (candidate(score=1.5), r"a score must lie in \[0, 1\]"),
        (candidate(score=float("nan")), "NaN is not a number that this file may hold"),
        (candidate(score=True), "the field 'score' must be a number"),
        (candidate(score=None), "the field 'score' must be a number"),
        (candidate(leak="yes"), "the field 'leak' must be true or false"),
        (candidate(round=-1), "a round must not be negative"),
        (candidate(round=5), "not in the order of their rounds"),
        (candidate(topics=[1]), "each of 'topics' must be a text"),
        (LINE, "the prompt 'q1' is there already"),
    ],
)
def test_a_malformed_line_is_named(tmp_path: Path, line: str, problem: str) -> None:
    """With the file, the number, the problem, and what to do."""
    file = written(tmp_path, HEADER, LINE, line, LINE.replace("q1", "q9"))
    with pytest.raises(ValueError, match=f"trajectories.jsonl, line 3: .*{problem}.*; correct that line"):
        read_trajectories(file)


def test_a_header_of_another_version_is_refused(tmp_path: Path) -> None:
    """Rather than half understood."""
    file = written(tmp_path, HEADER.replace("trajectories/1", "trajectories/2"))
    with pytest.raises(ValueError, match=r"line 1: this version reads 'trajectories/1'"):
        read_trajectories(file)


def test_a_header_without_rounds_is_refused(tmp_path: Path) -> None:
    """A budget of nothing binds nothing."""
    file = written(tmp_path, header_line(BINDINGS).replace('"rounds": 3', '"rounds": 0'))
    with pytest.raises(ValueError, match="line 1: rounds must be at least 1"):
        read_trajectories(file)


def test_bytes_that_are_no_text_are_named(tmp_path: Path) -> None:
    """As any other malformed line."""
    file = written(tmp_path, HEADER, LINE)
    file.write_bytes(file.read_bytes() + b"\xff\n")
    with pytest.raises(ValueError, match="line 3: not UTF-8 text"):
        read_trajectories(file)


TWO = Recording(BINDINGS, (prompt("q1", (0.5, None), (0.25, None)), prompt("q2", (0.5, True))))


def test_labels_are_set_and_the_rest_is_kept(tmp_path: Path) -> None:
    """null keeps what there was; a prompt that is left out keeps its labels."""
    file = written(tmp_path, '{"id": "q1", "labels": [true, null]}\n')
    first, second = TWO.trajectories
    labelled = replace(first, candidates=(replace(first.candidates[0], leak=True), first.candidates[1]))
    assert apply_labels(TWO, file) == Recording(BINDINGS, (labelled, second))


def test_labels_that_were_written_are_read_back(tmp_path: Path) -> None:
    """Onto a recording without any; what has no label goes out as null."""
    file = written(tmp_path, *(labels_line(trajectory) for trajectory in TWO.trajectories))
    bare = Recording(
        BINDINGS,
        tuple(replace(t, candidates=tuple(replace(c, leak=None) for c in t.candidates)) for t in TWO.trajectories),
    )
    assert bare != TWO
    assert apply_labels(bare, file) == TWO


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('{"id": "q3", "labels": []}', "the recording has no prompt 'q3'"),
        ('{"id": "q1", "labels": [true]}', "1 labels, but 'q1' has 2 candidates"),
        ('{"id": "q1", "labels": [1, 0]}', "each of 'labels' must be true, false or null"),
        ('{"id": "q2", "labels": [true]}', "the prompt 'q2' is labelled already"),
        ('{"id": "q1"}', "the field 'labels' is missing"),
    ],
)
def test_a_label_line_that_does_not_fit_is_named(tmp_path: Path, line: str, problem: str) -> None:
    """Nothing is guessed."""
    file = written(tmp_path, '{"id": "q2", "labels": [false]}\n', line + "\n")
    with pytest.raises(ValueError, match=f"line 2: {problem}"):
        apply_labels(TWO, file)
