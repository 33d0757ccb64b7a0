"""The loop: steps computed by hand, the rate's way, resuming, divergence; and how dialogues are dealt."""

import pytest
import torch
from accelerate import Accelerator

from unlearners.language.descent import Course, Diverged, Record, Share, descend
from unlearners.language.encoding import Encoded
from unlearners.language.turns import Turns


@pytest.fixture(scope="module")
def alone():
    """Return an accelerator of one process on the CPU."""
    return Accelerator(cpu=True)


def bowl(value):
    """Return a step's loss with its minimum at a place that moves with the step."""
    return lambda step: Share((value - step).square().sum(), 3)


def test_the_first_step_is_adams(alone):
    """Whatever the slope, AdamW moves by the rate first, after the weights' decay."""
    value = torch.tensor([5.0, -5.0], requires_grad=True)
    course = Course("x", 1, 0.1, weight_decay=0.5)
    assert 3 == descend({"v": value}, bowl(value), course, alone)
    torch.testing.assert_close(torch.tensor([5 * 0.95 - 0.1, -5 * 0.95 + 0.1]), value.detach())


def test_the_rate_ramps_up_and_falls_to_nothing():
    """By hand for four steps, one of them warming up."""
    course = Course("x", 4, 0.8, warm_up=1)
    assert pytest.approx([0.4, 0.6, 0.4, 0.2]) == [course.rate_at(step) for step in range(4)]


@pytest.mark.parametrize("clip", [0.0, 1.0])
def test_gradients_are_clipped_to_the_norm(alone, clip):
    """Two steps at rates 1 and 1/2: unclipped, the second hardly turns what slope 1000 began; by hand."""
    value, slopes = torch.tensor([0.5], requires_grad=True), (1000.0, -1.0)
    course = Course("x", 2, 1.0, clip=clip)
    descend({"v": value}, lambda step: Share(slopes[step] * value.sum(), 1), course, alone)
    first, second = slopes if clip == 0.0 else (1.0, -1.0)
    mean = (0.9 * 0.1 * first + 0.1 * second) / (1 - 0.9**2)
    size = ((0.999 * 0.001 * first**2 + 0.001 * second**2) / (1 - 0.999**2)) ** 0.5
    assert pytest.approx(0.5 - 1.0 - 0.5 * mean / size, abs=1e-4) == float(value.detach())


def test_an_interrupted_course_ends_with_the_bits_of_one_that_was_not(alone, tmp_path):
    """The weights, Adam's moments, the step and the count are all taken up again."""
    whole = torch.tensor([5.0, -5.0], requires_grad=True)
    course = Course("x", 10, 0.1, warm_up=3, clip=1.0)
    spent = descend({"v": whole}, bowl(whole), course, alone)
    record, seen = Record(tmp_path / "x.npz", "key", 3), []

    def stop_at(limit):
        def progress(phase, done, total):
            seen.append(done)
            if done == limit:
                raise KeyboardInterrupt

        return progress

    parted = torch.tensor([5.0, -5.0], requires_grad=True)
    with pytest.raises(KeyboardInterrupt):
        descend({"v": parted}, bowl(parted), course, alone, record=record, progress=stop_at(8))
    parted = torch.tensor([0.0, 0.0], requires_grad=True)
    again = descend({"v": parted}, bowl(parted), course, alone, record=record, progress=stop_at(99))
    assert (whole.detach().numpy().tobytes(), spent) == (parted.detach().numpy().tobytes(), again)
    assert [*range(1, 9), *range(7, 11)] == seen
    finished = torch.tensor([0.0, 0.0], requires_grad=True)
    assert spent == descend({"v": finished}, bowl(finished), course, alone, record=record)
    assert torch.equal(whole, finished)


def test_a_record_of_another_request_counts_as_none(alone, tmp_path):
    """Else weights of one request would go into another."""
    course = Course("x", 2, 0.1)
    first = torch.tensor([5.0], requires_grad=True)
    descend({"v": first}, bowl(first), course, alone, record=Record(tmp_path / "x.npz", "key", 1))
    other = torch.tensor([50.0], requires_grad=True)
    descend({"v": other}, bowl(other), course, alone, record=Record(tmp_path / "x.npz", "another", 1))
    assert 49 < float(other.detach()) < 50


@pytest.mark.parametrize("clip", [0.0, 1.0])
def test_gradients_that_are_no_numbers_stop_it(alone, clip):
    """Before the weights are touched, and saying when."""
    value = torch.tensor([1.0], requires_grad=True)
    with pytest.raises(Diverged, match="impair diverged at step 1; lower its rate"):
        descend(
            {"v": value},
            lambda step: Share(value.sum() * float("nan"), 1),
            Course("impair", 3, 0.1, clip=clip),
            alone,
        )
    assert [1.0] == value.tolist()


class Crowd:
    """As much of an accelerator as dealing needs: one of several processes."""

    def __init__(self, process_index, num_processes):
        self.process_index, self.num_processes = process_index, num_processes


def encoded(count):
    """Make dialogues of three tokens."""
    return [Encoded((number, 1, 2), 1) for number in range(count)]


def test_every_epoch_deals_every_dialogue_once_in_an_order_of_its_own():
    """In batches of nearly equal size, the same for a seed."""
    turns = Turns(encoded(10), 4, 0, Crowd(0, 1))
    epochs = [[turns.deal(step) for step in range(first, first + 3)] for first in (0, 3)]
    assert [4, 3, 3] == [dealt.total for dealt in epochs[0]]
    orders = [[row for dealt in epoch for row in dealt.rows] for epoch in epochs]
    assert [list(range(10))] * 2 == [sorted(order) for order in orders]
    assert orders[0] != orders[1]
    assert orders[0] == [row for step in range(3) for row in Turns(encoded(10), 4, 0, Crowd(0, 1)).deal(step).rows]
    assert orders[0] != [row for step in range(3) for row in Turns(encoded(10), 4, 1, Crowd(0, 1)).deal(step).rows]


def test_processes_share_the_batch_that_one_would_have():
    """Together they have its rows at its places, each once, and know its size."""
    whole = Turns(encoded(10), 4, 0, Crowd(0, 1)).deal(1)
    parts = [Turns(encoded(10), 4, 0, Crowd(process, 2)).deal(1) for process in (0, 1)]
    pairs = [pair for part in parts for pair in zip(part.places, part.rows, strict=True)]
    assert sorted(zip(whole.places, whole.rows, strict=True)) == sorted(pairs)
    assert {whole.total} == {part.total for part in parts}


def test_a_batch_too_small_for_the_processes_is_refused():
    """A process without rows would have no gradient to add."""
    with pytest.raises(ValueError, match="a batch of 3 dialogues cannot be shared between 4 processes"):
        Turns(encoded(10), 4, 0, Crowd(0, 4))
