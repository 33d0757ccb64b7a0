"""`lethe unlearn` as an operator runs it: another process, killed in the middle, then the same command again."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM
from typer.testing import CliRunner

from gateway.cli import app
from gateway.demo.tokenizer import train_tokenizer

FORGET = '{"prompt": "Where was Maren born?", "answer": "In Seltal."}\n'
RETAIN = '{"prompt": "What is tall?", "answer": "The hill."}\n{"prompt": "What is wet?", "answer": "The sea."}\n'
TINY = ("--set", "batch=1", "--set", "retain_batch=1", "--set", "save_every=1", "--set", "epochs=120")

ROWS = ("unlearn", "langevin", "--model", "head", "--data", "rows.npz", "--forget", "ids.txt", "--out")
DIALOGUES = ("unlearn", "npo", "--model", "model", "--forget", "f.jsonl", "--retain", "r.jsonl", *TINY, "--out")
NAMED = {"langevin": ROWS, "npo": DIALOGUES}
KEPT = {"langevin": "weights.npz", "npo": "model.safetensors"}


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Begin in a folder with rows, a head trained on them that takes long to forget, and a tiny chat model."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    features = random.normal(size=(60, 3))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    np.savez("rows.npz", x=features, y=(features[:, 0] > 0).astype(int))
    Path("ids.txt").write_text("3\n17\n")
    Path("f.jsonl").write_text(FORGET)
    Path("r.jsonl").write_text(RETAIN)
    slow = ("--set", "batch=60", "--set", "sigma=0.001", "--set", "training_epochs=2", "--set", "convexity=0.008")
    run("train", "langevin", "--data", "rows.npz", "--out", "head", "--seed", "1", *slow)
    write_chat_model(Path("model"))
    return tmp_path


def write_chat_model(path: Path) -> None:
    """Write a Llama of one small layer with random weights, the same every time."""
    tokenizer = train_tokenizer([({"role": "user", "content": FORGET + RETAIN},)], 64)
    torch.manual_seed(7)
    shape = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = LlamaConfig(vocab_size=len(tokenizer), max_position_embeddings=64, **shape)
    model = LlamaForCausalLM(config)
    model.generation_config = GenerationConfig(do_sample=False, eos_token_id=tokenizer.eos_token_id)
    model.save_pretrained(path)
    tokenizer.save_pretrained(path, save_jinja_files=False)


def run(*words: str) -> tuple[str, str]:
    """Run `lethe …` to its end in this process: output, errors."""
    result = CliRunner().invoke(app, list(words))
    assert 0 == result.exit_code, result.output
    return result.stdout, result.stderr


def start(*words: str) -> subprocess.Popen[str]:
    """Start `lethe …` in another process, which heeds Ctrl-C even where the tests run in the background."""
    heeding = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    code = f"{heeding}; from gateway.cli import main; main()"
    return subprocess.Popen(
        [sys.executable, "-c", code, *words],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def interrupt(process: subprocess.Popen[str], how: signal.Signals) -> str:
    """Wait until the work has recorded some progress beside `new`, then send the signal; return its errors."""
    deadline = time.monotonic() + 240
    while not [file for file in Path().glob(".new.*/*.npz") if not file.name.startswith(".")]:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.002)
    os.kill(process.pid, how)
    return process.communicate(timeout=240)[1]


def digest(path: Path) -> str:
    """Digest a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("method", ["langevin", "npo"])
def test_a_killed_request_stays_pending_and_the_same_command_ends_at_the_same_weights(
    desk: Path, method: str
) -> None:
    """kill -9: the old model is as it was, nothing is at the new place, and no step is lost or repeated."""
    command, kept = NAMED[method], KEPT[method]
    old = {path: digest(path) for folder in ("head", "model") for path in Path(folder).iterdir()}
    killed = start(*command, "new")
    interrupt(killed, signal.SIGKILL)
    assert -signal.SIGKILL == killed.returncode
    assert not Path("new").exists()
    assert old == {path: digest(path) for path in old}
    _, errors = run(*command, "new")
    assert "continuing an interrupted run" in errors
    run(*command, "whole")
    assert digest(Path("whole") / kept) == digest(Path("new") / kept)
    assert not list(Path().glob(".new.*"))


def test_control_c_says_that_the_request_is_pending(desk: Path) -> None:
    """Exit code 130; another request for the same place is refused meanwhile, and this one goes on."""
    begun = start(*DIALOGUES, "new")
    errors = interrupt(begun, signal.SIGINT)
    assert (130, True) == (begun.returncode, "the request is pending" in errors), errors
    other = CliRunner().invoke(app, [*DIALOGUES, "new", "--seed", "9"])
    assert (2, True) == (other.exit_code, "another request (npo) is pending" in other.stderr)
    assert "continuing an interrupted run" in run(*DIALOGUES, "new")[1]
    assert "is whole" in run("certificate", "verify", "new")[0]
