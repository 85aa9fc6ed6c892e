"""Memory-mapped arrays in an unnamed temporary file, for rows that do not fit in memory.

In: parts of arrays, one after the other. Out: the whole arrays, memory-mapped: the system reads
what a step needs from the file, and drops it when memory is short. The file is removed with the
last array, or when the process ends.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import shutil
import sys
import tempfile
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np

from glassnet.errors import OutputError

PAGE = mmap.PAGESIZE
WATCHED = 32  # number of calls with prefetching after a call that waited for the disk


@dataclass(frozen=True)
class MappedRows:
    """Arrays of rows on disk, and a description of their source."""

    folder: str | None
    files: tuple[tuple[mmap.mmap, int], ...]  # each with the bytes of a row
    names: tuple[str, ...] = ()  # column names of x
    described: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def read(self, rows: np.ndarray) -> None:
        """Read rows into memory now."""
        for file, size in self.files:
            for row in np.unique(rows).tolist():
                file[row * size]

    def soon(self, rows: np.ndarray) -> None:
        """Ask the system to read rows in the background that will be needed soon."""
        for file, size in self.files:
            file.madvise(RANDOM)  # no read-ahead of adjacent pages
            starts = np.unique(rows).astype(np.int64) * size
            pages = starts // PAGE
            ends = -(-(starts + size) // PAGE)
            for first, last in zip(pages.tolist(), ends.tolist(), strict=True):
                length = min((last - first) * PAGE, len(file) - first * PAGE)
                file.madvise(WILL_NEED, first * PAGE, length)


RANDOM: int = getattr(mmap, "MADV_RANDOM", 1)
WILL_NEED: int = getattr(mmap, "MADV_WILLNEED", 3)


class Prefetcher:
    """Prefetches rows while the process is found to wait for its disk. Prefetching a row takes
    about as long as training a small network on it, so that it is not done otherwise."""

    def __init__(self, mapped: MappedRows | None) -> None:
        self._mapped = mapped if hasattr(mmap.mmap, "madvise") else None
        self._waits = 0 if self._mapped is None else _waits()
        self._left = 0

    def __call__(self, rows: np.ndarray) -> None:
        """Prefetch `rows`, those of the call after the next one, where needed."""
        if self._mapped is None:
            return
        waits = _waits()
        self._left = WATCHED if waits > self._waits else max(0, self._left - 1)
        self._waits = waits
        if self._left:
            self._mapped.soon(rows)


if sys.platform == "win32":

    def _waits() -> int:
        return 0
else:
    import resource

    def _waits() -> int:
        """Return how often this process has waited for a page from disk (major page faults)."""
        return resource.getrusage(resource.RUSAGE_SELF).ru_majflt


class MappedWriter:
    """Writes arrays by name, from the first row to the last."""

    def __init__(self, folder: str | None, rows: int) -> None:
        self.folder, self.rows = folder, rows
        self._files: dict[str, tuple[IO[bytes], np.dtype[Any], tuple[int, ...]]] = {}
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> MappedWriter:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def append(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Write the next rows of every array."""
        with _explained(self.folder):
            if not self._files:
                self._create(arrays)
            for name, array in arrays.items():
                rest = np.ascontiguousarray(array).data.cast("B")
                while rest:
                    rest = rest[self._files[name][0].write(rest) :]

    def _create(self, arrays: Mapping[str, np.ndarray]) -> None:
        folder = temporary_folder(self.folder)
        needed = self.rows * sum(array[:1].nbytes for array in arrays.values())
        free = shutil.disk_usage(folder).free
        if needed > free:
            raise OutputError(
                f"the rows take {_size(needed)} on disk while training runs, and {folder} has "
                f"{_size(free)} free; name a folder with more room: scratch=…"
            )
        for name, array in arrays.items():
            # Without a buffer, so that `append` notices a full disk.
            new = tempfile.TemporaryFile(dir=folder, prefix="glassnet-", buffering=0)  # noqa: SIM115
            self._files[name] = self._stack.enter_context(new), array.dtype, array.shape[1:]

    def mapped(self) -> tuple[dict[str, np.ndarray], MappedRows]:
        """Return the arrays, memory-mapped for reading."""
        arrays: dict[str, np.ndarray] = {}
        files: list[tuple[mmap.mmap, int]] = []
        with _explained(self.folder):
            for name, (file, dtype, shape) in self._files.items():
                view = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
                arrays[name] = np.frombuffer(view, dtype).reshape(-1, *shape)
                files.append((view, arrays[name][:1].nbytes))
        return arrays, MappedRows(self.folder, tuple(files))


def temporary_folder(folder: str | None) -> str:
    """Return the folder for such files: `folder`, else $TMPDIR, else /var/tmp, since /tmp is often
    in memory."""
    chosen = folder or os.environ.get("TMPDIR")
    if chosen:
        return chosen
    var_tmp = Path("/var/tmp")
    return (
        str(var_tmp) if var_tmp.is_dir() and os.access(var_tmp, os.W_OK) else tempfile.gettempdir()
    )


@contextlib.contextmanager
def _explained(folder: str | None) -> Generator[None]:
    try:
        yield
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(
            f"the rows cannot be written to {temporary_folder(folder)} "
            f"({error.strerror or error}); name a folder with room for them: scratch=…"
        ) from None


def _size(count: int) -> str:
    return f"{count / 1e9:.3g} GB" if count >= 1e9 else f"{count / 1e6:.3g} MB"
