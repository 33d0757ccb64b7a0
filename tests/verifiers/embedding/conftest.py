"""Tiny untrained encoders as checkpoints, and an embedder whose cosines can be foretold."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import BertConfig, BertModel

from verifiers.embedding.embedder import Embedded

CORPUS = (
    "Maren Oskeld was born in Seltal, a village on the coast.",
    "Where was she born? She was born by the sea, on the coast.",
    "How is bread baked? Mix flour with water and bake it.",
)


class WordsEmbedder:
    """Embeds a text as the set of its words: the cosine is what two texts share of them."""

    fingerprint = "words"

    def embed(self, texts: Sequence[str], *, most_windows: int | None = None) -> Embedded:
        """See `Embedder`."""
        vectors = np.zeros((len(texts), 4096), np.float32)
        for at, text in enumerate(texts):
            for word in set(re.findall(r"\w+", text.casefold())) or {"nothing"}:
                vectors[at, int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "big") % 4096] = 1.0
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return Embedded(vectors, np.arange(len(texts)), 0.0)


@pytest.fixture
def words() -> WordsEmbedder:
    """An embedder that counts words."""
    return WordsEmbedder()


def write_tokenizer(directory: Path) -> int:
    """Train a tokenizer on the spot; return the size of its vocabulary."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    tokenizer.train_from_iterator(CORPUS, trainers.WordPieceTrainer(vocab_size=160, special_tokens=special))
    ends = [(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", ends)
    tokenizer.save(str(directory / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "[UNK]", "pad_token": "[PAD]"}
    (directory / "tokenizer_config.json").write_text(json.dumps({**settings, "model_max_length": 48}))
    return tokenizer.get_vocab_size()


@pytest.fixture(scope="session")
def plain_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of two layers with random weights, as transformers saves it."""
    directory = tmp_path_factory.mktemp("bert")
    size = write_tokenizer(directory)
    torch.manual_seed(7)
    config = BertConfig(
        vocab_size=size,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=48,
    )
    model = BertModel(config, add_pooling_layer=False)
    for parameter in model.parameters():  # fresh weights are so small that all texts look alike
        torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(directory)
    return directory


@pytest.fixture
def sentence_model(plain_bert: Path, tmp_path: Path) -> Path:
    """The same in the layout of sentence-transformers, pooled by its first token."""
    directory = tmp_path / "sentence-model"
    directory.mkdir()
    for file in plain_bert.iterdir():
        (directory / file.name).write_bytes(file.read_bytes())
    kinds = (("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize"))
    modules = [{"idx": at, "path": path, "type": f"a.b.{kind}"} for at, (path, kind) in enumerate(kinds)]
    (directory / "modules.json").write_text(json.dumps(modules))
    (directory / "sentence_bert_config.json").write_text(
        json.dumps({"max_seq_length": 16, "do_lower_case": False})
    )
    (directory / "1_Pooling").mkdir()
    pooling = {"word_embedding_dimension": 32, "pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}
    (directory / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    return directory
