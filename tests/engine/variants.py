"""One plan run in many ways that must not change a bit.

In: a plan and arrays. Out: results of machine code made with other instruction sets, without
fusion, with other tiles, on more threads, written out without loops.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from typing import Any
from unittest import mock

import numpy as np

from glassnet.llvm.machine_code import SETS, InstructionSet, host
from glassnet.lower import counter
from glassnet.lower.counter import LEAF
from glassnet.lower.protocol import Machine
from glassnet.run import cache, compiled
from glassnet.run import call as prepared
from glassnet.run import zero_sample as run_zeros
from glassnet.run.compiled import CALL_WORK, Compiled
from glassnet.run.program import Plan, Program
from glassnet.run.zero_sample import multiplied_tables
from glassnet.training import programs
from tests.drawn import EVERY, drawn

NEVER = 1 << 60
FEW = 3  # ways that a plan is run in besides the plain one; `make nightly` takes all

Way = tuple[str, Callable[[], list[np.ndarray]]]


def runnable() -> list[InstructionSet]:
    """The instruction sets of this machine, the best one first."""
    best = host()
    own = [candidate for candidate in SETS if candidate.family == best.family]
    return own[own.index(best) :]


@contextmanager
def anew() -> Iterator[None]:
    """No model finds a program that another one has made."""
    programs.clear_shared()
    try:
        yield
    finally:
        programs.clear_shared()


@contextmanager
def on(target: InstructionSet) -> Iterator[None]:
    """Code for another instruction set."""
    with mock.patch("glassnet.llvm.machine_code.host", return_value=target), anew():
        yield


@contextmanager
def thresholds(
    threads: int = NEVER, unrolling: int = NEVER, blocks: int = NEVER, zeros: bool = False
) -> Iterator[None]:
    """Other limits from which threads, code without loops, and blocks of rows are worth it; with
    `zeros`, every table counts as full of them."""
    with (
        mock.patch.object(compiled, "WORTH_LISTS", 0 if zeros else NEVER),
        mock.patch.object(run_zeros, "WORTH", 2.0),
        mock.patch.object(compiled, "WORTH_THREADS", threads),
        mock.patch.object(compiled, "WORTH_UNROLLING", unrolling),
        mock.patch.object(compiled, "WORTH_BLOCKS", blocks),
        anew(),
    ):
        yield


@contextmanager
def in_blocks(
    rows: int = LEAF, threads: int = NEVER, work: int = CALL_WORK, zeros: bool = False
) -> Iterator[None]:
    """Sums over rows in blocks of so many, in calls of so much work. No code is read or kept: what
    is on disk does not say how long its blocks are."""
    with (
        mock.patch.dict(os.environ, {cache.VARIABLE: "off"}),
        thresholds(threads, blocks=0, zeros=zeros),
        mock.patch.object(counter, "BLOCK", rows),
        mock.patch.object(compiled, "CALL_WORK", work),
    ):
        yield


def dirty(size: int) -> np.ndarray:
    """Memory full of ones: read as floats they are NaN. Nobody may look at it before writing."""
    raw = np.full(size + 64, 0xFF, np.uint8)
    return raw[(-raw.ctypes.data) % 64 :][:size]


def tiled(target: InstructionSet, rows: int, vectors: int, panel_bytes: int) -> InstructionSet:
    """The same instructions with other tiles."""
    machine = Machine(target.name, rows, vectors, panel_bytes)
    return dataclasses.replace(target, machine=machine)


DIRTY = mock.patch.object(prepared, "_aligned", dirty)


def copies(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: array.copy() for name, array in arrays.items()}


def call(
    program: Program, arrays: Mapping[str, np.ndarray], steps: int = 1, threads: int = 1
) -> list[np.ndarray]:
    """Results on copies of the arrays, themselves copied."""
    results = program.run(copies(arrays), steps, threads)
    return [np.array(result) for result in results]


def loops(plan: Plan, target: InstructionSet | None = None, merge: bool = True) -> Compiled:
    return Compiled(plan, target or host(), merge)


def outcomes(
    plan: Plan,
    arrays: Mapping[str, np.ndarray],
    steps: int = 1,
    tiles: tuple[int, int, int] = (3, 2, 256),
    threads: int = 3,
    every: bool = EVERY,
    always: tuple[str, ...] = (),
) -> Iterator[tuple[str, list[np.ndarray]]]:
    """Each way's name and results. The first two are the plain one; of the others there are a few,
    drawn by what is run and by which test: all of them if `every`, and those whose name holds a
    word of `always`."""
    first, second, *others = ways(plan, arrays, steps, tiles, threads)
    shapes = [(name, array.shape) for name, array in arrays.items()]
    some = few(others, f"{plan.graph} {shapes} {steps}", every)
    wanted = [way for way in others if any(word in way[0] for word in always)]
    for name, results in (first, second, *some, *(way for way in wanted if way not in some)):
        yield name, results()


def few(found: list[Way], of: str, every: bool = EVERY) -> list[Way]:
    """Some ways, drawn by the test that runs and by a text: the same each time."""
    test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0]
    return drawn(found, FEW, f"{test} {of}", every, name=lambda way: way[0])


def ways(
    plan: Plan, arrays: Mapping[str, np.ndarray], steps: int, tiles: tuple[int, int, int], team: int
) -> list[Way]:
    """Each way's name and what computes its results; the first is the plain one."""
    run = partial(results, arrays, steps)
    plain, other = loops(plan), loops(plan, tiled(host(), *tiles))
    small = mock.patch.object(compiled, "CALL_WORK", 200)
    zeros = short_sums(plan, arrays, steps, tiles, team) if multiplied_tables(plan.graph) else []
    return [
        ("plain", run(plain, thresholds())),
        ("dirty memory", run(plain, thresholds(), DIRTY)),
        ("unfused", run(loops(plan, merge=False), thresholds())),
        *((own.name, run(loops(plan, own), thresholds())) for own in runnable()[1:]),
        ("open widths", run(loops(open_widths(plan)), thresholds())),
        (f"tiles {tiles}", run(other, thresholds())),
        (f"{team} threads", run(loops(plan), thresholds(threads=0), threads=team)),
        ("pieces", run(loops(plan), thresholds(threads=0), small, threads=team)),
        ("blocks", run(loops(plan), in_blocks(threads=0, work=200), threads=team)),
        *zeros,
        ("without loops", run(loops(plan), thresholds(unrolling=0))),
    ]


def results(
    arrays: Mapping[str, np.ndarray],
    steps: int,
    program: Program,
    *around: AbstractContextManager[Any],
    threads: int = 1,
) -> Callable[[], list[np.ndarray]]:
    """What computes the results of a program, in some surroundings; once."""

    def computed() -> list[np.ndarray]:
        with ExitStack() as stack:
            for each in around:
                stack.enter_context(each)
            return call(program, arrays, steps, threads)

    return computed


def short_sums(
    plan: Plan, arrays: Mapping[str, np.ndarray], steps: int, tiles: tuple[int, int, int], team: int
) -> list[Way]:
    """Ways that leave out products with 0."""
    run = partial(results, arrays, steps)
    targets = (*runnable(), tiled(host(), *tiles))
    blocks = in_blocks(threads=0, work=200, zeros=True)
    return [
        *(
            (f"{t.machine} zeros", run(loops(plan, t), thresholds(zeros=True), DIRTY))
            for t in targets
        ),
        ("open widths, zeros", run(loops(open_widths(plan)), thresholds(zeros=True), DIRTY)),
        (
            f"{team} threads, zeros",
            run(loops(plan), thresholds(threads=0, zeros=True), threads=team),
        ),
        ("blocks, zeros", run(loops(plan), blocks, threads=team)),
    ]


def open_widths(plan: Plan) -> Plan:
    """The same for code that leaves all widths open."""
    numbers = {size for t in plan.graph.input_types.values() for size in t.shape}
    sizes = frozenset(size for size in numbers if isinstance(size, int) and size > 1)
    return dataclasses.replace(plan, widths=sizes)


def difference(a: np.ndarray, b: np.ndarray) -> str:
    """Empty where two arrays hold the same bits (any NaN equals any NaN), else what differs."""
    a, b = np.asarray(a), np.asarray(b)
    if a.dtype != b.dtype or a.shape != b.shape:
        return f"{a.dtype}{list(a.shape)} is not {b.dtype}{list(b.shape)}"
    same = bits(a) == bits(b)
    if a.dtype.kind == "f":
        same = same | (np.isnan(a) & np.isnan(b))
    if same.all():
        return ""
    first = tuple(int(i) for i in np.argwhere(~same)[0])
    return f"{(~same).sum()} of {a.size} differ, the first at {first}: {a[first]!r}, {b[first]!r}"


def bits(a: np.ndarray) -> np.ndarray:
    """The numbers as unsigned integers."""
    return np.ascontiguousarray(a).view(f"u{a.dtype.itemsize}").reshape(a.shape)


def assert_same_bits(
    plan: Plan, arrays: Mapping[str, np.ndarray], steps: int = 1, **ways: object
) -> list[np.ndarray]:
    """Run in several ways; the results of the plain one. See `outcomes`."""
    plain: list[np.ndarray] = []
    for name, results in outcomes(plan, arrays, steps, **ways):  # type: ignore[arg-type]
        plain = plain or results
        for i, (wanted, got) in enumerate(zip(plain, results, strict=True)):
            found = difference(wanted, got)
            assert not found, f"output {i}, {name}: {found}\n{plan.graph}"
    return plain
