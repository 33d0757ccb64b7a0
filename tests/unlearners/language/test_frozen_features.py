"""A head on a frozen language model: texts in, a certified head out."""

import json

import numpy as np
import pytest

from unlearners.langevin.settings import LangevinSettings
from unlearners.langevin.unlearner import Langevin
from unlearners.promise import Indistinguishable
from unlearners.protocol import ForgetRequest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from unlearners.data import Dataset  # noqa: E402  # after the skip
from unlearners.language.frozen_features import (  # noqa: E402
    LabelledTexts,
    features_of_texts,
    mean_hidden_states,
    read_labelled_texts,
    read_texts,
    whitening_of,
)
from unlearners.tabular import forget_rows, train_tabular  # noqa: E402


@pytest.fixture(scope="module")
def backbone():
    """Make a tiny model with random weights."""
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=50, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2
    )
    return transformers.LlamaModel(config)


def test_texts_are_read_with_labels_and_ids(tmp_path):
    """Lines without an id are called by their place."""
    rows = [{"text": "a", "label": "x", "id": "first"}, {"text": "b", "label": "y"}]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n\n", encoding="utf-8")
    read = read_labelled_texts(tmp_path / "t.jsonl")
    assert (("a", "b"), ("x", "y"), ("first", "1")) == (read.texts, read.labels, read.ids)


@pytest.mark.parametrize(
    ("line", "words"),
    [("{", "not JSON"), ('{"text": "a"}', "'label' is missing"), ('{"text": 1}', "must be a text")],
)
def test_an_unusable_line_is_named(tmp_path, line, words):
    """With what is wrong."""
    (tmp_path / "t.jsonl").write_text('{"text": "a", "label": "x"}\n' + line, encoding="utf-8")
    with pytest.raises(ValueError, match=f"line 2: .*{words}"):
        read_labelled_texts(tmp_path / "t.jsonl")


def test_a_row_depends_on_its_own_text_alone(backbone):
    """Whatever else is encoded beside it, bit by bit."""
    alone = mean_hidden_states(backbone, [[1, 2, 3]])
    beside = mean_hidden_states(backbone, [[4], [1, 2, 3], [5, 6, 7, 8, 9]])
    assert alone[0].tobytes() == beside[1].tobytes()
    assert (3, 16) == beside.shape


def test_a_text_without_tokens_is_refused(backbone):
    """It has no mean."""
    with pytest.raises(ValueError, match="text 1 has no tokens"):
        mean_hidden_states(backbone, [[1], []])


def test_the_head_of_a_frozen_model_learns_and_forgets_under_a_certificate(backbone):
    """Three classes of texts by their first token."""
    rng = np.random.default_rng(0)
    labels = np.arange(90) % 3
    tokens = [[int(label), *rng.integers(40, 50, 2)] for label in labels]
    features = mean_hidden_states(backbone, tokens)
    data = Dataset(features, labels, ("a", "b", "c")).with_unit_rows()
    settings = LangevinSettings(1.0, 1e-3, 0.02, 30, 0.01, 60)
    one = Langevin(data, settings)
    done = one.unlearn(one.train(seed=0), [ForgetRequest((5,))])
    scores = (data.features @ done.model.weights.T)[:, None]
    assert np.mean(one.loss.predictions(scores)[:, 0] == labels) > 0.8
    assert isinstance(done.certificate.promise, Indistinguishable)
    assert (0.51, 2**0.5) == (one.process.smoothness, one.process.clip)


def test_whitening_spreads_public_features_evenly():
    """Their mean becomes 0 and their variance 1 in each direction, but for those with next to none."""
    rng = np.random.default_rng(0)
    public = rng.standard_normal((5000, 3)) * (4.0, 1.0, 1e-6) + 7
    white = whitening_of(public)(public)
    assert np.zeros(3) == pytest.approx(white.mean(axis=0), abs=1e-9)
    assert [0.0, 1.0, 1.0] == pytest.approx(sorted(np.var(white, axis=0)), abs=0.02)
    with pytest.raises(ValueError, match="at least two public texts"):
        whitening_of(public[:1])


def test_a_texts_features_depend_on_it_and_the_public_texts_alone(checkpoint):
    """And have norm 1, whitened or not."""
    rows = LabelledTexts(("Ada makes lamps.", "Bo makes ropes.", "Eve"), ("x", "y", "x"), ("0", "1", "2"))
    fewer = LabelledTexts(rows.texts[:2], rows.labels[:2], rows.ids[:2])
    for public in ((), ("Cleo makes bells.", "Dan makes maps.", "June")):
        whole, part = (features_of_texts(checkpoint, some, public=public).features for some in (rows, fewer))
        assert whole[:2] == pytest.approx(part, abs=1e-12)
        assert np.linalg.norm(whole, axis=1) == pytest.approx(1)


def test_texts_are_learned_and_forgotten_from_files(tmp_path, checkpoint):
    """A classifier on a frozen chat model, whitened by public texts; a changed public file is refused."""
    names = ("Ada", "Bo", "Cleo", "Dan")
    rows = [
        {"text": f"{names[n % 4]} makes lamps {n}.", "label": "early" if n % 4 < 2 else "late", "id": f"t{n}"}
        for n in range(80)
    ]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    public = tmp_path / "p.jsonl"
    public.write_text("\n".join(json.dumps({"text": f"{n} makes ropes."}) for n in names * 3), encoding="utf-8")
    assert 12 == len(read_texts(public))
    train_tabular(
        "langevin",
        tmp_path / "t.jsonl",
        tmp_path / "one",
        backbone=checkpoint,
        public=public,
        settings={"sigma": 0.05, "batch": 20, "training_epochs": 20},
    )
    done = forget_rows(tmp_path / "one", tmp_path / "t.jsonl", ["t5"], tmp_path / "two")
    assert ([(5,)], 32) == ([served.rows for served in done.served], done.data.features)
    public.write_text('{"text": "a"}\n{"text": "b"}', encoding="utf-8")
    with pytest.raises(ValueError, match="what makes features is another"):
        forget_rows(tmp_path / "one", tmp_path / "t.jsonl", ["t5"], tmp_path / "three")
