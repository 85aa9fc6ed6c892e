"""A call of machine code, ready to be made again.

In: loaded code, arrays, sizes. Out: a callable that runs the code on one thread or on several:
threads share every step, or, where steps have nothing to do with each other, take some each.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass
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


class Prepared:
    """The addresses of arrays that stay where they are, and of one workspace, or of one for each
    thread where threads take steps `apart`."""

    def __init__(
        self,
        build: Build,
        arrays: Mapping[str, np.ndarray],
        results: list[np.ndarray],
        dims: Mapping[str, int],
        team: int,
        steps: int,
        apart: bool,
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
        if apart:
            cuts = [steps * thread // team for thread in range(team + 1)]
            shares = [(cuts[i], cuts[i + 1], (0,)) for i in range(team)]
        else:
            shares = [(0, steps, range(team))]
        self._arguments = [
            arguments
            for first, last, threads in shares
            for arguments in self._team(own, where, dims, sizes, (first, last), threads)
        ]

    def _team(
        self,
        own: Image,
        where: Mapping[Slot, int],
        dims: Mapping[str, int],
        sizes: np.ndarray,
        steps: tuple[int, int],
        threads: range | tuple[int, ...],
    ) -> list[tuple[Any, ...]]:
        """The arguments of every thread of a team that shares a workspace and steps."""
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
        return [
            (
                *(ctypes.c_void_p(array.ctypes.data) for array in (table, sizes)),
                *map(ctypes.c_int64, (*steps, thread, len(threads))),
                ctypes.c_void_p(barrier.ctypes.data),
                ctypes.c_void_p(start + size + thread * scratch),
            )
            for thread in threads
        ]

    def __call__(self) -> list[np.ndarray]:
        if len(self._arguments) == 1:
            self._function(*self._arguments[0])
        else:
            run_on(len(self._arguments), lambda i: self._function(*self._arguments[i]))
        return self.results


def _aligned(size: int) -> np.ndarray:
    """Bytes that begin at a multiple of 64."""
    raw = np.empty(size + 64, np.uint8)
    return raw[(-raw.ctypes.data) % 64 :][:size]
