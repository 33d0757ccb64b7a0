"""benchmarks/langevin.py on settings that somebody else picks: odd ones are answered, impossible ones refused."""

import json

import langevin
import numpy as np
import pytest

MNIST = "--accounting --n 11982 --d 784 --lam 1e-6 --sigma 0.03 --epsilon 1 --requests 100".split()
SMALL = "--accounting --n 1000 --d 10 --requests 3 --lu-batch 1".split()


def figures(path, *arguments):
    """Return what is written as JSON."""
    assert 0 == langevin.main([*map(str, arguments), "--json", str(path / "out.json")])
    return json.loads((path / "out.json").read_text())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "--data FILE, or --accounting"),
        (["--accounting"], "needs --n and --d"),
        ([*MNIST, "--epsilon", -1], "epsilon"),
        ([*MNIST, "--epsilon", "nan"], "epsilon"),
        ([*MNIST, "--delta", 2], "delta"),
        ([*MNIST, "--batch", "many"], "sizes"),
        ([*MNIST, "--batch", 0], "sizes"),
        ([*MNIST, "--batch", ""], "sizes"),
        ([*MNIST, "--lam", -1], "lam"),
        ([*MNIST, "--smoothness", 0.001], "smoothness"),
        ([*MNIST, "--smoothness", "inf"], "smoothness"),
        ([*MNIST, "--sigma", "nan"], "sigma must be a positive number"),
        ([*MNIST, "--sigma", 0], "sigma must be a positive number"),
        ([*MNIST, "--clip", 0], "clip must be a positive number"),
        ([*MNIST, "--radius", 0], "radius must be positive"),
        ([*MNIST, "--requests", 20000], "20000 requests"),
        ([*SMALL, "--json", "no-such-folder/out.json"], "no-such-folder"),
        (["--data", "nowhere.npz"], "nowhere.npz"),
        (["--data", "nowhere.npz", "--orders", 0], "--orders"),
    ],
)
def test_settings_that_cannot_be_are_refused_in_a_line(capsys, arguments, words):
    """With exit code 2."""
    assert 2 == langevin.main(list(map(str, arguments)))
    told = capsys.readouterr().err
    assert words in told
    assert 1 == told.count("\n")


@pytest.mark.parametrize(
    ("arguments", "method", "words"),
    [
        (["--epsilon", 1e-300], "lu", "epochs reach the target"),
        (["--sigma", 1e-200], "pnsgd", "floating-point"),
        (["--sigma", 1e200], "pnsgd", "floating-point"),
        (["--clip", 1e300, "--radius", "inf"], "pnsgd", "floating-point"),
    ],
)
def test_extreme_settings_are_answered(tmp_path, arguments, method, words):
    """Where one method cannot, it says so; Descent-to-Delete can."""
    told = figures(tmp_path, *SMALL, "--batch", 7, *arguments)
    (answer,) = told[method].values()
    assert words in answer["infeasible"]
    assert 3 == len(told["d2d"]["epochs_per_request"])


def test_batches_in_any_order_that_do_not_divide_the_rows_are_answered(tmp_path):
    """Each by itself, as given; one named twice is answered once; the last batch is filled with empty slots."""
    told = figures(tmp_path, *SMALL, "--bound", "tight", "--batch", "300,7, n,1000,7")["pnsgd"]
    assert {"300": 4, "7": 143, "n": 1} == {size: one["steps_per_epoch"] for size, one in told.items()}
    for size in ("300", "7"):
        assert told[size] == figures(tmp_path, *SMALL, "--bound", "tight", "--batch", size)["pnsgd"][size]


def test_totals_are_the_sums_of_the_requests(tmp_path):
    """For every method and every size."""
    told = figures(tmp_path, *MNIST, "--full-batch-smoothness", 0.1947005)
    for one in (told["d2d"], *told["lu"].values(), *told["pnsgd"].values()):
        assert one["total_epochs"] == sum(one["epochs_per_request"])
    assert (9118, 8739, 100) == tuple(
        one["total_epochs"] for one in (told["d2d"], told["lu"]["10"], told["pnsgd"]["128"])
    )


def test_a_file_is_measured_on_fewer_rows_too_and_its_runs_are_kept(tmp_path):
    """Retraining without noise on PNSGD's rows shows what the rows alone cost; run again, nothing is computed."""
    rng = np.random.default_rng(0)
    labels = np.arange(300) % 2
    np.savez(tmp_path / "d.npz", x=3 * np.eye(4)[labels] + rng.standard_normal((300, 4)), y=labels)
    settings = (
        "--rows 200 --orders 2 --requests 2 --lam 1e-4 --sigma 0.1 --epsilon 3 --batch 64 --operating-batch 64"
    )
    asked = ["--data", tmp_path / "d.npz", "--runs", tmp_path / "runs", *settings.split()]
    told = figures(tmp_path, *asked)
    gradients = {arm["method"]: arm["gradients"] for arm in told["executed"]}
    once = "retraining without noise, for one request"
    assert (240 * 1000, 200 * 1000) == (gradients[once], gradients[f"{once}, n=200"])
    assert all(2 == arm["runs"] for arm in told["executed"])
    assert told == figures(tmp_path, *asked)
