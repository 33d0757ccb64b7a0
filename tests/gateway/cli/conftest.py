"""Small data as files, and somebody at a terminal in their folder."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from typer.testing import CliRunner

from gateway.cli import app
from unlearners.certificate import UnlearningCertificate


class Terminal:
    """An operator in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, command: str) -> Result:
        """Run `lethe …`; words in braces are paths in the folder."""
        words = [
            str(self.folder / word[1:-1]) if word.startswith("{") and word.endswith("}") else word
            for word in command.split()
        ]
        return CliRunner().invoke(app, words, env={"COLUMNS": "200"})

    def done(self, command: str) -> str:
        """Run a command that succeeds, and return what it printed."""
        result = self(command)
        assert 0 == result.exit_code, result.output
        return result.stdout

    def refused(self, command: str) -> str:
        """Run a command that is refused, and return the one line that it printed."""
        result = self(command)
        assert (2, "", 1) == (result.exit_code, result.stdout, len(result.stderr.splitlines())), result.output
        return result.stderr

    def write(self, name: str, text: str) -> None:
        """Write a file."""
        (self.folder / name).write_text(text, encoding="utf-8")

    def certificate(self, name: str) -> UnlearningCertificate:
        """Read the certificate in a directory."""
        return UnlearningCertificate.from_json((self.folder / name / "unlearning.json").read_text())

    def weights(self, name: str) -> list[list[float]]:
        """Read the published weights in a directory."""
        with np.load(self.folder / name / "weights.npz") as stored:
            return stored["weights"].tolist()


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    """Begin with 60 people in three features, in a CSV file and as .npz."""
    random = np.random.default_rng(0)
    features = random.normal(size=(60, 3))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    labels = np.where(features[:, 0] > 0, "yes", "no")
    for name, rows in (("people.csv", features), ("long.csv", 3 * features)):
        with (tmp_path / name).open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("person", "a", "b", "c", "answer"))
            writer.writerows((f"p{i}", *row, labels[i]) for i, row in enumerate(rows.tolist()))
    np.savez(tmp_path / "people.npz", x=features, y=labels)
    return Terminal(tmp_path)


def lines(*objects: dict[str, object]) -> str:
    """Write JSON Lines."""
    return "".join(json.dumps(one) + "\n" for one in objects)
