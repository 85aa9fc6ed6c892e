"""Machine code stays inside its memory: arrays between pages that must not be touched, and a
workspace with marked gaps."""

from __future__ import annotations

import ctypes
import mmap
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings

from glassnet.lower.workspace import ALIGN, Temporary
from glassnet.run import call as prepared
from glassnet.run.program import Plan
from glassnet.tracing import trace
from tests.data import HANG, ROOT
from tests.engine.check import numbers
from tests.engine.networks import arguments, dense
from tests.engine.test_shapes import CASES
from tests.engine.variants import call, loops, runnable, thresholds
from tests.fuzz.graphs import Case, programs

PAGE = mmap.PAGESIZE
MARK = 0xA5
GAP = 4096


# -- arrays that end, or begin, at a page that must not be touched ---------------------------------

LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def guarded(array: np.ndarray, at_end: bool) -> np.ndarray:
    """A copy whose last byte lies before a forbidden page, or whose first byte lies after one."""
    assert LIBC is not None
    size = max(array.nbytes, 1)
    pages = -(-size // PAGE)
    memory = mmap.mmap(-1, (pages + 2) * PAGE)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    for guard in (0, pages + 1):
        failed = LIBC.mprotect(ctypes.c_void_p(start + guard * PAGE), PAGE, 0)
        assert failed == 0
    offset = (pages + 1) * PAGE - array.nbytes if at_end else PAGE
    found = np.frombuffer(memory, array.dtype, array.size, offset).reshape(array.shape)
    found[...] = array
    KEPT.append(memory)
    return found


KEPT: list[mmap.mmap] = []  # freeing them would free the guards


def probe() -> None:
    """Every kind of kernel on guarded arrays; a touched guard ends the process."""
    for target in runnable():
        for name, (f, shapes) in CASES.items():
            for size in (1, 7, 17, 65):
                args = [numbers("float32", *s, seed=i) for i, s in enumerate(shapes(size))]
                plan = Plan(trace(f, *args))
                program = loops(plan, target)
                for at_end in (True, False):
                    inputs = [guarded(a, at_end) for a in args]
                    with thresholds(), mock.patch.object(np, "empty", result(at_end)):
                        program.run(dict(zip(plan.graph.inputs, inputs, strict=True)))
            KEPT.clear()
            print(name, flush=True)


def result(at_end: bool) -> Callable[..., np.ndarray]:
    """What makes arrays for results, and for the workspace."""

    def make(shape: Any, dtype: Any) -> np.ndarray:
        array = np.zeros(shape, dtype)
        return array if dtype is np.uint8 else guarded(array, at_end)

    return make


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=HANG
    )


@pytest.mark.skipif(sys.platform != "linux", reason="forbids pages by mprotect")
def test_no_kernel_touches_memory_outside_its_arrays() -> None:
    done = run("from tests.engine.test_bounds import probe; probe()")
    assert done.returncode == 0, f"after {done.stdout.splitlines()[-1:]}: {done.stderr}"
    assert len(done.stdout.splitlines()) == len(CASES) * len(runnable())


@pytest.mark.skipif(sys.platform != "linux", reason="forbids pages by mprotect")
@pytest.mark.parametrize(("at_end", "index"), [(True, 3), (False, -1)])
def test_a_touched_page_ends_the_process(at_end: bool, index: int) -> None:
    code = (
        "import ctypes, numpy as np\n"
        "from tests.engine.test_bounds import guarded\n"
        f"x = guarded(np.arange(3.0), {at_end})\n"
        "p = ctypes.cast(x.ctypes.data, ctypes.POINTER(ctypes.c_double))\n"
        f"print(p[0], p[2], flush=True)\nprint(p[{index}])"
    )
    done = run(code)
    assert done.stdout == "0.0 2.0\n"
    assert done.returncode != 0


# -- gaps between the parts of the workspace -------------------------------------------------------


def room(buffer: Temporary, dims: Mapping[str, int], part: int) -> int:
    """Bytes that a buffer may fill: a store of a whole vector may reach the end of the last 64."""
    return -(-max(buffer.size.at(dims) // part, 1) // ALIGN) * ALIGN


def overwritten(plan: Plan, args: Mapping[str, np.ndarray], steps: int, part: int = 1) -> list[str]:
    """Gaps between buffers in which something was written. With a `part` other than 1 buffers
    have only that part of their room: a planted fault."""
    seen: list[np.ndarray] = []
    gaps: list[tuple[int, int]] = []

    def marked(size: int) -> np.ndarray:
        raw = np.full(size + 64, MARK, np.uint8)
        seen.append(raw[(-raw.ctypes.data) % 64 :][:size])
        return seen[-1]

    def spaced(
        buffers: tuple[Temporary, ...], dims: Mapping[str, int]
    ) -> tuple[dict[int, int], int]:
        offsets: dict[int, int] = {}
        end = 0
        for buffer in buffers:
            gaps.append((end, end + GAP))
            offsets[buffer.buffer] = end + GAP
            end += GAP + room(buffer, dims, part)
        gaps.append((end, end + GAP))
        return offsets, end + GAP

    with (
        thresholds(),
        mock.patch.object(prepared, "place", spaced),
        mock.patch.object(prepared, "_aligned", marked),
    ):
        call(loops(plan), args, steps)
    return [f"bytes {a} to {b}" for a, b in gaps if (seen[0][a:b] != MARK).any()]


@settings(max_examples=60)
@given(programs())
def test_kernels_write_inside_their_buffers(case: Case) -> None:
    assert not overwritten(case.plan, case.args, case.steps)


@pytest.mark.parametrize("widths", [(33, 50, 1), (20, 17, 130), (3, 3, 3, 3)])
def test_training_writes_inside_its_buffers(widths: tuple[int, ...]) -> None:
    plan = dense(widths, 67, "adam")
    args = arguments(plan, 67, 2)
    assert not overwritten(plan, args, 2)
    assert overwritten(plan, args, 2, part=2)
