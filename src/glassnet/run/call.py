"""A prepared call of machine code, which can be repeated.

In: loaded code, arrays, sizes. Out: a callable that runs the code on one or several threads.
Threads share every step or, where steps are independent, run different steps. Many steps are run in
pieces, between which Python can handle Ctrl-C; a long step is run kernel by kernel, in parts.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from glassnet.llvm.machine_code import Code
from glassnet.lower.workspace import place
from glassnet.run.artifact import Image
from glassnet.run.interrupt import Interrupt
from glassnet.run.threads import run_on

SIGNATURE = ctypes.CFUNCTYPE(
    None,
    *[ctypes.c_void_p] * 2,
    *[ctypes.c_int64] * 4,
    *[ctypes.c_void_p] * 2,
)
PAGE = 4096
PLACES = 256  # number of cached workspace layouts


@dataclass(frozen=True)
class Build:
    """Loaded machine code and its interface; `places` caches the workspace layout by run-time
    sizes."""

    image: Image
    code: Code
    places: dict[tuple[int, ...], tuple[dict[int, int], int, int]] = field(
        default_factory=dict[tuple[int, ...], tuple[dict[int, int], int, int]], compare=False
    )

    def layout(self, dims: Mapping[str, int]) -> tuple[dict[int, int], int, int]:
        """Return the workspace layout: the offsets of the buffers, their total size in bytes, and
        the scratch bytes of each thread."""
        image = self.image
        sizes = tuple(dims[name] for name in image.dims)
        found = self.places.get(sizes)
        if found is None:
            pairs = zip(image.scratch, image.stacks, strict=True)
            kernels = [(*parts, stack) if stack else parts for parts, stack in pairs]
            scratch = max((sum(part.at(dims) for part in parts) for parts in kernels), default=0)
            if len(self.places) >= PLACES:
                self.places.clear()
            found = (*place(image.temporaries, dims), -(-scratch // PAGE) * PAGE + PAGE)
            self.places[sizes] = found
        return found


@dataclass(frozen=True)
class ThreadPlan:
    """How a call is split among threads.

    With `apart`, threads run different steps, else they share each. At most `most` of the `steps`
    run before Python handles Ctrl-C. A `limit` above 0 means that one step takes too long for that:
    it runs in parts of `limit` multiply-adds. `overwrites`: a step updates its arguments in place,
    so that stopping in the middle of it would leave them inconsistent."""

    threads: int
    apart: bool
    steps: int
    most: int
    limit: int = 0
    overwrites: bool = False

    @property
    def shares(self) -> bool:
        """Whether kernels run in parts, on several threads or one after the other."""
        return self.limit > 0 or (self.threads > 1 and not self.apart)

    def cuts(self, first: int, last: int) -> list[int]:
        """Return the steps at which to stop: pieces of nearly equal length."""
        pieces = max(1, -(-(last - first) // self.most))
        return [first + (last - first) * piece // pieces for piece in range(pieces + 1)]

    def numbers(self, first: int, last: int) -> list[tuple[int, int, int, int]]:
        """Return first step, last step, thread and number of threads, for each thread."""
        count, size = self.threads, last - first
        if self.apart:
            cuts = [first + size * thread // count for thread in range(count + 1)]
            return [(a, b, 0, 1) for a, b in pairwise(cuts)]
        return [(first, last, thread, count) for thread in range(count)]

    def parts(
        self, step: int, work: Sequence[tuple[int, int]]
    ) -> Iterator[tuple[tuple[int, int, int], list[tuple[int, int, int, int]]]]:
        """Yield the pieces of a step, one after the other: (part, number of parts, round), and for
        each thread (step, kernel, share, number of shares). `work` has for each kernel its amount
        and its number of blocks. A kernel is first divided into blocks of rows, since all shares of
        a block read the same rows, then into shares."""
        for kernel, (amount, blocks) in enumerate(work):
            pieces = max(1, -(-amount // self.limit))
            parts = min(pieces, blocks)
            shares = -(-pieces // parts) * self.threads
            for first in range(0, shares, self.threads):
                group = range(first, first + self.threads)
                for part in range(parts):
                    turn = part, parts, first // self.threads
                    yield turn, [(step, kernel, share, shares) for share in group]


Arguments = tuple[ctypes.c_void_p | ctypes.c_int64, ...]


class PreparedCall:
    """A call with fixed arrays: their addresses, and those of one workspace, or of one per thread
    where threads run different steps. The numbers of the steps are set before each call."""

    def __init__(
        self,
        build: Build,
        arrays: Mapping[str, np.ndarray],
        results: list[np.ndarray],
        dims: Mapping[str, int],
        team: ThreadPlan,
    ) -> None:
        self.results, self._team = results, team
        sizes = np.array([*(dims[name] for name in build.image.dims), 0, 1, 0], np.int64)
        self._part = sizes[-3:]
        self._function = SIGNATURE(build.code.part if team.limit else build.code.run)
        kernels = zip(build.image.work, build.image.stacks, strict=True) if team.limit else ()
        self._work = [(work.at(dims), s.blocks(dims) if s else 1) for work, s in kernels]
        self._kept: list[Any] = [build, arrays, sizes]
        alone = [range(1)] * team.threads if team.apart else [range(team.threads)]
        self._arguments = [
            each for some in alone for each in self._workspace(build, arrays, dims, sizes, some)
        ]

    def _workspace(
        self,
        build: Build,
        arrays: Mapping[str, np.ndarray],
        dims: Mapping[str, int],
        sizes: np.ndarray,
        threads: range,
    ) -> list[Arguments]:
        """Return the arguments of the code for threads that share a workspace."""
        image = build.image
        offsets, size, scratch = build.layout(dims)
        space = _aligned(size + len(threads) * scratch)
        start = space.ctypes.data
        given: dict[str, Any] = {"input": arrays, "output": self.results}
        given["constant"] = image.constants
        addresses = [
            start + offsets[int(which)] if kind == "temporary" else given[kind][which].ctypes.data
            for kind, which in image.buffers
        ]
        table = np.array(addresses, np.int64)
        barrier = _aligned(128)
        barrier[:] = 0
        self._kept += [space, table, barrier]
        *before, meeting = [ctypes.c_void_p(a.ctypes.data) for a in (table, sizes, barrier)]
        parts = [ctypes.c_void_p(start + size + thread * scratch) for thread in threads]
        return [(*before, *map(ctypes.c_int64, (0, 0, 0, 1)), meeting, part) for part in parts]

    def __call__(self, first: int = 0, last: int | None = None) -> list[np.ndarray]:
        team = self._team
        last = team.steps if last is None else last
        if team.limit:
            for step in range(first, last):
                self._long_step(step)
        elif team.threads == 1 and last - first <= team.most:  # most calls
            arguments = self._arguments[0]
            arguments[2].value, arguments[3].value = first, last
            self._function(*arguments)
        else:
            for a, b in pairwise(team.cuts(first, last)):
                self._run(team.numbers(a, b))
        return self.results

    def _long_step(self, step: int) -> None:
        """Run a step in parts. Ctrl-C stops it after any part, but after the last one if the step
        updates its arguments in place; a second Ctrl-C stops it at once."""
        with Interrupt() if self._team.overwrites else nullcontext() as interrupt:
            for part, piece in self._team.parts(step, self._work):
                self._part[:] = part
                self._run(piece)
        if interrupt and interrupt.seen:
            raise KeyboardInterrupt

    def _run(self, piece: list[tuple[int, int, int, int]]) -> None:
        for arguments, numbers in zip(self._arguments, piece, strict=True):
            for argument, number in zip(arguments[2:6], numbers, strict=True):
                argument.value = number
        run_on(len(piece), self._run_thread)

    def _run_thread(self, thread: int) -> None:
        self._function(*self._arguments[thread])


def _aligned(size: int) -> np.ndarray:
    """Return a buffer of `size` bytes whose address is a multiple of 64."""
    raw = np.empty(size + 64, np.uint8)
    return raw[(-raw.ctypes.data) % 64 :][:size]
