"""`lethe train` through typer's own runner, on real files."""

from __future__ import annotations

import stat
import subprocess
import sys

import pytest

CSV = "--data {people.csv} --label answer --id person"
LANGEVIN = f"train langevin {CSV} --set batch=20 --set training_epochs=5"
PCMU = "train pcmu --data {people.npz} --set variant=sampled --set steps=3 --set rate=0.1 --set threshold=0.1"


def test_training_says_that_nothing_is_promised_yet_and_how_to_forget(terminal):
    """The promise is about requests, and there was none."""
    said = terminal.done(LANGEVIN + " --out {head}")
    assert "Nothing is promised: nothing has been forgotten yet" in said
    assert "lethe unlearn langevin --model " in said


def test_every_setting_reaches_the_training(terminal):
    """Numbers and texts keep their kind; dashes will do for underscores."""
    terminal.done(
        LANGEVIN
        + " --out {head} --seed 5 --set epsilon=2 --set sigma=.5 --set adjacency=replacement --set radius=inf"
        " --set most-epochs=9000"
    )
    certificate = terminal.certificate("head")
    wanted = {"epsilon": 2, "sigma": 0.5, "adjacency": "replacement", "batch": 20, "training_epochs": 5}
    wanted |= {"radius": "infinite", "most_epochs": 9000}
    assert wanted == {name: certificate.parameters[name] for name in wanted}
    assert (None, 60, 3) == (certificate.seed, certificate.data.rows, certificate.data.features)


def test_the_same_seed_gives_the_same_weights(terminal):
    """And without one they differ."""
    for name, more in (("a", "--seed 1"), ("b", "--seed 1"), ("c", ""), ("d", "")):
        terminal.done(f"{LANGEVIN} --out {{{name}}} {more}")
    assert terminal.weights("a") == terminal.weights("b")
    assert terminal.weights("c") != terminal.weights("d")
    assert terminal.certificate("c").seed is None


def test_the_state_is_its_owners_alone(terminal):
    """It holds the seed, which takes the noise off."""
    said = terminal.done(LANGEVIN + " --out {head}")
    assert "state.npz secret" in said
    assert "weights.npz may be published with the certificate" in said
    assert "-rw-------" == stat.filemode((terminal.folder / "head" / "state.npz").stat().st_mode)


def test_langevin_says_what_a_request_will_get_and_cost(terminal):
    """As the accountant finds it: the epochs asked for, and their gradients."""
    said = terminal.done(LANGEVIN + " --out {head} --set epochs=3")
    assert "Each deletion gets (epsilon, delta) = (1, 0.0167) against retraining without it" in said
    assert "  1 row in the next request: 3 epochs (60% of the training), 180 gradients" in said
    assert "  10 rows in the next request: " in said


def test_pcmu_says_that_nothing_is_covered(terminal):
    """A budget of no row is said before the first request is refused."""
    said = terminal.done(PCMU + " --set sigma=0.01 --set epsilon=1 --out {coded}")
    assert "No deletion is covered: the budget is 0 rows, and every request will be refused." in said


def test_a_useless_model_is_called_so(terminal):
    """Noise far above all that was learned leaves chance."""
    said = terminal.done(LANGEVIN + " --out {head} --set sigma=500 --seed 4")
    assert "Warning: the model is of no use: on the 60 rows of 'learned' it is no better than always" in said


def test_pcmu_says_its_budget_in_advance(terminal):
    """Before any request the promise stands."""
    said = terminal.done(PCMU + " --set sigma=0.9 --set epsilon=5 --out {coded}")
    assert "can be deleted, in one request or several, at no cost: each gets (epsilon, delta) = (5, " in said
    assert "indistinguishable from retraining, by the zcdp bound" in said
    assert 0 < terminal.certificate("coded").remaining.rows


def test_a_column_called_label_need_not_be_named(terminal):
    """It is what is looked for."""
    terminal.write("people.csv", (terminal.folder / "people.csv").read_text().replace("answer", "label", 1))
    terminal.done(LANGEVIN.replace("--label answer", "") + " --out {head}")
    assert 60 == terminal.certificate("head").data.rows


def test_rows_that_are_too_long_are_refused_until_they_are_normalised(terminal):
    """The assumption is named, and nothing is left behind; --normalise scales them."""
    long = LANGEVIN.replace("people.csv", "long.csv") + " --out {head}"
    before = sorted(terminal.folder.iterdir())
    assert "(violated assumption: every row's features have norm at most 1)" in terminal.refused(long)
    assert before == sorted(terminal.folder.iterdir())
    terminal.done(long + " --normalise")
    assert 60 == terminal.certificate("head").data.rows


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        (LANGEVIN + " --out {people.csv}", "exists already; name a new directory"),
        (LANGEVIN + " --out {head} --set epsilon", "--set takes NAME=VALUE"),
        (LANGEVIN + " --out {head} --set epsilon=1 --set epsilon=2", "names 'epsilon' twice"),
        (LANGEVIN + " --out {head} --set epsilom=1", "no setting 'epsilom'; the settings are adjacency, batch"),
        (LANGEVIN + " --out {head} --set epsilom=1", "epochs, epsilon, most_epochs, radius, requests, sigma"),
        (LANGEVIN + " --out {head} --set epsilon=much", "'epsilon' cannot be 'much': it is of the kind float"),
        (
            LANGEVIN + " --out {head} --set most_epochs=2.5",
            "'most_epochs' cannot be 2.5: it is of the kind int",
        ),
        (LANGEVIN + " --out {head} --set adjacency=near", "'replacement' or 'deletion', not 'near'"),
        (LANGEVIN + " --out {head} --set clip=true", "'clip' cannot be 'true': it is of the kind float | None"),
        (LANGEVIN + " --out {head} --set epsilon=-1", "epsilon must be a positive number"),
        (LANGEVIN + " --out {head} --set convexity=-1", "convexity must be"),
        (LANGEVIN.replace("batch=20", "batch=100") + " --out {head}", "too few for batches of 100"),
        (LANGEVIN.replace("answer", "reply") + " --out {head}", "has no column 'reply'; it has person, a, b, c"),
        (
            LANGEVIN.replace("--id person", "") + " --out {head}",
            "line 2: a feature is not a number, in the column 'person'",
        ),
        ("train langevin --data {none.csv} --out {head}", "none.csv"),
        ("train langevin --data {people.txt} --out {head}", "none of .csv, .npz and .jsonl"),
        ("train langevin --data {texts.jsonl} --out {head}", "name the backbone"),
        (PCMU + " --out {head}", "no default and must be given: "),
    ],
)
def test_a_mistake_is_one_line_that_says_what_to_do(terminal, command, complaint):
    """Exit code 2, and no directory."""
    assert complaint in terminal.refused(command)
    assert not (terminal.folder / "head").exists()
    assert not list(terminal.folder.glob(".*"))


def test_without_the_extra_the_command_names_it():
    """Where torch cannot be imported, one line says what to install."""
    code = """
import sys
class NoTorch:
    def find_spec(name, path=None, target=None):
        if name == "torch":
            raise ModuleNotFoundError("No module named 'torch'")
sys.meta_path.insert(0, NoTorch)
from gateway.cli import main
main()
"""
    words = ("train", "langevin", "--data", "x.csv", "--out", "y")
    refused = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    assert (2, 1) == (refused.returncode, len(refused.stderr.splitlines()))
    assert "in the checkout: pip install -c constraints.txt '.[unlearn]'" in refused.stderr


def test_the_command_line_starts_without_the_training_stack():
    """Every command, `lethe serve` among them, begins by importing this."""
    code = "import sys, gateway.cli; print({'torch', 'transformers', 'accelerate', 'peft'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "set()" == done.stdout.strip()
