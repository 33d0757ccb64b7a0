"""Each loss against values computed by hand, and its known limits."""

import math

import pytest

torch = pytest.importorskip("torch")

from unlearners.language.losses import (  # noqa: E402  # after the skip
    answer_nll,
    graddiff,
    kl_from_base,
    mean_square_to,
    npo,
    simnpo,
)

NLL = torch.tensor([0.5, 2.0, 9.0], dtype=torch.float64)
REFERENCE = torch.tensor([0.5, 1.0, 12.0], dtype=torch.float64)


def slope(loss, at):
    """Return the derivative of a loss by each value, one by one."""
    at = at.clone().requires_grad_()
    loss(at).sum().backward()
    return at.grad


def test_an_answers_nll_is_the_sum_over_its_tokens_of_what_the_place_before_says():
    """By hand: two words of probability 1/4 and 3/4; the prompt and the padding do not count."""
    logits = torch.zeros(1, 4, 2)
    logits[0, 0] = torch.tensor([math.log(3), 0.0])  # speaks of the token at 1, which is asked, not said
    logits[0, 1] = torch.tensor([math.log(3), 0.0])
    ids, said = torch.tensor([[0, 1, 1, 0]]), torch.tensor([[False, False, True, False]])
    nll, tokens = answer_nll(logits, ids, said)
    assert (pytest.approx(math.log(4)), 1) == (float(nll), int(tokens))
    both, tokens = answer_nll(logits, ids, torch.tensor([[True, True, True, False]]))
    assert (pytest.approx(2 * math.log(4)), 2) == (float(both), int(tokens))


def test_graddiff_is_gradient_ascent():
    """Minus the NLL."""
    assert torch.equal(-NLL, graddiff(NLL))


def test_npo_is_the_published_formula():
    """-(2/β) log sigmoid(-β(log π - log π_ref)), written out."""
    beta = 0.1
    expected = [
        -(2 / beta) * math.log(1 / (1 + math.exp(beta * (-nll + reference))))
        for nll, reference in zip(NLL.tolist(), REFERENCE.tolist(), strict=True)
    ]
    assert pytest.approx(expected) == npo(NLL, REFERENCE, beta).tolist()


def test_npos_gradient_becomes_graddiffs_as_beta_falls():
    """And at the reference it is GradDiff's for every β."""
    torch.testing.assert_close(slope(lambda nll: npo(nll, REFERENCE, 1e-9), NLL), slope(graddiff, NLL))
    torch.testing.assert_close(slope(lambda nll: npo(nll, NLL.detach(), 5.0), NLL), slope(graddiff, NLL))


def test_npo_pushes_less_the_more_is_forgotten():
    """Where GradDiff pushes for ever: the slope falls to 0 as the NLL rises above the reference."""
    steep = slope(lambda nll: npo(nll, torch.zeros_like(nll), 0.5), torch.tensor([0.0, 4.0, 40.0]))
    assert pytest.approx([-1.0, -2 / (1 + math.exp(2)), 0.0], abs=1e-6) == steep.tolist()


def test_simnpo_is_the_published_formula_and_falls_as_the_nll_rises():
    """-(2/β) log sigmoid(β(NLL/length - δ)): log 2 times 2/β at the margin."""
    assert pytest.approx(2 / 4.5 * math.log(2)) == float(simnpo(torch.tensor(0.7), 4.5, 0.7))
    expected = [-(2 / 4.5) * math.log(1 / (1 + math.exp(-4.5 * (nll - 0.2)))) for nll in (0.1, 3.0)]
    assert pytest.approx(expected) == simnpo(torch.tensor([0.1, 3.0], dtype=torch.float64), 4.5, 0.2).tolist()
    assert (slope(lambda nll: simnpo(nll, 4.5, 0.0), NLL) < 0).all()


def test_the_mean_square_is_over_width_and_real_tokens():
    """By hand; what stands in the padding does not count."""
    hidden = torch.tensor([[[1.0, 3.0], [2.0, 2.0], [99.0, 99.0]]])
    real = torch.tensor([[True, True, False]])
    target = torch.tensor([1.0, 1.0])
    assert [((0 + 4) / 2 + (1 + 1) / 2) / 2] == mean_square_to(hidden, target, real).tolist()


def test_the_kl_to_the_base_is_zero_at_the_base_and_by_hand_elsewhere():
    """KL(base ‖ model), where the base says 3/4 and the model 1/2; with no slope at the base."""
    base = torch.zeros(1, 2, 2, dtype=torch.float64)
    base[0, 0, 0] = math.log(3)
    said = torch.tensor([[False, True]])
    at_base = slope(lambda logits: kl_from_base(base, logits, said), base)
    assert 0 == float(kl_from_base(base, base, said))
    torch.testing.assert_close(torch.zeros_like(at_base), at_base)
    expected = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    assert pytest.approx(expected) == float(kl_from_base(base, torch.zeros_like(base), said))
