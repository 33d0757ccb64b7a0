"""The same descents in NumPy and in torch, on the CPU and where there is one on a GPU: the same weights."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from unlearners.arrays import fetched, in_memory  # noqa: E402  # after the skip
from unlearners.bags import Bags  # noqa: E402
from unlearners.data import Dataset  # noqa: E402
from unlearners.langevin.settings import LangevinSettings  # noqa: E402
from unlearners.langevin.unlearner import Langevin  # noqa: E402
from unlearners.on_device import on_device, place_for  # noqa: E402
from unlearners.pcmu.bag_task import BagTask  # noqa: E402
from unlearners.pcmu.descent import trajectory  # noqa: E402
from unlearners.pcmu.settings import PcmuSettings  # noqa: E402
from unlearners.pcmu.tasks import LinearTask  # noqa: E402
from unlearners.protocol import ForgetRequest  # noqa: E402

SETTINGS = LangevinSettings(1.0, 1e-3, 0.05, 10, 0.05, 8)

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
devices = pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=gpu)])


def unit_rows(count, width):
    """Draw rows of norm 1."""
    rows = np.random.default_rng(0).standard_normal((count, width))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def table(classes):
    """Make 60 rows of so many classes."""
    names = tuple(map(str, range(classes)))
    return Dataset(unit_rows(60, 5), np.arange(60) % classes, names)


def bags():
    """Make 40 units of three tokens each, of a vocabulary of 12, and a public head."""
    rng = np.random.default_rng(1)
    units = Bags(unit_rows(120, 5), rng.integers(0, 12, 120), np.arange(120) % 40, 12, tuple(map(str, range(40))))
    return units, rng.standard_normal((12, 5))


def forgotten(data, settings, **options):
    """Train, forget a row, and return both weights."""
    one = Langevin(data, settings, **options)
    model = one.train(seed=3)
    return np.stack([model.weights, one.unlearn(model, [ForgetRequest((7,))]).model.weights])


@devices
@pytest.mark.parametrize(
    ("data", "changes"),
    [
        (table(2), {}),
        (table(2), {"clip": 0.2}),
        (table(2), {"radius": 0.3}),
        (table(12), {}),
        (table(12), {"radius": 0.3}),
    ],
)
def test_langevin_in_torch_ends_where_numpy_does(device, data, changes):
    """Within 1e-10, with clipping and projection too: the noise is drawn by NumPy for both."""
    settings = LangevinSettings(**{**dict(SETTINGS.parameters()), **changes})
    there = forgotten(data, settings, put=on_device(torch.device(device)))
    assert forgotten(data, settings) == pytest.approx(there, abs=1e-10)
    assert np.abs(there).max() > 0.01


@devices
@pytest.mark.parametrize("radius", [100.0, 1.0])
def test_langevin_from_a_public_head_in_torch_ends_where_numpy_does(device, radius):
    """Units of tokens, around the public weights."""
    units, public = bags()
    settings = LangevinSettings(**{**dict(SETTINGS.parameters()), "radius": radius})
    there = forgotten(units, settings, centre=public, put=on_device(torch.device(device)))
    assert forgotten(units, settings, centre=public) == pytest.approx(there, abs=1e-10)
    assert np.abs(there - public).max() > 0.01


def tasks(put):
    """Return heads on rows and on units, clipped and not."""
    units, public = bags()
    for clip in (None, 0.3):
        yield LinearTask(table(2), clip=clip, put=put)
        yield LinearTask(table(12), clip=clip, put=put)
        yield BagTask(units, public, clip=clip, put=put)


@devices
@pytest.mark.parametrize("variant", ["majority", "sampled"])
def test_pcmu_in_torch_writes_the_codes_of_numpy(device, variant):
    """And its gradients agree within 1e-10, each row's and the mean of those that are left."""
    settings = PcmuSettings(variant, 0.01, 0.01, 6, 0.05)
    for here, there in zip(tasks(in_memory), tasks(on_device(torch.device(device))), strict=True):
        alive = np.arange(here.data.rows) % 3 > 0
        weights, codes, smallest = trajectory(here, settings, alive, 5)
        again, same, other = trajectory(there, settings, alive, 5)
        assert (weights.tobytes(), codes.tobytes()) == (again.tobytes(), same.tobytes())
        assert smallest == pytest.approx(other, abs=1e-10)
        assert here.gradients(weights) == pytest.approx(there.gradients(weights), abs=1e-10)
        assert (True, here.name) == (bool(codes.any()), there.name)


def test_a_cpu_and_a_gpu_without_64_bits_are_left_to_numpy():
    """Others get tensors of 64 bits."""
    assert [in_memory] * 2 == [place_for(torch.device(name)) for name in ("cpu", "mps")]
    put = place_for(torch.device("meta"))
    assert ("meta", torch.float64) == (put(np.ones(2)).device.type, put(np.ones(2)).dtype)
    assert [1.0, 1.0] == fetched(on_device(torch.device("cpu"))(np.ones(2))).tolist()
