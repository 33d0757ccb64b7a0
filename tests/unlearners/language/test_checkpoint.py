"""A saved language model: whole, unchanged beside its weights, equal to the bit, and with its certificate."""

import pytest
import torch
from transformers import AutoTokenizer

from unlearners.certificate import DataSeen, UnlearningCertificate, Unlimited, sealed
from unlearners.language.checkpoint import (
    fingerprint_of,
    load_language_model,
    read_certificate,
    save_language_model,
)
from unlearners.language.encoding import batch_of, encode_dialogue
from unlearners.language.objectives import logits_of
from unlearners.promise import NothingPromised

CERTIFICATE = sealed(
    UnlearningCertificate(
        "", "2026-01-31T12:00:00Z", "npo", NothingPromised("a heuristic"), DataSeen("0", 1, 1), {}, (), (),
        Unlimited(""), 0, 0, 0,
    )
)  # fmt: skip


def logits(language, dialogues):
    """Return the logits for all dialogues."""
    batch = batch_of([encode_dialogue(language.tokenizer, one, 64) for one in dialogues], torch.device("cpu"))
    with torch.no_grad():
        return logits_of(language.model, batch)


def test_what_is_saved_loads_to_identical_logits(language, dialogues, tmp_path):
    """After a change of the weights, so that they are not the source's."""
    with torch.no_grad():
        language.model.lm_head.weight.mul_(1.25)
    written = save_language_model(language, tmp_path / "out", CERTIFICATE)
    loaded = load_language_model(tmp_path / "out")
    assert torch.equal(logits(language, dialogues), logits(loaded, dialogues))
    assert written == read_certificate(tmp_path / "out")


def test_all_beside_the_weights_is_copied_as_it_is(language, checkpoint, tmp_path):
    """So that whatever served the one serves the other; no template file appears where there was none."""
    save_language_model(language, tmp_path / "out", CERTIFICATE)
    before = {file.name: file.read_bytes() for file in checkpoint.iterdir()}
    after = {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()}
    assert {"unlearning.json"} == set(after) - set(before)
    assert before == {name: after[name] for name in before}


def test_a_template_in_a_file_of_its_own_is_kept(language, checkpoint, tmp_path):
    """As newer checkpoints have it."""
    source = tmp_path / "source"
    language.model.save_pretrained(source)
    language.tokenizer.save_pretrained(source)
    assert (source / "chat_template.jinja").exists()
    save_language_model(load_language_model(source), tmp_path / "out", CERTIFICATE)
    assert language.tokenizer.chat_template == AutoTokenizer.from_pretrained(tmp_path / "out").chat_template


def test_numbers_are_stored_as_wide_as_they_were(language, tmp_path):
    """16 bits on disk are 32 in memory, and 16 on disk again."""
    source = tmp_path / "source"
    language.model.to(torch.bfloat16).save_pretrained(source)
    language.tokenizer.save_pretrained(source, save_jinja_files=False)
    loaded = load_language_model(source)
    assert (torch.bfloat16, torch.float32) == (loaded.stored, loaded.model.dtype)
    save_language_model(loaded, tmp_path / "out", CERTIFICATE)
    assert fingerprint_of(source) == fingerprint_of(tmp_path / "out")
    assert torch.float32 == loaded.model.dtype


def test_what_is_served_is_never_written_over(language, checkpoint):
    """An existing directory is refused and left as it is."""
    before = fingerprint_of(checkpoint)
    with pytest.raises(ValueError, match="exists already"):
        save_language_model(language, checkpoint, CERTIFICATE)
    assert before == fingerprint_of(checkpoint)


def test_a_directory_without_a_usable_model_is_told(language, tmp_path):
    """Nothing there; a tokenizer without a template; no certificate."""
    with pytest.raises(ValueError, match=r"there is no model at .*config\.json"):
        load_language_model(tmp_path)
    language.model.save_pretrained(tmp_path / "bare")
    language.tokenizer.chat_template = None
    language.tokenizer.save_pretrained(tmp_path / "bare")
    with pytest.raises(ValueError, match="no chat template; give it one"):
        load_language_model(tmp_path / "bare")
    (tmp_path / "bare" / "config.json").write_text("{}")
    with pytest.raises(ValueError, match="cannot be loaded"):
        load_language_model(tmp_path / "bare")
    with pytest.raises(ValueError, match="cannot read the certificate"):
        read_certificate(tmp_path / "bare")


def test_a_certificate_beside_other_weights_is_refused(language, tmp_path):
    """It names the weights that it was written with, and is found out beside a changed or a further file."""
    save_language_model(language, tmp_path / "one", CERTIFICATE)
    language.model.lm_head.weight.data.mul_(1.25)
    save_language_model(language, tmp_path / "two", CERTIFICATE)
    own = (tmp_path / "two" / "unlearning.json").read_text()
    (tmp_path / "two" / "unlearning.json").write_text((tmp_path / "one" / "unlearning.json").read_text())
    with pytest.raises(ValueError, match="not those that were certified"):
        read_certificate(tmp_path / "two")
    (tmp_path / "two" / "unlearning.json").write_text(own)
    assert own == read_certificate(tmp_path / "two").to_json()
    (tmp_path / "two" / "extra.bin").write_bytes(b"x")
    with pytest.raises(ValueError, match="not those that were certified"):
        read_certificate(tmp_path / "two")
