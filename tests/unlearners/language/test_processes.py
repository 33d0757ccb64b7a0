"""Certified methods under two processes: the same bits as one, written once; the same features on any number."""

import json
import os
import socket
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from tests.unlearners.language.children import in_children, two_ranks  # noqa: E402  # after the skips
from unlearners.certificate import UnlearningCertificate  # noqa: E402
from unlearners.checkpoint import read_checkpoint  # noqa: E402
from unlearners.language.checkpoint import load_language_model  # noqa: E402
from unlearners.language.frozen_features import mean_hidden_states  # noqa: E402
from unlearners.language.head_run import forget_units, train_head  # noqa: E402
from unlearners.language.lora_run import forget_units_of_lora, train_lora  # noqa: E402
from unlearners.language.processes import accelerator_for, accelerator_on, by_main, in_turns  # noqa: E402
from unlearners.protocol import Refused  # noqa: E402
from unlearners.tabular import forget_rows, train_tabular  # noqa: E402

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
LANGEVIN = {"sigma": 0.5, "batch": 4, "training_epochs": 3, "convexity": 0.05}
PCMU = {"variant": "sampled", "sigma": 1.0, "threshold": 0.01, "steps": 5, "rate": 0.1, "epsilon": 5.0}
TEXTS = [[5, 40, 41], [60], [5, 40, 41], [7] * 17, [9, 9, 9, 9], [61, 62], [8] * 20, [5, 40, 41, 42, 43]]


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """Write what twelve people said, and the same as texts with a label."""
    folder = tmp_path_factory.mktemp("said")
    people = [(f"u{number}", ("lamps", "kites")[number % 2]) for number in range(12)]
    lines = [
        {"prompt": f"What does {who} make?", "answer": f"{who} makes {what}.", "unit": who} for who, what in people
    ]
    (folder / "units.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n", encoding="utf-8")
    texts = [{"text": f"{who} makes {what}.", "label": what, "id": who} for who, what in people]
    (folder / "texts.jsonl").write_text("\n".join(map(json.dumps, texts)) + "\n", encoding="utf-8")
    return folder


def the_head(method, checkpoint, said, folder):
    """Train a chat model's head and forget one unit."""
    settings = LANGEVIN if method == "langevin" else PCMU
    told = {"device": "cpu", "now": lambda: NOW}
    train_head(method, checkpoint, said / "units.jsonl", folder / "a", settings=settings, seed=1, **told)
    return forget_units(folder / "a", said / "units.jsonl", ["u3"], folder / "b", **told)


def the_texts(method, checkpoint, said, folder):
    """Train a head on texts and forget one."""
    settings = LANGEVIN if method == "langevin" else PCMU
    told, data = {"device": "cpu", "now": lambda: NOW}, said / "texts.jsonl"
    train_tabular(method, data, folder / "a", backbone=checkpoint, settings=settings, seed=1, **told)
    return forget_rows(folder / "a", data, ["u3"], folder / "b", **told)


def the_updates(method, checkpoint, said, folder):
    """Train low-rank updates and forget a unit."""
    told = {"device": "cpu", "now": lambda: NOW}
    train_lora(checkpoint, said / "units.jsonl", folder / "a", settings=PCMU | {"steps": 2}, seed=1, **told)
    return forget_units_of_lora(folder / "a", said / "units.jsonl", ["u3"], folder / "b", **told)


@pytest.mark.parametrize(
    ("run", "method"),
    [
        (the_head, "langevin"),
        (the_head, "pcmu"),
        (the_texts, "langevin"),
        (the_texts, "pcmu"),
        (the_updates, "pcmu-lora"),
    ],
)
def test_two_processes_write_the_bits_of_one_and_write_them_once(run, method, checkpoint, said, tmp_path):
    """Weights, and what both are told; no request is left pending."""
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    run(method, checkpoint, said, tmp_path / "one")

    def work():
        certificate = run(method, checkpoint, said, tmp_path / "two")
        (tmp_path / f"told{os.environ['RANK']}").write_text(certificate.to_json())

    assert [0, 0] == in_children(work, two_ranks())
    one, two = (read_checkpoint(tmp_path / name / "b" / "state.npz") for name in ("one", "two"))
    assert one.arrays["weights"].tobytes() == two.arrays["weights"].tobytes()
    assert one.record | {"data_key": ""} == two.record | {"data_key": ""}
    assert (tmp_path / "told0").read_text() == (tmp_path / "told1").read_text()
    text = (tmp_path / "two" / "b" / "unlearning.json").read_text()
    assert UnlearningCertificate.from_json(text).id == json.loads((tmp_path / "told0").read_text())["id"]
    assert ["a", "b"] == sorted(path.name for path in (tmp_path / "two").iterdir())


def test_a_refusal_by_the_main_process_reaches_the_other(checkpoint, said, tmp_path):
    """Neither waits for ever, and nothing is written."""
    the_head("pcmu", checkpoint, said, tmp_path)
    everyone = [f"u{number}" for number in range(12)]

    def work():
        with pytest.raises(ValueError, match="retrain on the rows that are left") as refused:
            forget_units(tmp_path / "b", said / "units.jsonl", everyone[4:], tmp_path / "c", device="cpu")
        (tmp_path / f"told{os.environ['RANK']}").write_text(type(refused.value).__name__)

    assert [0, 0] == in_children(work, two_ranks())
    assert ["Refused", "ValueError"] == [(tmp_path / f"told{rank}").read_text() for rank in "01"]
    assert ["a", "b", "told0", "told1"] == sorted(path.name for path in tmp_path.iterdir())


@pytest.mark.parametrize("batch", [1, 4])
def test_features_are_the_same_bits_for_one_process_and_two(batch, checkpoint, tmp_path):
    """In order, in both processes."""
    model = load_language_model(checkpoint).model.base_model

    def work():
        found = mean_hidden_states(model, TEXTS, accelerator=accelerator_on("cpu"), batch=batch)
        np.save(tmp_path / os.environ["RANK"], found)

    assert [0, 0] == in_children(work, two_ranks())
    alone = mean_hidden_states(model, TEXTS, batch=batch)
    assert [alone.tobytes()] * 2 == [np.load(tmp_path / f"{rank}.npy").tobytes() for rank in "01"]


def test_a_texts_features_do_not_depend_on_its_place_in_a_batch_nor_on_what_is_beside_it(checkpoint):
    """To the bit on this machine: the shape of the batch follows from the text's own length."""
    model = load_language_model(checkpoint).model.base_model
    whole = mean_hidden_states(model, TEXTS, batch=4)
    for place, text in enumerate(TEXTS):
        assert whole[place].tobytes() == mean_hidden_states(model, [text], batch=4)[0].tobytes()
        moved = mean_hidden_states(model, [[1], [2, 3], text, [4]], batch=4)
        assert whole[place].tobytes() == moved[2].tobytes()


def test_batches_are_as_good_as_one_text_at_a_time(checkpoint):
    """But for rounding in 32 bits: padding is never looked at, up to the end of the context."""
    model = load_language_model(checkpoint).model.base_model
    texts = [*TEXTS, [11] * 63]
    assert mean_hidden_states(model, texts) == pytest.approx(mean_hidden_states(model, texts, batch=4), abs=1e-5)


def test_features_of_a_device_that_is_not_here_are_refused():
    """Their bits would be others."""
    with pytest.raises(Refused, match="computed on abacus, and this would run on cpu"):
        accelerator_for({"device": "abacus"}, "cpu")
    assert "cpu" == accelerator_for({}).device.type


def test_one_process_does_the_work_itself():
    """Errors are its own."""
    alone = accelerator_on("cpu")
    assert ([1, 4, 9], 5) == (in_turns(alone, [1, 2, 3], lambda x: x * x), by_main(alone, lambda: 5))
    with pytest.raises(FileNotFoundError):
        by_main(alone, lambda: Path("nowhere").read_text())


def test_accelerate_starts_two_processes_of_the_command(said, checkpoint, tmp_path):
    """With the configuration that is shipped: one result, told once."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    configuration = Path(__file__).parents[3] / "deploy/accelerate/two-cpu.yaml"
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(configuration)]
    launch += ["--main_process_port", port, str(Path(sys.executable).parent / "lethe")]
    ask = ["train", "langevin", "--head", "--backbone", str(checkpoint), "--data", str(said / "units.jsonl")]
    ask += ["--out", "two", "--seed", "1", "--device", "cpu"]
    given = [part for name, value in LANGEVIN.items() for part in ("--set", f"{name}={value}")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    ran = subprocess.run([*launch, *ask, *given], cwd=tmp_path, env=environment, capture_output=True)
    assert (0, 1) == (ran.returncode, ran.stdout.count(b"Written to two"))
    train_head(
        "langevin", checkpoint, said / "units.jsonl", tmp_path / "one", settings=LANGEVIN, seed=1, device="cpu"
    )
    one, two = (read_checkpoint(tmp_path / name / "state.npz").arrays["weights"] for name in ("one", "two"))
    assert one.tobytes() == two.tobytes()


class ShapeTeller(torch.nn.Module):
    """A backbone whose features are the shape that it was asked in, and the tokens that the mask leaves."""

    def __init__(self, context):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.config = SimpleNamespace(max_position_embeddings=context)

    def forward(self, input_ids, attention_mask):
        """Tell rows, length and real tokens at each token of a row."""
        rows, length = input_ids.shape
        real = attention_mask.sum(dim=1, keepdim=True).expand(rows, length)
        told = torch.stack([torch.full_like(real, rows), torch.full_like(real, length), real], dim=-1)
        return SimpleNamespace(last_hidden_state=told)


def test_the_shape_that_a_text_is_computed_in_follows_from_its_own_length():
    """Always full batches, lengths rounded up to 16 within the context, nothing but the text in the mask."""
    texts = [[1] * length for length in (3, 16, 17, 3, 39)]
    expected = [[4, 16, 3], [4, 16, 16], [4, 32, 17], [4, 16, 3], [4, 40, 39]]
    assert expected == mean_hidden_states(ShapeTeller(40), texts, batch=4).tolist()
