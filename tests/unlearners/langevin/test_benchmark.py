"""benchmarks/langevin.py as a reader runs it: accounting alone, a small data file, bad settings."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "langevin.py"
MNIST = "--accounting --n 11982 --d 784 --lam 1e-6 --sigma 0.03 --epsilon 1 --requests 100".split()


def run(*arguments):
    """Run the script in a process of its own."""
    return subprocess.run([sys.executable, SCRIPT, *map(str, arguments)], capture_output=True, text=True)


def figures(path, *arguments):
    """Return what the script writes as JSON."""
    done = run(*arguments, "--json", path / "out.json")
    assert (0, "") == (done.returncode, done.stderr)
    return json.loads((path / "out.json").read_text())


def test_the_published_totals_are_printed_without_data(tmp_path):
    """Total and per request."""
    told = figures(tmp_path, *MNIST, "--batch", "128,n", "--full-batch-smoothness", 0.1947005)
    totals = told["d2d"]["total_epochs"], told["lu"]["10"]["total_epochs"], told["pnsgd"]["128"]["total_epochs"]
    assert (9118, 8739, 100) == totals
    assert 100 == len(told["d2d"]["epochs_per_request"]) == len(told["pnsgd"]["n"]["epochs_per_request"])


def test_the_tight_bound_never_takes_more(tmp_path):
    """Of the same question."""
    loose = figures(tmp_path, *MNIST)
    tight = figures(tmp_path, *MNIST, "--bound", "tight")
    for batch, answer in tight["pnsgd"].items():
        assert answer["total_epochs"] <= loose["pnsgd"][batch]["total_epochs"]


def test_what_is_infeasible_is_said_to_be(tmp_path):
    """A loss that is only convex, and a batch larger than the data; the rest is answered."""
    told = figures(tmp_path, *MNIST, "--lam", 0, "--batch", "20000,64", "--requests", 3, "--lu-batch", 1)
    assert "strongly convex" in told["d2d"]["infeasible"]
    assert "only convex" in told["lu"]["1"]["infeasible"]
    assert "batch" in told["pnsgd"]["20000"]["infeasible"]
    assert told["pnsgd"]["64"]["total_epochs"] >= 3


def test_bad_settings_are_refused_in_a_line():
    """With exit code 2 and no traceback; tests/benchmarks/test_langevin.py tries many."""
    done = run(*MNIST, "--epsilon", -1)
    assert (2, "langevin.py: epsilon must be a positive number, got -1.0\n") == (done.returncode, done.stderr)


@pytest.mark.parametrize("classes", [2, 3])
def test_any_file_of_features_and_labels_is_measured(tmp_path, classes):
    """Two classes or several, a fifth held out; the arms that are feasible."""
    rng = np.random.default_rng(0)
    labels = np.arange(600) % classes
    np.savez(tmp_path / "d.npz", x=3 * np.eye(4)[labels] + rng.standard_normal((600, 4)), y=labels)
    told = figures_with_progress(
        tmp_path, "--data", tmp_path / "d.npz", "--requests", 3, "--orders", 2, "--lam", 1e-4,
        "--batch", "32,n", "--operating-batch", 64, "--operating-sigma", 0.05, "--sigma", 0.1, "--epsilon", 3,
    )  # fmt: skip
    assert ["Descent-to-Delete", "retraining without noise, for one request", "LU S=3"] == [
        arm["method"] for arm in told["executed"][:3]
    ]
    assert all(0.6 < arm["accuracy"]["mean"] <= 1 for arm in told["executed"][:2])
    for arm in told["executed"]:
        assert 480 * arm["epochs"] == arm["gradients"]


def figures_with_progress(path, *arguments):
    """Return what the script writes; progress goes to the error stream."""
    done = run(*arguments, "--json", path / "out.json")
    assert 0 == done.returncode, done.stderr
    return json.loads((path / "out.json").read_text())
