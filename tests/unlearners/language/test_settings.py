"""Settings by name: what is replaced, read from texts, and refused."""

import pytest

from unlearners.language.settings import FineTuning, NoiseSettings, NpoSettings, overridden


def test_settings_are_replaced_by_name_and_the_others_stay():
    """A whole number will do for a number, and a text is read."""
    wanted = overridden(NpoSettings(), {"rate": "1e-4", "epochs": "3", "beta": 1, "batch": 8})
    assert NpoSettings(rate=1e-4, epochs=3, beta=1.0, batch=8) == wanted
    assert isinstance(wanted.beta, float)


def test_truth_values_and_texts_are_read_too():
    """'false' is not true for being a text."""
    wanted = overridden(NoiseSettings(), {"with_noise": "false", "refusals": "No. | Not known.|"})
    assert (False, ("No.", "Not known.")) == (wanted.with_noise, wanted.refusal_texts)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"betta": 1.0}, "no setting 'betta' here; there are .*batch, beta, clip"),
        ({"epochs": 2.5}, "'epochs' must be a whole number, not 2.5"),
        ({"epochs": True}, "'epochs' must be a whole number"),
        ({"epochs": "many"}, "'epochs' must be a whole number, not 'many'"),
        ({"rate": 0}, "'rate' must be a number above 0"),
        ({"rate": "nan"}, "'rate' must be a number above 0"),
        ({"clip": -1.0}, "'clip' must be a number at least 0"),
    ],
)
def test_an_override_that_cannot_be_is_refused(overrides, words):
    """By name, with the names that there are."""
    with pytest.raises(ValueError, match=words):
        overridden(NpoSettings(), overrides)


def test_there_is_at_least_one_refusal():
    """Impair-repair teaches something in place of the answers."""
    with pytest.raises(ValueError, match="at least one sentence"):
        NoiseSettings(refusals=" | ")


def test_a_retaining_without_weight_is_allowed():
    """Gradient ascent alone is a comparison that somebody may want."""
    assert 0 == FineTuning(retain_nll=0.0).retain_nll
