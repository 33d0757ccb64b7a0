"""The verifiers as the operator wants them, or a sentence that says what is missing."""

from __future__ import annotations

import pytest

from gateway.errors import InvalidInput
from gateway.panel import open_panel
from gateway.settings import given_settings
from gateway.settings_reading import read_settings
from verifiers.learned import LearnedModel, write_learned
from verifiers.lexical import Lexical

JUDGE = {"judge_url": "http://127.0.0.1:9/v1", "judge_model": "m"}


def names(verifiers):
    """Their names, in order."""
    return [verifier.name for verifier in verifiers]


def test_the_verifiers_are_the_operators_and_none_judges_twice():
    """One that judges everything is not screened as well."""
    settings = given_settings(verifiers=("facts",), screened_verifiers=("facts", "verbatim"))
    with open_panel(settings) as panel:
        assert (["facts"], ["verbatim"]) == (names(panel.cheap), names(panel.screened))


def test_a_judge_is_asked_only_in_doubt_where_the_operator_says_so():
    """Both kinds of conversation go through the cascade, whose band the fingerprint covers."""
    with open_panel(given_settings(doubted_verifiers=("judge",), doubt=(0.1, 0.8), **JUDGE)) as panel:
        narrow = panel.fingerprint
        assert ["judge"] == names(panel.doubted)
        assert panel.touched.name.startswith("cascade(")
        assert panel.untouched.name.startswith("cascade(")
    with open_panel(given_settings(doubted_verifiers=("judge",), doubt=(0.0, 0.8), **JUDGE)) as panel:
        assert narrow != panel.fingerprint


def test_a_learned_model_makes_one_score_where_a_topic_is_touched(tmp_path):
    """It names the verifiers whose scores it takes, and is refused before any other."""
    model = LearnedModel(("lexical",), (Lexical().fingerprint,), (0.0,), ((2.0,),), -1.0, 1.0, 0.0, ("someone",))
    write_learned(model, tmp_path / "learned.json")
    given = {"verifiers": ("lexical",), "learned_model": tmp_path / "learned.json"}
    with open_panel(given_settings(screened_verifiers=(), **given)) as panel:
        assert ("worst(lexical)", True) == (panel.untouched.name, panel.touched.name.startswith("learned"))
    with (
        pytest.raises(InvalidInput, match="takes the scores of lexical"),
        open_panel(given_settings(screened_verifiers=("facts",), **given)),
    ):
        pass


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({"screened_verifiers": ("semantic",)}, "LETHE_EMBEDDING_MODEL"),
        ({"screened_verifiers": ("entailment",)}, "LETHE_NLI_MODEL"),
        ({"screened_verifiers": ("judge",)}, "LETHE_JUDGE_URL"),
        ({"screened_verifiers": ("judge",), **JUDGE, "judge_timeout_s": 5.0}, "LETHE_VERIFY_TIMEOUT_S"),
        ({"screened_verifiers": ("semantic",), "embedding_model": "nowhere"}, "nowhere"),
        ({"screened_verifiers": ("entailment",), "nli_model": "nowhere"}, "nowhere"),
        ({"learned_model": "nowhere"}, "nowhere"),
    ],
)
def test_a_verifier_that_cannot_be_made_ready_says_what_is_missing(given, missing):
    """At the start, not at the first request."""
    with pytest.raises(InvalidInput, match=missing), open_panel(given_settings(**given)):
        pass


@pytest.mark.parametrize("given", [{"doubted_verifiers": ("facts",)}, {"doubt": (0.9, 0.1)}])
def test_settings_that_do_not_fit_together_are_refused(given):
    """A verifier is sure or in doubt, and a band has a lower end."""
    with pytest.raises(InvalidInput, match="LETHE_DOUBT"):
        read_settings(**given)
