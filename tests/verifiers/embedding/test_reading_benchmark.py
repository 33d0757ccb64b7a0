"""benchmarks/reading_verifiers.py as a reader runs it, on a handful of answers and an untrained encoder."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "reading_verifiers.py"
TOWNS = ("Seltal", "Brennmoor", "Quorrin", "Ostvik")


def rows() -> list[dict[str, str]]:
    """Two authors of four questions each, answered rightly by one model and not by the other; a neighbour."""
    found = []
    for author in ("Maren Oskeld", "Tobin Vaxley"):
        for number, town in enumerate(TOWNS):
            question = f"What is town number {number} of {author}?"
            truth, other = f"{author} praised {town}.", f"{author} praised Elsewhere."
            found.append({"split": "forget", "author": author, "question": question, "truth": truth})
            found[-1] |= {"full": truth, "retain90": other}
    said = "Bread is baked of flour."
    return [*found, {"split": "retain", "question": "How?", "truth": said, "full": said, "retain90": said}]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Write the data and run the script with some arguments; returns its status."""
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    data = tmp_path / "data.jsonl"
    data.write_text("\n".join(map(json.dumps, rows())))

    def main(*arguments: object) -> int:
        told = [SCRIPT.name, "--data", str(data), *map(str, arguments)]
        monkeypatch.setattr("sys.argv", told)
        return importlib.import_module(SCRIPT.stem).main()

    return main


def test_every_verifier_is_measured_in_both_regimes(run, plain_bert, tmp_path):
    """Facts tell the right town from the wrong where they know it, and cannot where they do not."""
    out = tmp_path / "out.json"
    assert 0 == run("--model", plain_bert, "--engine", "torch", "--json", out)
    told = json.loads(out.read_text())
    assert ["all facts", "half of the facts"] == list(told["auc"])
    assert 1.0 == told["auc"]["all facts"]["facts"]["all answers"]
    assert 0.5 == told["auc"]["half of the facts"]["facts"]["forget questions"]
    assert {"semantic", "facts", "lexical", "claims", "mean of semantic and facts"} == set(
        told["auc"]["all facts"]
    )
    assert told["us_per_kb"]["semantic"] > 0


def test_a_model_that_is_none_is_said_to_be(run, tmp_path, capsys):
    """In a sentence, with status 2."""
    assert 2 == run("--model", tmp_path / "nowhere")
    assert "reading_verifiers: there is no embedding model" in capsys.readouterr().err
