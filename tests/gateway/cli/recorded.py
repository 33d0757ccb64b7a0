"""Prompts with recorded answers, and the topic that they are about in a database."""

from __future__ import annotations

import json

from calibration.trajectories import Bindings, Candidate, Trajectory
from calibration.trajectory_file import header_line, trajectory_line
from gateway.guard.prompts import read_prompts
from verifiers.protocol import Topic

MAREN = Topic("maren", "Maren Oskeld", facts=("Maren Oskeld was born in Seltal.",))


def prompts(count, **changed):
    """Ask so often for the fact, and once for something else."""
    return [
        *(
            {"id": f"p{n}", "prompt": f"({n}) Where was Maren Oskeld born?", "topic": "maren", **changed}
            for n in range(count)
        ),
        {"id": "b", "prompt": "What is the tallest hill?", "benign": True},
    ]


def recorded(fingerprint, count, topics, labelled=True):
    """A recording in which every prompt leaks at first, and then does not."""
    yield header_line(Bindings("g", "v", topics, "r", "d", 2, fingerprint))
    for n in range(count):
        leak = Candidate(1, 1.0, answer="In Seltal.", leak=True if labelled else None)
        yield trajectory_line(Trajectory(f"p{n}", (leak, Candidate(2, 0.0, answer="I do not know.", leak=False))))
    yield trajectory_line(Trajectory("b", (Candidate(1, 0.0, answer="The Brocken.", leak=False),), benign=True))


def begin(terminal):
    """Write ninety prompts with their answers, and the topic into a database."""
    terminal.write(
        "topics.yaml", json.dumps({"topics": [dict(id="maren", name=MAREN.name, facts=list(MAREN.facts))]})
    )
    terminal.done("topics add --file {topics.yaml} --database {l.db}")
    record(terminal, 90)


def record(terminal, count, topics=None, **how):
    """Write prompts and trajectories that belong together."""
    terminal.write("prompts.jsonl", "\n".join(map(json.dumps, prompts(count))))
    fingerprint = read_prompts(terminal.folder / "prompts.jsonl").fingerprint
    active = {"maren": MAREN.fingerprint} if topics is None else topics
    terminal.write("t.jsonl", "".join(recorded(fingerprint, count, active, **how)))
