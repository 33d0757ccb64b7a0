"""A tiny Llama with random weights, for the tests of the upstream that runs one in process."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

from gateway.demo.tokenizer import train_tokenizer
from gateway.upstream.transformers import TransformersUpstream

CONTEXT = 256


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama of two small layers, random but the same every time."""
    path = tmp_path_factory.mktemp("tiny")
    words = "who where when the lampmaker was born in seltal and keeps a newt all about it please " * 3
    tokenizer = train_tokenizer([({"role": "user", "content": words},)], CONTEXT)
    torch.manual_seed(7)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=CONTEXT,
        initializer_range=0.4,
        tie_word_embeddings=True,
    )
    model = LlamaForCausalLM(config)
    model.generation_config = GenerationConfig(do_sample=False, eos_token_id=tokenizer.eos_token_id)
    model.save_pretrained(path)
    tokenizer.save_pretrained(path, save_jinja_files=False)
    return path


@pytest.fixture
async def upstream(checkpoint: Path):
    """The upstream under test, closed afterwards."""
    opened = TransformersUpstream(checkpoint, name="tiny", seed=3)
    yield opened
    await opened.aclose()
