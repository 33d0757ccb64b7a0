"""A checkpoint's fingerprint changes with every file that its answers depend on."""

from __future__ import annotations

import json

import pytest

from gateway.errors import InvalidInput
from gateway.upstream import checkpoint_files
from gateway.upstream.checkpoint_files import checkpoint_fingerprint


@pytest.fixture
def checkpoint(tmp_path):
    """Lay out files as checkpoints have them, sharded and with an adapter."""
    files = ("config.json", "tokenizer.json", "adapter_config.json", "merges.txt", "sub/a.safetensors")
    (tmp_path / "sub").mkdir()
    for name in files:
        (tmp_path / name).write_text("{}")
    index = {"weight_map": {"w": "sub/a.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    return tmp_path


@pytest.mark.parametrize(
    "name", ["adapter_config.json", "merges.txt", "sub/a.safetensors", "model.safetensors.index.json"]
)
def test_any_file_that_could_matter_counts(checkpoint, name):
    """Shards in folders, adapters and the index too."""
    before = checkpoint_fingerprint(checkpoint)
    (checkpoint / name).write_text('{"weight_map": {}}')
    assert before != checkpoint_fingerprint(checkpoint)


@pytest.mark.parametrize("name", ["unlearning.json", "measured.json", "lethe.json", "README.md"])
def test_what_is_said_about_a_checkpoint_does_not_count(checkpoint, name):
    """A certificate beside it changes no answer."""
    before = checkpoint_fingerprint(checkpoint)
    (checkpoint / name).write_text("more")
    assert before == checkpoint_fingerprint(checkpoint)


@pytest.mark.parametrize("place", ["../other.safetensors", "/tmp/other.safetensors"])
def test_weights_that_lie_elsewhere_are_refused(checkpoint, place):
    """Nobody would see them change."""
    index = {"weight_map": {"w": place}}
    (checkpoint / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(InvalidInput, match="names files outside"):
        checkpoint_fingerprint(checkpoint)


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        *((f"sub/file.{ending}", True) for ending in "safetensors bin pt model jinja json txt py".split()),
        *((name, False) for name in ("unlearning.json", "measured.json", "README.md", "sub/lethe.db", "noted")),
    ],
)
def test_the_unlearners_count_the_same_files(checkpoint, name, counts):
    """Two lists that must stay equal, since neither package may know the other: the certificate names the one
    digest, the backend the other. Only `lethe.json`, which the demo leaves, counts for a certificate alone.
    """
    fingerprint_of = pytest.importorskip("unlearners.language.checkpoint").fingerprint_of
    before = (checkpoint_fingerprint(checkpoint), fingerprint_of(checkpoint))
    (checkpoint / name).write_text("more")
    after = (checkpoint_fingerprint(checkpoint), fingerprint_of(checkpoint))
    assert (counts, counts) == (before[0] != after[0], before[1] != after[1])


def test_no_ending_counts_for_one_alone():
    """Also where one is added to either list."""
    theirs = pytest.importorskip("unlearners.language.checkpoint")
    assert (theirs.ANSWERING, theirs.ABOUT | {"lethe.json"}) == (
        checkpoint_files.ANSWERING,
        checkpoint_files.ABOUT,
    )
