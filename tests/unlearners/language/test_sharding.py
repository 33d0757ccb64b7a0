"""Weights shared out between two processes (FSDP over gloo): the results of one, held in halves."""

import copy

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from tests.unlearners.language.children import in_children, two_ranks  # noqa: E402  # after the skips
from tests.unlearners.language.test_run import forgotten, stopping_at  # noqa: E402
from unlearners.language.checkpoint import fingerprint_of, load_language_model, read_certificate  # noqa: E402
from unlearners.language.processes import accelerator_on  # noqa: E402
from unlearners.language.run import METHODS, pending_request  # noqa: E402
from unlearners.language.sharding import asks_for_sharding, sharded, whole_state  # noqa: E402


def forgotten_by_two(method, checkpoint, files, out, **options):
    """Forget in two processes that share the weights out; return how they ended."""
    shared = {"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2"}
    return in_children(
        lambda: forgotten(method, checkpoint, files, out, **options), [rank | shared for rank in two_ranks()]
    )


@pytest.mark.parametrize(("method", "adapters"), [*((method, 0) for method in METHODS), ("npo", 4)])
def test_two_processes_that_share_the_weights_out_reach_what_one_does(
    method, adapters, checkpoint, files, tmp_path
):
    """FSDP: an ordinary checkpoint, within 1e-4 of one process's, from as many gradients."""
    settings = {"epochs": 4, "adapter_rank": adapters}
    settings |= {"repair_epochs": 2, "noise_steps": 4} if method == "impair-repair" else {}
    one = forgotten(method, checkpoint, files, tmp_path / "one", settings=settings)
    assert [0, 0] == forgotten_by_two(method, checkpoint, files, tmp_path / "two", settings=settings)
    two = read_certificate(tmp_path / "two")
    assert one.parameters | {"weights": ""} == two.parameters | {"weights": ""}
    assert one.gradients_spent == two.gradients_spent
    before, alone, shared = (
        load_language_model(path).model.state_dict() for path in (checkpoint, tmp_path / "one", tmp_path / "two")
    )
    assert max(float((alone[name] - shared[name]).abs().max()) for name in alone) < 1e-4
    assert max(float((alone[name] - before[name]).abs().max()) for name in alone) > 1e-2


def test_shared_out_weights_are_recorded_and_resumed_to_the_same_bits(checkpoint, files, tmp_path):
    """Both processes end when one does, and the same call by two goes on."""
    out, settings = tmp_path / "out", {"epochs": 7}
    assert [0, 0] == forgotten_by_two("npo", checkpoint, files, tmp_path / "whole", settings=settings)
    crash = stopping_at(6, "forget")
    assert [1, 1] == forgotten_by_two("npo", checkpoint, files, out, settings=settings, progress=crash)
    assert ("npo", False) == (pending_request(out).method, out.exists())
    steps = tmp_path / "steps"

    def noting(phase, done, total):
        with steps.open("a", encoding="utf-8") as file:
            file.write(f"{done} ")

    assert [0, 0] == forgotten_by_two("npo", checkpoint, files, out, settings=settings, progress=noting)
    assert "5 6 7 " == steps.read_text()
    assert fingerprint_of(tmp_path / "whole") == fingerprint_of(out)


def test_each_process_holds_half_of_what_is_shared_out(checkpoint, tmp_path):
    """Of every block and of all else; whole again, it is what it was."""

    def work():
        accelerator = accelerator_on("cpu")
        assert asks_for_sharding({"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2"}, accelerator)
        with pytest.raises(ValueError, match="set fsdp_version: 2"):
            asks_for_sharding({"ACCELERATE_USE_FSDP": "true"}, accelerator)
        model = load_language_model(checkpoint).model
        shared = sharded(copy.deepcopy(model), model, accelerator)
        held = sum(value.to_local().numel() for value in shared.parameters())
        assert held == sum(value.numel() for value in model.parameters()) / 2
        again = whole_state(shared)
        assert all(torch.equal(value, again[name]) for name, value in model.state_dict().items())

    assert [0, 0] == in_children(work, two_ranks())
    assert not asks_for_sharding({"ACCELERATE_USE_FSDP": "true"}, accelerator_on("cpu"))
