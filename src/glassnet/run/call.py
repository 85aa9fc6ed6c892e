"""A call of machine code, ready to be made again.

In: loaded code, arrays, sizes. Out: a callable that runs the code on one thread or on several:
threads share every step, or, where steps have nothing to do with each other, take some each. Many
steps are run in pieces, between which Python hears Ctrl-C.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from glassnet.llvm.target import Code
from glassnet.lower.memory import place
from glassnet.run.image import Image, Slot
from glassnet.run.threads import run_on

SIGNATURE = ctypes.CFUNCTYPE(
    None,
    *[ctypes.c_void_p] * 2,
    *[ctypes.c_int64] * 4,
    *[ctypes.c_void_p] * 2,
)
PAGE = 4096


@dataclass(frozen=True)
class Build:
    """Loaded machine code, and what calling it takes."""

    image: Image
    code: Code


@dataclass(frozen=True)
class Team:
    """How many threads, whether they take steps `apart`, and the steps: `cuts` of them in pieces
    that are run one after the other."""

    threads: int
    apart: bool
    cuts: tuple[int, ...]


class Prepared:
    """The addresses of arrays that stay where they are, and of one workspace, or of one for each
    thread where threads take steps apart."""

    def __init__(
        self,
        build: Build,
        arrays: Mapping[str, np.ndarray],
        results: list[np.ndarray],
        dims: Mapping[str, int],
        team: Team,
    ) -> None:
        own, self.results = build.image, results
        where: dict[Slot, int] = {
            ("constant", i): a.ctypes.data for i, a in enumerate(own.constants)
        }
        where |= {("input", name): array.ctypes.data for name, array in arrays.items()}
        where |= {("output", i): result.ctypes.data for i, result in enumerate(results)}
        sizes = np.array([dims[name] for name in own.dims], np.int64)
        self._function = SIGNATURE(build.code.address)
        self._kept: list[Any] = [build, arrays, sizes]
        alone = [range(1)] * team.threads if team.apart else [range(team.threads)]
        self._places = [
            place
            for threads in alone
            for place in self._workspace(own, where, dims, sizes, threads)
        ]
        self._pieces = [self._steps(team, a, b) for a, b in pairwise(team.cuts)]

    def _steps(self, team: Team, first: int, last: int) -> list[tuple[ctypes.c_int64, ...]]:
        """First step, last step, thread and number of threads, for each thread."""
        count, size = team.threads, last - first
        if team.apart:
            cuts = [first + size * thread // count for thread in range(count + 1)]
            found = [(a, b, 0, 1) for a, b in pairwise(cuts)]
        else:
            found = [(first, last, thread, count) for thread in range(count)]
        return [tuple(map(ctypes.c_int64, numbers)) for numbers in found]

    def _workspace(
        self,
        own: Image,
        where: Mapping[Slot, int],
        dims: Mapping[str, int],
        sizes: np.ndarray,
        threads: range,
    ) -> list[tuple[tuple[ctypes.c_void_p, ...], tuple[ctypes.c_void_p, ...]]]:
        """The addresses before and after the numbers of `_steps`, for threads that share memory."""
        offsets, size = place(own.temporaries, dims)
        scratch = max((sum(p.at(dims) for p in parts) for parts in own.scratch), default=0)
        scratch = -(-scratch // PAGE) * PAGE + PAGE
        space = _aligned(size + len(threads) * scratch)
        start = space.ctypes.data
        found = {**where, **{("temporary", b): start + at for b, at in offsets.items()}}
        table = np.array([found[slot] for slot in own.buffers], np.int64)
        barrier = _aligned(128)
        barrier[:] = 0
        self._kept += [space, table, barrier]
        before = ctypes.c_void_p(table.ctypes.data), ctypes.c_void_p(sizes.ctypes.data)
        meeting = ctypes.c_void_p(barrier.ctypes.data)
        own_parts = [ctypes.c_void_p(start + size + thread * scratch) for thread in threads]
        return [(before, (meeting, part)) for part in own_parts]

    def __call__(self) -> list[np.ndarray]:
        for piece in self._pieces:
            if len(piece) == 1:
                before, after = self._places[0]
                self._function(*before, *piece[0], *after)
            else:
                run_on(len(piece), partial(self._one, piece))
        return self.results

    def _one(self, piece: list[tuple[ctypes.c_int64, ...]], thread: int) -> None:
        before, after = self._places[thread]
        self._function(*before, *piece[thread], *after)


def _aligned(size: int) -> np.ndarray:
    """Bytes that begin at a multiple of 64."""
    raw = np.empty(size + 64, np.uint8)
    return raw[(-raw.ctypes.data) % 64 :][:size]
