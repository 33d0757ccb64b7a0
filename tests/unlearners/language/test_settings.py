"""Settings by name: what is replaced, read from texts, and refused."""

import pytest

from unlearners.language.settings import FineTuning, NoiseSettings, NpoSettings, overridden, suited


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


@pytest.mark.parametrize(
    ("weights", "more", "rate"),
    [
        (1_000_000, {}, 1e-3),
        (1_000_000_000, {}, 3.16e-5),
        (8_000_000_000, {"adapter_rank": 8}, 1.12e-4),
        (10_000, {"adapter_rank": 8}, 1e-2),
        (8_000_000_000, {"rate": 0.5}, 0.5),
    ],
)
def test_a_rate_that_is_left_out_is_suited_to_the_model(weights, more, rate):
    """It falls with the square root of the weights; one that is given stays."""
    assert rate == suited(NpoSettings(), more, weights=weights, dialogues=200).rate


def test_epochs_that_are_left_out_make_sixty_steps():
    """And are five at least; the repair's rate goes with the rate."""
    found = [suited(NoiseSettings(), {"batch": 16}, weights=10**6, dialogues=n).epochs for n in (3, 20, 192, 5000)]
    assert [60, 30, 5, 5] == found
    assert 7 == suited(NpoSettings(), {"epochs": 7}, weights=10**6, dialogues=3).epochs
    assert 2e-5 == suited(NoiseSettings(), {}, weights=10**8, dialogues=9).repair_rate
