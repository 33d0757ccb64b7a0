"""benchmarks/unlearning_demo.py: arguments that cannot be are refused before any work."""

import pytest
import unlearning_demo
from forgetting.coded import CODED
from forgetting.methods import METHODS

from unlearners.language.run import METHODS as HEURISTICS


def test_an_unknown_method_is_refused_with_the_known_ones(capsys, tmp_path):
    """And nothing is trained."""
    assert 2 == unlearning_demo.main(["--methods", "base,magic", "--cache", str(tmp_path)])
    told = capsys.readouterr().err
    assert "magic" in told
    assert all(method in told for method in METHODS)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("persons", ["0", "-1", "49"])
def test_a_number_of_people_that_there_are_not_is_refused(capsys, tmp_path, persons):
    """48 people share a surname with somebody."""
    assert 2 == unlearning_demo.main(["--persons", persons, "--cache", str(tmp_path)])
    assert "48" in capsys.readouterr().err


def test_every_heuristic_there_is_has_a_row():
    """With the base model, retraining, the control and the certified heads and low-rank updates beside them."""
    assert set(HEURISTICS) < set(METHODS)
    assert {"base", "retrain", "no-noise control", "langevin head (forgotten)", *CODED} < set(METHODS)
