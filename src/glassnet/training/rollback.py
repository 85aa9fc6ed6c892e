"""Snapshots of the weights before an epoch, to restore if a number becomes infinite or NaN.

In: weights. Out: the same weights again. Large ones are stored in an unnamed temporary file, to
save memory.
"""

from __future__ import annotations

import math
import tempfile
import weakref
from typing import IO

import numpy as np

from glassnet.nn.storage import memory_of

LARGE = 4 << 20  # bytes from which a snapshot is stored in a file
BLOCK = 1 << 16  # numbers tested at once


class Snapshot:
    """A copy of an array, which can be taken and restored repeatedly."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array
        self.file: IO[bytes] | None = None
        self.copy: np.ndarray | None = None
        if array.nbytes >= LARGE and len(memory_of(array)) == 1:
            try:
                self.file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  (kept open)
                weakref.finalize(self, self.file.close)
            except OSError:  # no temporary folder
                self.file = None

    def take(self) -> None:
        """Copy the current values of the array."""
        if self.file is not None:
            try:
                self._write(self.file)
                return
            except OSError:  # the disk is full
                self._close()
        if self.copy is None:
            self.copy = np.empty_like(self.array)
        self.copy[...] = self.array

    def _write(self, file: IO[bytes]) -> None:
        file.seek(0)
        rest = memoryview(self.array.view(np.uint8).data)
        while len(rest):
            rest = rest[file.write(rest) :]

    def restore(self) -> None:
        """Copy the stored values back into the array."""
        if self.file is None:
            self.array[...] = self.copy
            return
        self.file.seek(0)
        rest = memoryview(self.array.view(np.uint8).data)
        while len(rest):
            count = self.file.readinto(rest)  # pyright: ignore
            if not count:
                raise OSError("the stored copy of the weights is incomplete")
            rest = rest[count:]

    def _close(self) -> None:
        if self.file is not None:
            self.file.close()
            self.file = None


def finite(array: np.ndarray) -> bool:
    """Whether all numbers of a vector are finite, tested with constant memory."""
    if array.size == 1:
        return math.isfinite(array.item())
    if array.size <= BLOCK:
        return 0 not in np.isfinite(array).tobytes()  # half the time of .all()
    return all(finite(array[i : i + BLOCK]) for i in range(0, array.size, BLOCK))
