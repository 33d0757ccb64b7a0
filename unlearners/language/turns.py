"""Dialogues dealt in batches, step by step, in an order that a seed decides. Knows no tokens' meaning."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from accelerate import Accelerator

from unlearners.language.encoding import Batch, Encoded, batch_of

__all__ = ["Dealt", "Turns"]


@dataclass(frozen=True, slots=True, eq=False)
class Dealt:
    """This process's rows of a step's batch: their numbers in the set, their places in the batch.

    ``total`` is the size of the whole batch, over all processes.
    """

    rows: tuple[int, ...]
    places: tuple[int, ...]
    total: int


class Turns:
    """A set dealt epoch after epoch, shuffled each time, in batches of nearly equal size of at most ``batch``.

    A process gets every so-manieth row of the batch. What a step deals depends on the seed and the step alone.
    Raises ``ValueError`` where a batch could leave a process without a row.
    """

    def __init__(self, encoded: Sequence[Encoded], batch: int, seed: int, accelerator: Accelerator) -> None:
        self.encoded = encoded
        self.per_epoch = math.ceil(len(encoded) / batch)
        self._seed, self._accelerator = seed, accelerator
        if (fewest := len(encoded) // self.per_epoch) < accelerator.num_processes:
            message = (
                f"a batch of {fewest} dialogues cannot be shared between {accelerator.num_processes} processes"
            )
            raise ValueError(f"{message}; raise 'batch' and 'retain_batch', or run fewer processes")

    def deal(self, step: int) -> Dealt:
        """Return what this process has at a step."""
        epoch, part = divmod(step, self.per_epoch)
        order = np.random.default_rng([self._seed, epoch]).permutation(len(self.encoded))
        batch = np.array_split(order, self.per_epoch)[part]
        places = range(self._accelerator.process_index, len(batch), self._accelerator.num_processes)
        return Dealt(tuple(int(batch[place]) for place in places), tuple(places), len(batch))

    def batch(self, dealt: Dealt) -> Batch:
        """Return the dealt rows as tensors, on this process's device."""
        return batch_of([self.encoded[row] for row in dealt.rows], self._accelerator.device)
