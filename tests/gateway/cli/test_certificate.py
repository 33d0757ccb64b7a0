"""`lethe certificate` on the certificates of unlearners."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from typer.testing import CliRunner

from gateway.cli import app
from unlearners.certificate import UnlearningCertificate, sealed
from unlearners.data import Dataset
from unlearners.langevin.settings import LangevinSettings
from unlearners.langevin.unlearner import Langevin
from unlearners.promise import Indistinguishable
from unlearners.protocol import ForgetRequest


def says(*arguments: str | Path) -> Result:
    """Run `lethe certificate …`."""
    return CliRunner().invoke(app, ["certificate", *map(str, arguments)])


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Forget a row of small data, and keep the certificate as an unlearner's directory has it."""
    random = np.random.default_rng(0)
    features = random.normal(size=(40, 3))
    data = Dataset(features / np.linalg.norm(features, axis=1, keepdims=True), np.arange(40) % 2, ("a", "b"))
    settings = LangevinSettings(
        epsilon=1, delta=0.01, sigma=0.1, batch=10, convexity=0.1, training_epochs=3, radius=10
    )
    unlearner = Langevin(data, settings)
    done = unlearner.unlearn(unlearner.train(seed=0), [ForgetRequest((7,))])
    path = tmp_path / "forgetting" / "unlearning.json"
    path.parent.mkdir()
    path.write_text(done.certificate.to_json())
    return path


def edited(path: Path, **changes: object) -> Path:
    """Write the certificate with other fields beside it, its id as it was."""
    other = path.with_name("edited.json")
    other.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return other


def test_show_says_in_words_what_an_unlearner_promises(certificate: Path) -> None:
    """The file and the directory it lies in are read alike."""
    shown = says("show", certificate)
    assert (0, shown.output) == (
        says("show", certificate.parent).exit_code,
        says("show", certificate.parent).output,
    )
    assert "(1, 0.01)-indistinguishable from retraining" in shown.output
    assert "Forgotten: 1 row in 1 request" in shown.output


def test_verify_computes_an_unlearning_promise_again(certificate: Path) -> None:
    """Exit code 0 and a sentence."""
    checked = says("verify", certificate)
    assert (0, True) == (checked.exit_code, "its promise follows from its parameters" in checked.output)


def test_a_promise_that_does_not_follow_is_unsound(certificate: Path) -> None:
    """Sealed anew with a stronger promise: exit code 4, not 2."""
    whole = UnlearningCertificate.from_json(certificate.read_text())
    bold = sealed(replace(whole, promise=Indistinguishable(0.001, 0.01, "deletion", "tight")))
    certificate.write_text(bold.to_json())
    checked = says("verify", certificate)
    assert (4, True) == (checked.exit_code, "not sound: " in checked.stderr)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"method": "other"}, "edited.json: not a usable unlearning certificate: its content does not match"),
        ({"schema": "lethe.unlearning-certificate/9"}, "this version reads"),
        ({"schema": "lethe.certificate/9"}, "this version reads 'lethe.certificate/1'"),
        ({"schema": "somebody.else/1"}, "'lethe.certificate/1' and 'lethe.unlearning-certificate/1'"),
        ({"schema": 7}, "not a usable certificate"),
    ],
)
def test_a_file_that_is_no_certificate_of_this_version_is_refused(
    certificate: Path, changes: dict[str, object], complaint: str
) -> None:
    """One line that says what this version reads, from every command."""
    other = edited(certificate, **changes)
    for command in ("show", "verify", "activate"):
        refused = says(command, other)
        assert (2, True) == (refused.exit_code, complaint in refused.stderr), refused.stderr
        assert 1 == len(refused.stderr.splitlines())


def test_a_certificate_about_weights_is_not_activated(certificate: Path) -> None:
    """What to do instead is said."""
    refused = says("activate", certificate)
    assert (2, True) == (refused.exit_code, "lethe backends add" in refused.stderr)


def test_a_directory_without_a_certificate_is_named(tmp_path: Path) -> None:
    """The file that is looked for is in the message."""
    refused = says("show", tmp_path)
    assert (2, True) == (refused.exit_code, "unlearning.json" in refused.stderr)


def test_reading_a_certificate_needs_no_torch(certificate: Path) -> None:
    """Whoever checks needs no training stack: torch cannot even be imported here."""
    code = "import sys; sys.modules['torch'] = None; from gateway.cli import main; main()"
    words = ("certificate", "verify", str(certificate))
    assert 0 == subprocess.run([sys.executable, "-c", code, *words], check=False).returncode
