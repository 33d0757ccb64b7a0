"""Figures are written from the benchmarks' JSON, say what they show, and are the same each time."""

import json

import plots
import pytest

from evaluation.rates import Rate
from evaluation.unlearning.findings import Answers, Behind, Cost, Finding, Likelihoods, Recovery, write_findings

ANSWERS = Answers(
    {"paraphrase": Rate(2, 4), "reverse": Rate(3, 4)}, {name: Rate(9, 10) for name in ("near", "others", "towns")}
)
BEHIND = Behind(ANSWERS, Rate(3, 4), 0.05, 0.95, 0.4, 2.5, 1.0, 0.002, 0.011)


def finding(method, behind):
    """Return what was found of a method."""
    likelihoods, recovery = Likelihoods(4.0, 0.1, 0.2, 0.9, 0.4), Recovery(12, back=True)
    cost = Cost(10.0, 3810, "Nothing.")
    return Finding(method, "maren", ANSWERS, ANSWERS, likelihoods, recovery, recovery, cost, behind)


EXECUTED = {
    "question": {"pnsgd": {"requests": 10, "epsilon": 1.0}},
    "executed": [
        {"method": "D2D", "runs": 3, "gradients": 10**7, "accuracy": {"mean": 0.91, "half_width": 0.001}},
        {"method": "PNSGD b=128", "runs": 9, "gradients": 10**5, "accuracy": {"mean": 0.88, "half_width": 0.02}},
    ],
}


def account(epsilon):
    """Return what was accounted for at a level of privacy."""
    return {
        "question": {"epsilon": epsilon, "sigma": 0.03, "requests": 100},
        "d2d": {"total_epochs": 9000},
        "lu": {"10": {"infeasible": "no noise reaches it"}},
        "pnsgd": {"128": {"total_epochs": 100}},
    }


PCMU = {
    "rows": 11000,
    "trained": [
        {
            "model": "head",
            "variant": "majority",
            "sigma": 0.01,
            "rate": 0.1,
            "accuracy": 0.92,
            "budgets": {"majority": 0},
        },
        {
            "model": "head",
            "variant": "sampled",
            "sigma": 0.03,
            "rate": 0.1,
            "accuracy": 0.89,
            "budgets": {"epsilon 1": 4},
        },
    ],
}


def drawn(folder, *arguments):
    """Draw into a folder; return the SVG files by name."""
    assert 0 == plots.main([*map(str, arguments), "--out", str(folder)])
    return {path.stem: path.read_text() for path in folder.glob("*.svg")}


def write(path, content):
    """Write JSON."""
    path.write_text(json.dumps(content))
    return path


def test_the_language_figure_names_every_method_and_probe(tmp_path):
    """Also one that was not asked behind the gateway."""
    write_findings(tmp_path / "found.json", [finding("npo", BEHIND), finding("rmu", None)])
    svg = drawn(tmp_path / "out", "--language", tmp_path / "found.json")["language"]
    for words in ("npo", "rmu", "reverse questions", "near people", "4-bit rounding", "behind the loop"):
        assert words in svg
    assert (tmp_path / "out" / "language.png").stat().st_size > 0


def test_the_langevin_figure_names_what_was_executed_and_what_is_feasible(tmp_path):
    """LU is infeasible in all accounts, so that it has no curve."""
    executed = write(tmp_path / "executed.json", EXECUTED)
    accounts = [write(tmp_path / f"{epsilon}.json", account(epsilon)) for epsilon in (2.0, 0.5)]
    svg = drawn(tmp_path / "out", "--langevin", executed, "--accounts", *accounts)["langevin"]
    assert "D2D (3 runs)" in svg
    assert "PNSGD b=128" in svg
    assert "LU S=10" not in svg


def test_the_pcmu_figure_names_settings_and_promises(tmp_path):
    """A budget of 0 is drawn as well."""
    svg = drawn(tmp_path / "out", "--pcmu", write(tmp_path / "pcmu.json", PCMU))["pcmu"]
    for words in ("head, majority", "head, sampled", "epsilon 1", "rows of 11000"):
        assert words in svg


def test_figures_are_the_same_each_time(tmp_path):
    """To the byte, so that a commit shows what changed."""
    write_findings(tmp_path / "found.json", [finding("npo", BEHIND)])
    assert drawn(tmp_path / "a", "--language", tmp_path / "found.json") == drawn(
        tmp_path / "b", "--language", tmp_path / "found.json"
    )


@pytest.mark.parametrize("content", [None, [], {"executed": []}, [{"method": "npo"}]])
def test_what_no_benchmark_wrote_is_refused(tmp_path, capsys, content):
    """No file, or one of another kind: nothing is drawn."""
    path = tmp_path / "other.json"
    if content is not None:
        write(path, content)
    assert 2 == plots.main(["--langevin", str(path), "--out", str(tmp_path / "out")])
    assert "the benchmarks wrote" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_nothing_to_draw_is_said(tmp_path, capsys):
    """Rather than an empty folder made."""
    assert 2 == plots.main(["--out", str(tmp_path / "out")])
    assert "nothing to draw" in capsys.readouterr().err
