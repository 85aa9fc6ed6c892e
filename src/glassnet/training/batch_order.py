"""The order of rows in the mini-batches of an epoch.

In: the number of rows, the batch size, a seed. Out: row numbers, in an order determined by seed and
epoch.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from glassnet.training.data_checks import Rows
from glassnet.training.order_code import permutations

BLOCK = 1 << 20  # number of rows whose order is computed at once
TOGETHER = 2000  # up to this many rows, the orders of several epochs are computed together
SHUFFLE = 1 << 16  # the random stream of orders; initial weights use the lower streams


@dataclass(frozen=True)
class Order:
    """The rows of the mini-batches of every epoch: `count` rows in batches of `size`, shuffled with
    `seed`. Without a seed, or if one batch has all rows, they are in their original order."""

    count: int
    size: int
    seed: int | None

    @classmethod
    def of(cls, rows: Rows, batch_size: int, seed: int | None) -> Order:
        return cls(len(rows), min(batch_size, len(rows)), seed)

    @property
    def steps(self) -> int:
        return -(-self.count // self.size)

    def parts(self, epoch: int) -> Iterable[np.ndarray]:
        """Yield row numbers [steps, batch size], of the full batches and of the last, smaller one.
        Many rows come in blocks, so that memory never contains all row numbers."""
        unshuffled = self.seed is None or self.steps == 1
        if unshuffled and self.count <= BLOCK:
            return self._unshuffled_parts
        size = max(1, BLOCK // self.size) * self.size
        blocks = ((a, min(a + size, self.count)) for a in range(0, self.count, size))
        return (part for a, b in blocks for part in self._cut(self._places(epoch, a, b)))

    def _places(self, epoch: int, first: int, last: int) -> np.ndarray:
        if self.seed is None or self.steps == 1:
            return np.arange(first, last)
        if self.count <= TOGETHER:
            return self._cached_orders(epoch)[epoch][first:last]
        among = range(epoch, epoch + 1)
        return permutations(self.count, self.seed, SHUFFLE, among, first, last)[0]

    def _cached_orders(self, epoch: int) -> dict[int, np.ndarray]:
        """Return the orders of this epoch and of some later ones: as many as there were epochs
        before, at most 16, so that at most half of them are computed in vain."""
        if epoch not in self._order_cache:
            among = range(epoch, epoch + max(1, min(epoch, 16)))
            orders = permutations(self.count, self.seed or 0, SHUFFLE, among)
            self._order_cache.clear()
            self._order_cache.update(zip(among, orders, strict=True))
        return self._order_cache

    def orders(self, epoch: int, count: int) -> np.ndarray:
        """Return the orders of `count` epochs, [epochs, rows]."""
        if self.seed is None or self.steps == 1:
            return np.broadcast_to(np.arange(self.count), (count, self.count))
        return permutations(self.count, self.seed, SHUFFLE, range(epoch, epoch + count))

    @cached_property
    def _order_cache(self) -> dict[int, np.ndarray]:
        return {}

    @cached_property
    def _unshuffled_parts(self) -> list[np.ndarray]:
        return self._cut(np.arange(self.count))

    def _cut(self, rows: np.ndarray) -> list[np.ndarray]:
        cut = len(rows) // self.size * self.size
        parts = [rows[:cut].reshape(-1, self.size), rows[None, cut:]]
        return [part for part in parts if part.size]
