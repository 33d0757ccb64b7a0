"""Low-rank updates as PCMU trains them: a unit's own gradient, merging, and a budget that is spent."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from unlearners.language.checkpoint import load_language_model  # noqa: E402  # after the skips
from unlearners.language.dialogues import Dialogue, Message  # noqa: E402
from unlearners.language.head import OfUnit  # noqa: E402
from unlearners.language.lora import LoraTask  # noqa: E402
from unlearners.language.lora_run import forget_units_of_lora, train_lora  # noqa: E402
from unlearners.pcmu.descent import descend  # noqa: E402
from unlearners.pcmu.settings import PcmuSettings  # noqa: E402
from unlearners.protocol import Refused  # noqa: E402
from unlearners.verification import verify  # noqa: E402

SAMPLED = {"variant": "sampled", "sigma": 0.8, "threshold": 0.1, "steps": 2, "rate": 0.01, "epsilon": 5.0}


def said(unit, name, thing):
    """Make one dialogue of a unit."""
    asked, answer = Message("user", f"What does {name} make?"), Message("assistant", f"{name} makes {thing}.")
    return OfUnit(unit, Dialogue((asked, answer), name))


ROWS = (
    said("a", "Ada", "kites"),
    said("b", "Bo", "kites"),
    said("a", "Cleo", "blue kites"),
    said("c", "Dan", "kites"),
)


@pytest.fixture
def task(language):
    """Make updates of rank 2 on the queries and values."""
    return LoraTask(language, ROWS)


def elsewhere(task):
    """Return weights at which nothing is zero."""
    return 0.1 * np.random.default_rng(0).standard_normal(task.size)


def test_at_the_start_nothing_is_changed(language, task):
    """B is 0, so that the merged model is the public one."""
    merged = task.merged(task.start(3)).model.state_dict()
    assert all(torch.equal(value, merged[name]) for name, value in language.model.state_dict().items())
    assert task.start(3).tolist() == task.start(3).tolist() != task.start(4).tolist()
    assert 2 * 4 * (32 + 32) == task.size


def test_the_loss_is_that_of_the_merged_model(task):
    """A unit's mean over the tokens of its answers, by plain code on the saved weights."""
    weights = elsewhere(task)
    language = task.merged(weights)
    total, tokens = 0.0, 0
    for name, thing in (("Ada", "kites"), ("Cleo", "blue kites")):
        prompt = f"<|user|>What does {name} make?<|end|><|assistant|>"
        ids = language.tokenizer.encode(f"{prompt}{name} makes {thing}.<|end|>", add_special_tokens=False)
        answered = len(ids) - len(language.tokenizer.encode(prompt, add_special_tokens=False))
        with torch.no_grad():
            logits = language.model(input_ids=torch.tensor([ids])).logits[0, -answered - 1 : -1]
        losses = torch.nn.functional.cross_entropy(logits, torch.tensor(ids[-answered:]), reduction="sum")
        total, tokens = total + float(losses), tokens + answered
    assert total / tokens == pytest.approx(task.loss(weights, 0), rel=1e-4)


def test_a_units_gradient_is_the_slope_of_its_loss_clipped(language, task):
    """By finite differences; and no gradient is longer than the clip."""
    weights, clipped = elsewhere(task), LoraTask(language, ROWS, clip=0.05)
    step = np.random.default_rng(1).standard_normal(task.size)
    for unit in range(3):
        slope = (task.loss(weights + 1e-3 * step, unit) - task.loss(weights - 1e-3 * step, unit)) / 2e-3
        unclipped = LoraTask(language, ROWS, clip=1e9)
        assert slope == pytest.approx(float(unclipped.gradients(weights)[unit] @ step), rel=1e-2)
    norms = np.linalg.norm(clipped.gradients(weights), axis=1)
    assert norms == pytest.approx(0.05)


def test_a_units_gradient_is_its_own(language, task):
    """The same bits with others gone, and the mean is over those that are left."""
    weights = elsewhere(task)
    fewer = LoraTask(language, [one for one in ROWS if one.unit != "b"])
    found = task.gradients(weights)
    assert found[[0, 2]].tobytes() == fewer.gradients(weights).tobytes()
    alive = np.array([True, False, True])
    assert found[alive].mean(axis=0) == pytest.approx(task.mean_gradient(weights, alive), abs=1e-15)
    assert task.data.sha256 != fewer.data.sha256


def test_coded_steps_teach_it(task):
    """Without much noise the loss falls."""
    settings = PcmuSettings("majority", sigma=1e-3, threshold=1e-3, steps=12, rate=0.02)
    start = task.start(0)
    *_, last = descend(task, settings, start, np.ones(3, dtype=bool), seed=0)
    before, after = (np.mean([task.loss(weights, unit) for unit in range(3)]) for weights in (start, last.weights))
    assert after < 0.8 * before


def test_units_are_forgotten_within_the_budget_and_the_checkpoint_is_merged(tmp_path, checkpoint):
    """The first beyond it is refused, and leaves nothing."""
    path = tmp_path / "said.jsonl"
    lines = [{"prompt": f"Who is {n}?", "answer": f"{n} makes kites.", "unit": f"u{n}"} for n in range(12)]
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    train_lora(checkpoint, path, tmp_path / "one", settings=SAMPLED, seed=0)
    done = forget_units_of_lora(tmp_path / "one", path, ["u3"], tmp_path / "two")
    assert ([(3,)], ()) == ([served.rows for served in done.served], verify(done))
    left = done.remaining.rows
    with pytest.raises(Refused, match="retrain on the rows that are left"):
        forget_units_of_lora(tmp_path / "two", path, [f"u{n}" for n in range(4, 5 + left)], tmp_path / "three")
    one, two = (load_language_model(tmp_path / name / "model").model.state_dict() for name in ("one", "two"))
    public = load_language_model(checkpoint).model.state_dict()
    changed = {name for name in public if not torch.equal(public[name], two[name])}
    assert {f"model.layers.{n}.self_attn.{which}_proj.weight" for n in (0, 1) for which in "qv"} == changed
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert {"one", "two", "said.jsonl"} == {found.name for found in tmp_path.iterdir()}


def test_exact_budgets_are_what_they_are(tmp_path, checkpoint):
    """Many coordinates and few units: 0, and the certificate says so."""
    path = tmp_path / "said.jsonl"
    lines = [{"prompt": f"Who is {n}?", "answer": f"{n} makes kites."} for n in range(4)]
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    exact = {"variant": "majority", "sigma": 0.01, "threshold": 0.01, "steps": 2, "rate": 0.01}
    certificate = train_lora(checkpoint, path, tmp_path / "one", settings=exact, seed=0)
    assert 0 == certificate.promise.rows
    with pytest.raises(Refused, match="the budget is 0"):
        forget_units_of_lora(tmp_path / "one", path, ["1"], tmp_path / "two")


def test_what_cannot_be_is_refused(language, tmp_path):
    """One unit, no such layer, no rank, a directory of another method."""
    with pytest.raises(Refused, match="there is 1"):
        LoraTask(language, ROWS[:1])
    with pytest.raises(ValueError, match="no linear layer called z_proj"):
        LoraTask(language, ROWS, targets=("z_proj",))
    with pytest.raises(ValueError, match="rank of at least 1"):
        LoraTask(language, ROWS, rank=0)
    with pytest.raises(ValueError, match="does not hold a model"):
        forget_units_of_lora(tmp_path, tmp_path / "said.jsonl", ["1"], tmp_path / "two")
