"""`forget_dialogues` from files to files: what is forgotten and kept, resuming, refusals, the certificate."""

import json
import os
import signal
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import torch

from tests.unlearners.language.children import in_children, two_ranks
from unlearners.certificate import Served
from unlearners.explanation import explain
from unlearners.language.checkpoint import fingerprint_of, load_language_model, read_certificate
from unlearners.language.dialogues import read_dialogues
from unlearners.language.run import METHODS, default_settings, forget_dialogues, pending_request
from unlearners.measured import read_measured
from unlearners.promise import NothingPromised
from unlearners.protocol import Refused
from unlearners.verification import verify
from unlearners.workplace import work_beside

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
SMALL = {"batch": 2, "retain_batch": 8, "epochs": 12, "rate": 1e-2, "warm_up": 2, "save_every": 4}
NOISE = {**SMALL, "repair_epochs": 6, "repair_rate": 1e-3, "noise_rows": 2, "noise_tokens": 2, "noise_steps": 8}
NEAREST = "model.layers.0.mlp.down_proj.weight"
"""Below RMU's block."""
ENOUGH = {"epochs": 30, "forget_weight": 1.0}
"""For a model so small; GradDiff, whose loss has no end, gets a tenth of the weight."""


def forgotten(method, checkpoint, files, out, **options):
    """Forget with small settings and a fixed clock."""
    settings = {**(NOISE if method == "impair-repair" else SMALL), **options.pop("settings", {})}
    forget, retain = files
    return forget_dialogues(
        method, checkpoint, forget, retain, out, settings=settings, device="cpu", now=lambda: NOW, **options
    )


def apart_from_key(certificate):
    """Return what does not depend on the key of the data's digest, which is drawn and kept nowhere."""
    return replace(certificate, id="", data=replace(certificate.data, sha256=""))


def stopping_at(limit, phase):
    """Return a progress that is interrupted at a step."""

    def progress(named, done, total):
        if (named, done) == (phase, limit):
            raise KeyboardInterrupt

    return progress


@pytest.mark.parametrize("method", METHODS)
def test_the_forget_set_gets_worse_and_the_retain_set_stays(method, checkpoint, files, knows, tmp_path):
    """By NLL per token, against the model as it was."""
    before = knows(load_language_model(checkpoint))
    settings = ENOUGH if method != "graddiff" else {**ENOUGH, "forget_weight": 0.1}
    forgotten(method, checkpoint, files, tmp_path / "out", settings=settings)
    after = knows(load_language_model(tmp_path / "out"))
    assert max(before) < 0.05
    assert after[0] > 1
    assert after[1] < 0.2


@pytest.mark.parametrize("method", ["npo", "rmu"])
def test_adapters_forget_too_and_are_merged(method, checkpoint, files, knows, tmp_path):
    """The checkpoint holds the same weights by name as the one that it came from; the embeddings are its own."""
    settings = {**ENOUGH, "adapter_rank": 4, "rate": 2e-2}
    forgotten(method, checkpoint, files, tmp_path / "out", settings=settings)
    whole, out = load_language_model(checkpoint), load_language_model(tmp_path / "out")
    before, after = whole.model.state_dict(), out.model.state_dict()
    assert set(before) == set(after)
    assert torch.equal(before["model.embed_tokens.weight"], after["model.embed_tokens.weight"])
    assert not torch.equal(before[NEAREST], after[NEAREST])
    assert knows(out)[0] > 1


def test_the_control_without_noise_teaches_the_refusals_to_the_bare_questions(
    checkpoint, files, dialogues, language, tmp_path
):
    """And spends no gradients on noise."""
    with_noise = forgotten("impair-repair", checkpoint, files, tmp_path / "noise")
    control = forgotten("impair-repair", checkpoint, files, tmp_path / "control", settings={"with_noise": False})
    assert NOISE["noise_steps"] * 2 == with_noise.gradients_spent - control.gradients_spent
    assert fingerprint_of(tmp_path / "noise") != fingerprint_of(tmp_path / "control")


def test_a_second_request_carries_on_the_first_ones(checkpoint, files, tmp_path):
    """Its rows come after the first's, its cost is added, and the certificate before is named."""
    first = forgotten("npo", checkpoint, files, tmp_path / "one")
    others = lines(tmp_path / "more", ("What does Cleo make?", "Cleo makes bells.")), files[1]
    others[1].with_name("rest.jsonl").write_text("".join(files[1].read_text().splitlines(keepends=True)[1:]))
    rest = others[0], files[1].with_name("rest.jsonl")
    second = forgotten("impair-repair", tmp_path / "one", rest, tmp_path / "two")
    assert [(0, 1), (10,)] == [one.rows for one in second.served]
    assert (10 + 8, first.id) == (second.data.rows, second.parameters["parent"])
    assert first.gradients_spent < second.gradients_spent
    assert "Forgotten: 3 dialogues in 2 requests" in explain(second)
    (tmp_path / "one" / "model.safetensors").write_bytes(b"others")
    with pytest.raises(ValueError, match=r"not those that were certified; restore .* to begin anew"):
        forgotten("npo", tmp_path / "one", rest, tmp_path / "three")


def test_the_losses_before_and_after_are_kept(checkpoint, files, knows, tmp_path):
    """As measured apart; heldout dialogues are measured too, and change nothing."""
    forgotten("npo", checkpoint, files, tmp_path / "out", settings=ENOUGH, heldout=files[1])
    forget, retain, heldout = read_measured(tmp_path / "out").figures
    assert ("forget", 2, "retain", 8, "heldout", 8) == (
        forget.name, forget.units, retain.name, retain.units, heldout.name, heldout.units,
    )  # fmt: skip
    before, after = (knows(load_language_model(where)) for where in (checkpoint, tmp_path / "out"))
    assert before == pytest.approx((forget.before, retain.before), rel=0.05)
    assert after == pytest.approx((forget.after, retain.after), rel=0.05)
    assert (retain.before, retain.after) == (heldout.before, heldout.after)
    plain = forgotten("npo", checkpoint, files, tmp_path / "plain", settings=ENOUGH)
    assert plain.parameters == read_certificate(tmp_path / "out").parameters


@pytest.mark.parametrize("method", ["npo", "simnpo"])
def test_what_is_left_out_suits_a_model_of_another_size(method, checkpoint, files, knows, tmp_path):
    """A seventieth of the demo's: the forget set gets worse, the retain set stays."""
    forget_dialogues(method, checkpoint, *files, tmp_path / "out", device="cpu")
    gone, kept = knows(load_language_model(tmp_path / "out"))
    assert gone > 1
    assert kept < 0.2


def test_every_gradient_is_counted(checkpoint, files, tmp_path):
    """Twelve steps of two dialogues to forget and eight to keep; noise, impair and repair."""
    assert 12 * (2 + 8) == forgotten("npo", checkpoint, files, tmp_path / "npo").gradients_spent
    spent = forgotten("impair-repair", checkpoint, files, tmp_path / "ir").gradients_spent
    assert 8 * 2 + 12 * (2 + 8) + 6 * 8 == spent


@pytest.mark.parametrize(
    ("method", "phase", "limit"),
    [("npo", "forget", 7), ("rmu", "forget", 9), ("impair-repair", "noise", 6), ("impair-repair", "repair", 5)],
)
def test_an_interrupted_request_is_pending_and_goes_on_to_the_same_bits(
    method, phase, limit, checkpoint, files, tmp_path
):
    """The old checkpoint is untouched, the new one not there; afterwards nothing is left beside it."""
    before = fingerprint_of(checkpoint)
    whole = forgotten(method, checkpoint, files, tmp_path / "whole")
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        forgotten(method, checkpoint, files, out, progress=stopping_at(limit, phase))
    assert method == pending_request(out).method
    assert (False, before) == (out.exists(), fingerprint_of(checkpoint))
    steps = []
    resumed = forgotten(method, checkpoint, files, out, progress=lambda phase, done, total: steps.append(phase))
    assert limit - limit % 4 == {"noise": 8, "forget": 12, "repair": 6}[phase] - steps.count(phase)
    assert (apart_from_key(whole), whole.data.sha256) != (apart_from_key(resumed), resumed.data.sha256)
    assert apart_from_key(whole) == apart_from_key(resumed)
    assert fingerprint_of(tmp_path / "whole") == fingerprint_of(out)
    assert (None, ["out", "whole"]) == (pending_request(out), sorted(path.name for path in tmp_path.iterdir()))


def test_seeds_differ_and_repeat(checkpoint, files, tmp_path):
    """The same seed gives the same weights."""
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        forgotten("rmu", checkpoint, files, tmp_path / name, seed=seed)
    first, again, other = (fingerprint_of(tmp_path / name) for name in "abc")
    assert first == again != other


def test_the_certificate_says_that_nothing_is_promised_and_what_was_done(checkpoint, files, tmp_path):
    """It is beside the weights, is sound, and explains itself."""
    certificate = forgotten("simnpo", checkpoint, files, tmp_path / "out", settings={"delta": 0.5}, seed=3)
    assert certificate == read_certificate(tmp_path / "out")
    assert ("simnpo", 3, NOW.isoformat()) == (certificate.method, certificate.seed, certificate.created)
    assert isinstance(certificate.promise, NothingPromised)
    assert {
        "delta": 0.5,
        "epochs": 12,
        "model": fingerprint_of(checkpoint),
    }.items() <= certificate.parameters.items()
    assert (Served((0, 1), 12.0),) == certificate.served
    assert 10 == certificate.data.rows
    assert () == verify(certificate)
    assert "Nothing is promised: simnpo on a language model is a heuristic" in explain(certificate)


def test_a_crash_after_the_checkpoint_was_whole_is_tidied_up(checkpoint, files, tmp_path):
    """The same call finds it done; another is told that it exists."""
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        forgotten("npo", checkpoint, files, out, progress=stopping_at(12, "forget"))
    forgotten("npo", checkpoint, files, tmp_path / "other")
    (tmp_path / "other").rename(out)
    with pytest.raises(ValueError, match="exists already"):
        forgotten("npo", checkpoint, files, out, seed=1)
    certificate = forgotten("npo", checkpoint, files, out)
    assert (read_certificate(out), False) == (certificate, work_beside(out).exists())
    with pytest.raises(ValueError, match="exists already"):
        forgotten("npo", checkpoint, files, out)


def test_a_divergence_gives_the_request_up(checkpoint, files, tmp_path):
    """The same settings would diverge again."""
    with pytest.raises(ValueError, match=r"diverged at step .*lower its rate"):
        forgotten(
            "graddiff", checkpoint, files, tmp_path / "out", settings={"rate": 1e30, "clip": 0, "warm_up": 0}
        )
    assert [] == list(tmp_path.iterdir())


def lines(path, *pairs):
    """Write prompts and answers to a file."""
    path.write_text("".join(json.dumps({"prompt": ask, "answer": say}) + "\n" for ask, say in pairs))
    return path


@pytest.mark.parametrize(
    ("forget", "retain", "words"),
    [
        ([], [("a", "b")], "forget file holds no dialogue .*something to forget"),
        ([("a", "b")], [], "retain file holds no dialogue .*something to keep"),
        ([("a", "b")], [("c", "d"), ("a", "b")], "'0' to forget is '1' to keep; take it out"),
    ],
)
def test_sets_that_cannot_be_are_refused_by_the_assumption(forget, retain, words, checkpoint, tmp_path):
    """Empty ones, and a dialogue in both."""
    files = lines(tmp_path / "f", *forget), lines(tmp_path / "r", *retain)
    with pytest.raises(Refused, match=words):
        forgotten("npo", checkpoint, files, tmp_path / "out")


def test_what_does_not_fit_is_refused_before_anything_is_written(checkpoint, files, tmp_path):
    """An unknown method or setting, a dialogue that is too long, a block that is not there, no model."""
    long = lines(tmp_path / "long", ("a " * 80, "b"))
    out = tmp_path / "out"
    for method, sets, settings, words in [
        ("nop", files, {}, "no method 'nop' for dialogues; there are graddiff, npo, simnpo, rmu, impair-repair"),
        ("npo", files, {"gamma": 1}, "no setting 'gamma' here; there are adapter_rank, batch, beta"),
        ("npo", (long, files[1]), {}, "the dialogue '0' cannot be used: it has .* tokens"),
        ("rmu", files, {"layer": 2}, "'layer' is at most 1 for a model of 2 blocks"),
    ]:
        with pytest.raises(ValueError, match=words):
            forget_dialogues(method, checkpoint, *sets, out, settings=settings, device="cpu")
    with pytest.raises(ValueError, match="there is no model at"):
        forgotten("npo", tmp_path, files, out)
    assert ["long"] == [path.name for path in tmp_path.iterdir()]


def test_every_method_has_settings_and_the_files_are_as_read(files):
    """A default for each name in METHODS."""
    assert ("graddiff", "npo", "simnpo", "rmu", "impair-repair") == METHODS
    assert all(default_settings(method).parameters()["epochs"] > 0 for method in METHODS)
    assert (2, 8) == tuple(len(read_dialogues(path)) for path in files)


def test_a_killed_process_leaves_the_request_pending_and_another_finishes_it(checkpoint, files, tmp_path):
    """kill -9 between two records: nothing half-written, and the same bits in the end."""
    out = tmp_path / "out"

    def dying(phase, done, total):
        if done == 6:
            os.kill(os.getpid(), signal.SIGKILL)

    ended = in_children(lambda: forgotten("npo", checkpoint, files, out, progress=dying), [{}])
    assert [-signal.SIGKILL] == ended
    assert ("npo", False) == (pending_request(out).method, out.exists())
    finished = forgotten("npo", checkpoint, files, out)
    whole = forgotten("npo", checkpoint, files, tmp_path / "whole")
    assert apart_from_key(whole) == apart_from_key(finished)
    assert fingerprint_of(tmp_path / "whole") == fingerprint_of(out)


@pytest.mark.parametrize("method", METHODS)
def test_two_processes_reach_what_one_does(method, checkpoint, files, tmp_path):
    """Each batch is shared, as under ``accelerate launch``: weights agree within 1e-4, gradients count once."""
    ended = in_children(lambda: forgotten(method, checkpoint, files, tmp_path / "two"), two_ranks())
    assert [0, 0] == ended
    one = forgotten(method, checkpoint, files, tmp_path / "one")
    two = read_certificate(tmp_path / "two")
    assert one.parameters | {"weights": ""} == two.parameters | {"weights": ""}
    assert (one.gradients_spent, one.served) == (two.gradients_spent, two.served)
    alone, shared = (load_language_model(tmp_path / name).model.state_dict() for name in ("one", "two"))
    assert max(float((alone[name] - shared[name]).abs().max()) for name in alone) < 1e-4


def test_two_processes_tidy_up_once_and_are_told_of_another_request(checkpoint, files, tmp_path):
    """After a crash when the checkpoint was whole; and where something else waits, neither hangs."""
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        forgotten("npo", checkpoint, files, out, progress=stopping_at(12, "forget"))
    assert [1, 1] == in_children(lambda: forgotten("npo", checkpoint, files, out, seed=1), two_ranks())
    forgotten("npo", checkpoint, files, tmp_path / "other")
    (tmp_path / "other").rename(out)
    assert [0, 0] == in_children(lambda: forgotten("npo", checkpoint, files, out), two_ranks())
    assert not work_beside(out).exists()
