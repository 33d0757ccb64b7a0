"""Embeddings: both engines agree, padding changes nothing, nothing is cut off, and what is unknown is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from transformers import AutoModel

from verifiers.embedding.embedder import SentenceEmbedder, TooManyWindows, check_company
from verifiers.embedding.layout import read_layout
from verifiers.embedding.opening import open_embedder
from verifiers.embedding.pooling import POOLINGS, pool

TEXTS = ("She was born in Seltal.", "How is bread baked? Mix flour with water and bake it.", "On the coast.", "")


@pytest.fixture(scope="session")
def exported(plain_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The plain encoder as the one ONNX file of a cache."""
    cache = tmp_path_factory.mktemp("exports")
    open_embedder(plain_bert, cache=cache)
    (file,) = cache.iterdir()
    return file


def with_onnx(directory: Path, exported: Path) -> Path:
    """Put the export where the engine looks for it."""
    (directory / "model.onnx").write_bytes(exported.read_bytes())
    return directory


def test_onnx_and_torch_agree(sentence_model, exported):
    """On texts of different lengths in one batch, to 1e-5."""
    onnx = open_embedder(with_onnx(sentence_model, exported), engine="onnx").embed(TEXTS)
    torches = open_embedder(sentence_model, engine="torch").embed(TEXTS)
    np.testing.assert_allclose(torches.vectors, onnx.vectors, atol=1e-5)
    assert torches.owners.tolist() == onnx.owners.tolist()


def test_a_vector_is_what_the_model_and_its_pooling_say(plain_bert):
    """Against transformers itself, one text at a time, averaged over the tokens."""
    tokenizer = Tokenizer.from_file(str(plain_bert / "tokenizer.json"))
    model = AutoModel.from_pretrained(plain_bert).eval()
    embedded = open_embedder(plain_bert, engine="torch").embed(TEXTS[:3])
    for text, vector in zip(TEXTS[:3], embedded.vectors, strict=True):
        with torch.inference_mode():
            hidden = model(input_ids=torch.tensor([tokenizer.encode(text).ids])).last_hidden_state[0]
        mean = hidden.mean(0).numpy()
        np.testing.assert_allclose(mean / np.linalg.norm(mean), vector, atol=1e-5)


@pytest.mark.parametrize("engine", ["onnx", "torch"])
def test_padding_does_not_change_a_vector(sentence_model, exported, engine):
    """Alone, beside longer texts, and in batches of another size."""
    with_onnx(sentence_model, exported)
    together = open_embedder(sentence_model, engine=engine).embed(TEXTS)
    in_pairs = open_embedder(sentence_model, engine=engine, batch=2).embed(TEXTS)
    alone = open_embedder(sentence_model, engine=engine).embed(TEXTS[2:3]).vectors
    np.testing.assert_allclose(alone, together.vectors[together.owners == 2], atol=1e-5)
    np.testing.assert_allclose(in_pairs.vectors, together.vectors, atol=1e-5)


def test_a_long_text_is_read_to_its_end(sentence_model):
    """In windows, each a vector of its text; what comes last makes a difference."""
    embedder = open_embedder(sentence_model, engine="torch")
    long = "Mix flour with water and bake it. " * 6
    embedded = embedder.embed(["On the coast.", long + "She was born in Seltal."])
    assert [0, *[1] * (len(embedded.owners) - 1)] == embedded.owners.tolist()
    assert len(embedded.owners) > 4
    other = embedder.embed([long + "She was born on the coast."])
    assert not np.allclose(embedded.vectors[-1], other.vectors[-1], atol=1e-3)
    with pytest.raises(TooManyWindows, match="2 may be read"):
        embedder.embed([long], most_windows=2)


def test_characters_that_the_model_does_not_know_are_counted(plain_bert):
    """So that a verifier can say that it cannot read."""
    embedder = open_embedder(plain_bert, engine="torch")
    assert (0.0, 1.0) == (embedder.embed(["on the coast"]).unknown, embedder.embed(["Ω Ж"]).unknown)


def test_the_fingerprint_changes_with_weights_pooling_and_length(sentence_model, plain_bert, exported):
    """Whatever could change a vector."""
    found = {open_embedder(plain_bert, engine="torch").fingerprint}
    found.add(open_embedder(sentence_model, engine="torch").fingerprint)
    found.add(open_embedder(with_onnx(sentence_model, exported)).fingerprint)
    (sentence_model / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 17}))
    found.add(open_embedder(sentence_model).fingerprint)
    (sentence_model / "sentence_bert_config.json").write_text(
        json.dumps({"max_seq_length": 17, "do_lower_case": True})
    )
    found.add(open_embedder(sentence_model).fingerprint)
    prompts = {"prompts": {"query": "query: "}, "default_prompt_name": "query"}
    (sentence_model / "config_sentence_transformers.json").write_text(json.dumps(prompts))
    found.add(open_embedder(sentence_model).fingerprint)
    assert 6 == len(found)
    assert open_embedder(sentence_model).fingerprint == open_embedder(sentence_model, batch=2).fingerprint


class Mixing:
    """An engine in which the texts of a batch change each other, as with activations quantised on the fly."""

    fingerprint = "mixing"

    def run(self, ids, mask, types):
        """Scale by what is largest in the batch."""
        hidden = np.stack([ids, ids**2, np.full_like(ids, ids.max())], axis=-1).astype(np.float32)
        return hidden * mask[..., None]


def test_a_model_whose_vectors_depend_on_their_company_may_embed_one_text_at_a_time(plain_bert):
    """Else a statement would be compared differently whenever topics change."""
    layout = read_layout(plain_bert)
    with pytest.raises(ValueError, match="open it with a batch of 1"):
        check_company(SentenceEmbedder(layout, Mixing()))
    check_company(SentenceEmbedder(layout, Mixing(), batch=1))


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("cls", [1.0, 0.0]),
        ("mean", [2.0, 2.0]),
        ("max", [3.0, 4.0]),
        ("mean_sqrt_len_tokens", [2.0, 2.0]),
        ("lasttoken", [3.0, 4.0]),
    ],
)
def test_each_pooling_takes_what_its_name_says(mode, expected):
    """Of two tokens and a padding that must not count; as a direction."""
    hidden = np.array([[[1.0, 0.0], [3.0, 4.0], [50.0, -70.0]]], np.float32)
    pooled = pool(hidden, np.array([[1, 1, 0]]), (mode,))
    np.testing.assert_allclose([np.array(expected) / np.linalg.norm(expected)], pooled, atol=1e-6)
    assert mode in POOLINGS


@pytest.mark.parametrize("hidden", [[[np.nan, 1.0]], [[0.0, 0.0]]])
def test_a_vector_without_a_direction_is_refused(hidden):
    """Its cosine would say nothing."""
    with pytest.raises(FloatingPointError, match="zero or not finite"):
        pool(np.array([hidden], np.float32), np.array([[1]]), ("mean",))


def broken(directory: Path, file: str, content: str) -> Path:
    """Spoil one file of a checkpoint."""
    (directory / file).write_text(content)
    return directory


@pytest.mark.parametrize(
    ("file", "content", "complaint"),
    [
        ("modules.json", '[{"type": "a.Transformer"}, {"type": "a.Dense", "path": "x"}]', "the layer 'Dense'"),
        ("modules.json", '[{"type": "a.Pooling", "path": "1_Pooling"}]', "no transformer"),
        ("modules.json", "{", "cannot be read as JSON"),
        ("1_Pooling/config.json", '{"pooling_mode_weightedmean_tokens": true}', "is not known"),
        ("1_Pooling/config.json", "{}", "is not known"),
        ("config_sentence_transformers.json", '{"default_prompt_name": "a"}', "default prompt"),
        ("modules.json", "{}", "another shape"),
        ("modules.json", "[1]", "another shape"),
        ("config.json", "[]", "another shape"),
        ("model.onnx", "no model", "cannot be loaded"),
    ],
)
def test_a_checkpoint_that_would_be_read_wrongly_is_refused(sentence_model, file, content, complaint):
    """A layer that is left out would give other vectors than the model's."""
    with pytest.raises(ValueError, match=complaint):
        open_embedder(broken(sentence_model, file, content))


def test_a_directory_that_is_none_and_one_without_its_files_are_refused(sentence_model, tmp_path):
    """Saying what to do."""
    with pytest.raises(ValueError, match="there is no embedding model"):
        open_embedder(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"config\.json is missing"):
        open_embedder(tmp_path)
    with pytest.raises(ValueError, match=r"has no model\.onnx"):
        open_embedder(sentence_model)
    (sentence_model / "tokenizer.json").unlink()
    with pytest.raises(ValueError, match="save_pretrained"):
        open_embedder(sentence_model)


def test_newer_pooling_files_are_read_too(sentence_model):
    """One name instead of a flag for each."""
    broken(sentence_model, "1_Pooling/config.json", '{"pooling_mode": "mean"}')
    assert ("mean",) == read_layout(sentence_model).pooling


def test_an_export_is_made_once_and_serving_it_loads_no_torch(sentence_model, exported):
    """Another layout around the same weights finds it in the cache."""
    made = exported.stat().st_mtime_ns
    first = open_embedder(sentence_model, cache=exported.parent)
    code = (
        "import sys; from pathlib import Path; from verifiers.embedding.opening import open_embedder; "
        f"e = open_embedder(Path({str(sentence_model)!r}), cache=Path({str(exported.parent)!r})); "
        "e.embed(['on the coast']); import verifiers.semantic, verifiers.entailment, verifiers.judge; "
        "print(e.fingerprint, sorted({'torch', 'transformers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert f"{first.fingerprint} []" == done.stdout.strip()
    assert ([exported], made) == (list(exported.parent.iterdir()), exported.stat().st_mtime_ns)


def test_a_checkpoint_without_some_of_its_weights_is_refused(plain_bert, tmp_path):
    """They would be made up, differently each time."""
    for file in plain_bert.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 3}))
    with pytest.raises(ValueError, match="lacks weights"):
        open_embedder(tmp_path, engine="torch")
    (tmp_path / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(ValueError, match="cannot be loaded"):
        open_embedder(tmp_path, engine="torch")
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ValueError, match=r"tokenizer .* cannot be loaded"):
        read_layout(tmp_path).tokenizer()
