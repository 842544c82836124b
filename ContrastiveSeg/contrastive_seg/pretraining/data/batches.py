"""Which slices a step gets."""

from __future__ import annotations

import numpy as np


class SliceOrder:
    """Slices in a random order that depends on the seed only, epoch after epoch.

    Step s takes the numbers s*B to (s+1)*B of an endless row in which every epoch holds each slice
    once. Where a batch reaches over the end of an epoch, the next one begins with slices that the
    batch does not hold yet, so no slice meets itself.

    Args:
        count: Slices in all.
        batch_size: Slices a step, at most ``count``.
        seed: Any integer.
    """

    def __init__(self, count: int, batch_size: int, seed: int) -> None:
        self.count, self.batch_size, self.seed = count, batch_size, seed
        self._epoch = -1
        self._rows: dict[int, np.ndarray] = {}

    def __call__(self, step: int) -> np.ndarray:
        """Numbers (B,) of the slices of a step, counted from 0."""
        begin = step * self.batch_size
        epoch, place = divmod(begin, self.count)
        taken = self._row(epoch)[place : place + self.batch_size]
        if len(taken) < self.batch_size:
            rest = self.batch_size - len(taken)
            taken = np.concatenate([taken, self._row(epoch + 1)[:rest]])
        return taken

    def _row(self, epoch: int) -> np.ndarray:
        """One epoch's order; from the first epoch on, since each begins where the one before ends."""
        if epoch < self._epoch - 1:
            self._epoch, self._rows = -1, {}
        while self._epoch < epoch:
            self._epoch += 1
            row = generator(self.seed, 0, self._epoch).permutation(self.count)
            already = (self._epoch * self.count) % self.batch_size
            if already:
                row = _after(self._rows[self._epoch - 1][-already:], row, self.batch_size - already)
            self._rows[self._epoch] = row
            self._rows.pop(self._epoch - 2, None)
        return self._rows[epoch]


def _after(before: np.ndarray, row: np.ndarray, room: int) -> np.ndarray:
    """The row with slices at its head that are not among those before."""
    head = row[~np.isin(row, before)][:room]
    return np.concatenate([head, row[~np.isin(row, head)]])


def generator(seed: int, purpose: int, number: int) -> np.random.Generator:
    """Random numbers for an epoch or a step, the same wherever and in whatever order it is asked for."""
    return np.random.default_rng([seed & 0xFFFFFFFFFFFFFFFF, purpose, number])
