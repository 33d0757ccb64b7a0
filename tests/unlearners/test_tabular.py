"""Training and forgetting from files: what appears, what stays secret, what a crash leaves."""

import json
import os
import shutil
import signal
import stat
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from unlearners.certificate import UnlearningCertificate
from unlearners.checkpoint import read_checkpoint
from unlearners.langevin.choice import chosen_settings
from unlearners.losses import Logistic
from unlearners.pcmu.unlearner import read_model
from unlearners.promise import Indistinguishable, NothingPromised
from unlearners.protocol import Refused
from unlearners.runs import read_data_key
from unlearners.tabular import forget_rows, train_tabular
from unlearners.verification import verify
from unlearners.weights import check_weights

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
LANGEVIN = {"epsilon": 1.0, "sigma": 0.05, "batch": 50, "convexity": 0.05, "training_epochs": 6}
PCMU = {"variant": "sampled", "sigma": 0.3, "threshold": 0.1, "steps": 25, "rate": 0.1, "epsilon": 5.0}


@pytest.fixture
def table(tmp_path):
    """Write two classes of rows to a CSV file, with ids."""
    rng = np.random.default_rng(0)
    lines = ["name,a,b,kind"]
    for row in range(200):
        x, y = rng.standard_normal(2) * 0.3 + (1, 1) * np.array(1 if row % 2 else -1)
        lines.append(f"r{row},{x},{y},{'up' if row % 2 else 'down'}")
    path = tmp_path / "rows.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def trained(table, out, method="langevin", **options):
    """Train into a new directory with a seed and a fixed clock."""
    given = {"label": "kind", "id_column": "name", "normalise": True, "seed": 1, "now": lambda: NOW, **options}
    given.setdefault("settings", LANGEVIN if method == "langevin" else PCMU)
    return train_tabular(method, table, out, **given)


def crash(phase, done, total):
    """Lose power at the third epoch."""
    if done == 3:
        raise KeyboardInterrupt


@pytest.mark.parametrize("method", ["langevin", "pcmu"])
def test_a_table_is_learned_and_its_rows_forgotten_by_name(tmp_path, table, method):
    """The weights tell the classes apart, and the certificate beside them is the one returned."""
    trained(table, tmp_path / "one", method)
    certificate = forget_rows(tmp_path / "one", table, ["r7", "r8"], tmp_path / "two", now=lambda: NOW)
    assert isinstance(certificate.promise, Indistinguishable)
    assert [(7, 8)] == [served.rows for served in certificate.served]
    text = (tmp_path / "two" / "unlearning.json").read_text(encoding="utf-8")
    assert certificate == UnlearningCertificate.from_json(text)
    assert () == verify(certificate)
    with np.load(tmp_path / "two" / "weights.npz") as published:
        assert ["down", "up"] == published["classes"].tolist()
        scores = published["weights"] @ np.array([[1.0, 1.0], [-1.0, -1.0]]).T
    assert (scores[-1] > 0).tolist() == [True, False]


@pytest.mark.parametrize("method", ["langevin", "pcmu"])
def test_forgetting_twice_is_forgetting_together_one_by_one(tmp_path, table, method):
    """All that the next request needs is in the directory."""
    trained(table, tmp_path / "0", method)
    forget_rows(tmp_path / "0", table, ["r1"], tmp_path / "1", now=lambda: NOW)
    twice = forget_rows(tmp_path / "1", table, ["r2"], tmp_path / "2", now=lambda: NOW)
    both = forget_rows(tmp_path / "0", table, ["r1", "r2"], tmp_path / "3", together=False, now=lambda: NOW)
    assert twice == both


def test_what_is_secret_is_readable_by_its_owner_alone(tmp_path, table):
    """The state, and nothing that names the drawn seed is published."""
    certificate = trained(table, tmp_path / "one", seed=None)
    assert 0o600 == stat.S_IMODE((tmp_path / "one" / "state.npz").stat().st_mode)
    assert certificate.seed is None
    assert isinstance(certificate.promise, NothingPromised)
    assert {"measured.json", "recipe.json", "state.npz", "unlearning.json", "weights.npz"} == {
        path.name for path in (tmp_path / "one").iterdir()
    }
    with np.load(tmp_path / "one" / "weights.npz") as published:
        assert {"weights", "classes"} == set(published.files)


@pytest.mark.parametrize("method", ["langevin", "pcmu"])
def test_a_crash_in_training_leaves_no_model_and_the_same_call_goes_on(tmp_path, table, method):
    """To the weights of a training that was not interrupted."""
    with pytest.raises(KeyboardInterrupt):
        trained(table, tmp_path / "one", method, progress=crash)
    assert not (tmp_path / "one").exists()
    seen = []
    progress = lambda phase, done, total: seen.append(done)  # noqa: E731
    resumed = trained(table, tmp_path / "one", method, progress=progress)
    assert resumed.training_gradients == trained(table, tmp_path / "two", method).training_gradients
    assert seen[0] == 4 or method == "pcmu"  # which records every tenth step
    one, two = (read_checkpoint(tmp_path / name / "state.npz") for name in ("one", "two"))
    assert one.arrays["weights"].tobytes() == two.arrays["weights"].tobytes()
    assert one.record | {"data_key": ""} == two.record | {"data_key": ""}
    assert {"one", "two", "rows.csv"} == {path.name for path in tmp_path.iterdir()}


def test_a_crash_between_the_whole_model_and_the_tidying_is_tidied_by_the_same_call(tmp_path, table):
    """The secret progress beside it goes away; any other call is still told that the directory exists."""
    trained(table, tmp_path / "one", "langevin", progress=crash_late(tmp_path / "kept"))
    work = tmp_path / ".one.work"
    (tmp_path / "kept").rename(work)
    before = (tmp_path / "one" / "unlearning.json").read_text()
    with pytest.raises(ValueError, match="exists already"):
        trained(table, tmp_path / "one", "langevin", seed=8)
    trained(table, tmp_path / "one", "langevin")
    assert (False, before) == (work.exists(), (tmp_path / "one" / "unlearning.json").read_text())


def crash_late(kept):
    """Make a progress that copies the work directory aside, as a crash after the end would leave it."""

    def progress(phase, done, total):
        shutil.copytree(kept.parent / ".one.work", kept, dirs_exist_ok=True)

    return progress


def test_a_crash_in_forgetting_leaves_the_old_model_and_the_request(tmp_path, table):
    """Other work for the same place is not begun over it; the same call finishes it."""
    quiet = {**LANGEVIN, "sigma": 0.004}
    trained(table, tmp_path / "one", settings=quiet)
    before = (tmp_path / "one" / "state.npz").read_bytes()
    with pytest.raises(KeyboardInterrupt):
        forget_rows(tmp_path / "one", table, ["r7"], tmp_path / "two", progress=crash)
    assert before == (tmp_path / "one" / "state.npz").read_bytes()
    assert not (tmp_path / "two").exists()
    assert [[7]] == json.loads((tmp_path / ".two.work" / "request.json").read_text(encoding="utf-8"))["forget"]
    with pytest.raises(ValueError, match="other work that was begun"):
        forget_rows(tmp_path / "one", table, ["r9"], tmp_path / "two")
    resumed = forget_rows(tmp_path / "one", table, ["r7"], tmp_path / "two", now=lambda: NOW)
    assert resumed == forget_rows(tmp_path / "one", table, ["r7"], tmp_path / "three", now=lambda: NOW)


def test_two_processes_do_not_work_on_one_request(tmp_path, table):
    """The second is told so, and the first ends well."""
    told = []

    def second(phase, done, total):
        if done == 2:
            with pytest.raises(ValueError, match="another process is at work") as refused:
                trained(table, tmp_path / "one")
            told.append(refused.value)

    trained(table, tmp_path / "one", progress=second)
    assert (1, True) == (len(told), (tmp_path / "one" / "state.npz").exists())


@pytest.mark.parametrize(
    ("ids", "words", "assumption"),
    [
        (["nobody"], "no row 'nobody'", "a forgotten row is in the data"),
        (["r7"], "forgotten already", "a row is forgotten once"),
        ([f"r{row}" for row in range(100, 200)], "budget is", "within the certified budget"),
    ],
)
def test_a_refused_request_names_the_assumption_and_leaves_nothing(tmp_path, table, ids, words, assumption):
    """A stranger, a row that is gone, a budget that is spent."""
    trained(table, tmp_path / "one", "pcmu")
    forget_rows(tmp_path / "one", table, ["r7"], tmp_path / "two")
    with pytest.raises(Refused, match=words) as refused:
        forget_rows(tmp_path / "two", table, ids, tmp_path / "three")
    assert assumption in refused.value.assumption
    assert {"one", "two", "rows.csv"} == {path.name for path in tmp_path.iterdir()}


def test_data_that_are_not_normalised_or_not_those_trained_on_are_refused(tmp_path, table):
    """By name, before anything is written."""
    with pytest.raises(Refused, match="normalise the rows"):
        trained(table, tmp_path / "one", normalise=False)
    trained(table, tmp_path / "one")
    table.write_text(table.read_text(encoding="utf-8").replace("up", "upward"), encoding="utf-8")
    with pytest.raises(
        Refused, match=r"rows\.csv is not what .*one was trained on: .* a value, a label, their order"
    ):
        forget_rows(tmp_path / "one", table, ["r7"], tmp_path / "two")
    assert {"one", "rows.csv"} == {path.name for path in tmp_path.iterdir()}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"method": "magic"}, "'langevin' or 'pcmu'"),
        ({"settings": {"sigma": 0.1, "speed": 3}}, "no setting 'speed'; the settings are"),
        ({"settings": {"sigma": "much"}}, "'sigma' cannot be 'much'"),
        ({"settings": {"sigma": 0.1, "epochs": 3}}, "not both"),
        ({"settings": {"epochs": 2.5}}, "whole numbers"),
        ({"method": "pcmu", "settings": {"variant": "sampled"}}, "have no default and must be given: sigma, "),
        ({"label": "sort"}, "no column 'sort'"),
    ],
)
def test_unusable_input_is_named(tmp_path, table, options, words):
    """With what to do."""
    with pytest.raises(ValueError, match=words):
        trained(table, tmp_path / "one", **options)


def test_a_file_of_another_kind_and_an_old_directory_are_refused(tmp_path, table):
    """What is served is never written over."""
    with pytest.raises(ValueError, match=r"none of \.csv, \.npz and \.jsonl"):
        train_tabular("langevin", tmp_path / "rows.txt", tmp_path / "one", settings=LANGEVIN)
    with pytest.raises(ValueError, match="name the backbone"):
        train_tabular("langevin", tmp_path / "rows.jsonl", tmp_path / "one", settings=LANGEVIN)
    trained(table, tmp_path / "one")
    with pytest.raises(ValueError, match="exists already"):
        trained(table, tmp_path / "one")
    with pytest.raises(ValueError, match="does not hold a model made here"):
        forget_rows(tmp_path, table, ["r7"], tmp_path / "two")


def test_an_infinite_radius_survives_the_recipe(tmp_path, table):
    """JSON has no infinity."""
    trained(table, tmp_path / "one", settings={**LANGEVIN, "radius": float("inf")})
    done = forget_rows(tmp_path / "one", table, ["r7"], tmp_path / "two")
    assert "infinite" == done.parameters["radius"]
    assert () == verify(done)


@pytest.mark.parametrize("epochs", [1, 4])
def test_the_noise_is_found_for_the_epochs_asked_for(tmp_path, table, epochs):
    """A request then takes so many, and not one less at a little less noise."""
    trained(table, tmp_path / "one", settings={"epochs": epochs, "batch": 50, "convexity": 0.05})
    done = forget_rows(tmp_path / "one", table, ["r7"], tmp_path / "two")
    assert [epochs] == [served.epochs for served in done.served]
    assert 1.0 == pytest.approx(done.parameters["epsilon_reached"])


def test_more_requests_ask_for_more_noise():
    """Each is to take K epochs after those before it."""
    one, many = (chosen_settings({"requests": r}, 200, Logistic()).sigma for r in (1, 20))
    assert one < many


def test_pcmus_state_is_read_back_whole_or_refused(tmp_path, table):
    """A file of the other method has no radius."""
    trained(table, tmp_path / "l")
    trained(table, tmp_path / "p", "pcmu")
    assert read_model(tmp_path / "p" / "state.npz").weights.any()
    with pytest.raises(ValueError, match="holds no smallest_radius"):
        read_model(tmp_path / "l" / "state.npz")


def test_a_certificate_is_about_the_weights_beside_it_alone(tmp_path, table):
    """Beside others it is found out, and nothing is forgotten from such a directory."""
    trained(table, tmp_path / "one")
    certificate = forget_rows(tmp_path / "one", table, ["r7"], tmp_path / "two")
    assert () == check_weights(certificate, tmp_path / "two")
    assert check_weights(certificate, tmp_path / "one")
    shutil.copy(tmp_path / "two" / "unlearning.json", tmp_path / "one" / "unlearning.json")
    with pytest.raises(ValueError, match="are not those that were certified"):
        forget_rows(tmp_path / "one", table, ["r8"], tmp_path / "three")
    (tmp_path / "two" / "weights.npz").unlink()
    assert ["cannot be compared"] == [p[12:30] for p in check_weights(certificate, tmp_path / "two")]
    bare = replace(certificate, parameters={})
    assert ("the certificate does not say which weights it is about",) == check_weights(bare, tmp_path / "two")


def test_a_kill_while_saving_orphans_nothing(tmp_path, table):
    """What was half put together lies in the work directory, and the same call takes it away."""
    child = os.fork()
    if child == 0:
        os.rename = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        trained(table, tmp_path / "one")
        os._exit(1)
    assert signal.SIGKILL == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) * -1
    assert {".one.work", "rows.csv"} == {path.name for path in tmp_path.iterdir()}
    trained(table, tmp_path / "one")
    assert {"one", "rows.csv"} == {path.name for path in tmp_path.iterdir()}


def test_a_work_directory_that_is_a_link_or_whose_lock_is_one_is_refused(tmp_path, table):
    """Nothing is written through either."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / ".one.work").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match="is a link or belongs to another user"):
        trained(table, tmp_path / "one")
    (tmp_path / ".two.work").mkdir()
    (tmp_path / ".two.work" / "lock").symlink_to(tmp_path / "target")
    with pytest.raises(ValueError, match="cannot lock"):
        trained(table, tmp_path / "two")
    assert (False, []) == ((tmp_path / "target").exists(), list((tmp_path / "elsewhere").iterdir()))


def test_comparing_data_needs_the_key_in_the_state(tmp_path, table):
    """What was published alone does not have it."""
    trained(table, tmp_path / "one")
    assert 64 == len(read_data_key(tmp_path / "one"))
    (tmp_path / "one" / "state.npz").unlink()
    with pytest.raises(ValueError, match=r"needs the key in state\.npz"):
        read_data_key(tmp_path / "one")
