"""Rounding: the error stays within half a scale, and each group has a scale of its own."""

import numpy as np
import pytest

from evaluation.unlearning.quantisation import Rounding


def weights(rows, columns):
    """Return random weights of very different sizes."""
    rng = np.random.default_rng(0)
    return (rng.normal(size=(rows, columns)) * rng.lognormal(size=(rows, columns), sigma=2)).astype(np.float32)


@pytest.mark.parametrize(("bits", "group", "columns"), [(4, 32, 160), (4, 32, 45), (8, 16, 64), (2, 5, 7)])
def test_no_weight_moves_by_more_than_half_a_scale(bits, group, columns):
    """Group by group, the last one too where it is smaller."""
    given = weights(20, columns)
    moved = np.abs(Rounding(bits, group).apply(given) - given)
    for start in range(0, columns, group):
        part = slice(start, start + group)
        scale = np.abs(given[:, part]).max(axis=1, keepdims=True) / (2 ** (bits - 1) - 1)
        assert (moved[:, part] <= scale / 2 * (1 + 1e-5)).all()


def test_four_bits_leave_fifteen_levels_in_a_group():
    """And not one more, nor as few as three bits would."""
    rounded = Rounding(4, 1000).apply(weights(1, 1000) % 1.0)
    many = Rounding(4, 10_000).apply(np.linspace(-1, 1, 10_000, dtype=np.float32)[None, :])
    assert len(np.unique(rounded)) <= 15
    assert 15 == len(np.unique(many))


def test_a_large_weight_spoils_its_own_group_alone():
    """Its neighbours go to 0; the next group keeps its own scale."""
    given = np.array([[100.0, 1.0, 0.7, 0.1]], dtype=np.float32)
    np.testing.assert_allclose([[100.0, 0.0, 0.7, 0.1]], Rounding(4, 2).apply(given), rtol=1e-6)


def test_zeros_stay_zeros():
    """There is no scale to divide by."""
    assert not Rounding().apply(np.zeros((2, 40), dtype=np.float32)).any()


def test_what_is_no_matrix_or_no_rounding_is_refused():
    """With the shape or the setting named."""
    with pytest.raises(ValueError, match=r"\(3,\)"):
        Rounding().apply(np.zeros(3, dtype=np.float32))
    with pytest.raises(ValueError, match="bits=1"):
        Rounding(bits=1)
