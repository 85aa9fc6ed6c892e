"""Sums over many rows in blocks: the same bits as leaf by leaf, in parts that Ctrl-C waits for."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from itertools import pairwise
from typing import Any
from unittest import mock

import numpy as np
import pytest

from glassnet.graph.layout import SizeProduct
from glassnet.graph.types import Dim, Type
from glassnet.llvm.machine_code import InstructionSet
from glassnet.lower import counter
from glassnet.lower.protocol import Use
from glassnet.lower.workspace import Stack
from glassnet.ops.contraction import matmul_op
from glassnet.run import call as prepared
from glassnet.run.artifact import parse
from glassnet.run.call import ThreadPlan
from glassnet.run.compiled import CALL_WORK, WORTH_BLOCKS, CodeVariant
from glassnet.run.program import Plan
from glassnet.tracing import trace
from tests.engine import oracle
from tests.engine.networks import arguments, dense
from tests.engine.test_interrupt import pressed
from tests.engine.test_long import tall
from tests.engine.test_orders import numbers
from tests.engine.variants import call, difference, dirty, in_blocks, loops, runnable, thresholds

K = Dim("k")
Turn = tuple[bool, bool]
COUNTS = (1, 2, 3, 5, 7, 8, 13, 16)
LENGTHS = sorted({0, 1, *(64 * count + more for count in COUNTS for more in (-1, 0, 1))})
TURNS = [(False, False), (True, False), (False, True), (True, True)]


def product(m: Any, n: Any, dtype: str = "float32", turn: Turn = (True, False)) -> Plan:
    """a b, summed over rows that are counted at run time; an argument may be given transposed."""
    a, b = ((K, m) if turn[0] else (m, K)), ((n, K) if turn[1] else (K, n))

    def f(a: Any, b: Any) -> Any:
        return matmul_op(a.T if turn[0] else a, b.T if turn[1] else b, rows=True)

    return Plan(trace(f, Type(dtype, a), Type(dtype, b)))


def given(
    m: int, k: int, n: int, dtype: str = "float32", turn: Turn = (True, False)
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Arguments of `product`, and what it is."""
    a, b = numbers(dtype, m, k), numbers(dtype, k, n)
    args = {"a": a.T if turn[0] else a, "b": b.T if turn[1] else b}
    own = {name: np.ascontiguousarray(array) for name, array in args.items()}
    return own, oracle.matmul(a, b, rows=True)


def ordinary(plan: Plan, args: dict[str, np.ndarray], target: InstructionSet | None = None) -> Any:
    with thresholds():
        return call(loops(plan, target), args)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("turn", TURNS)
def test_any_number_of_blocks(turn: Turn, dtype: str) -> None:
    """Blocks of one leaf: with 13 of them, levels 0, 2 and 3 of the stack are in use at the end."""
    m, n = (5, 19) if dtype == "float32" else (2, 9)
    with in_blocks():
        alone = loops(product(m, n, dtype, turn))
    with in_blocks(threads=0, work=64 * m * n):
        shared = loops(product(m, n, dtype, turn))
    for k in LENGTHS if dtype == "float32" else LENGTHS[:12]:
        args, wanted = given(m, k, n, dtype, turn)
        with in_blocks(), mock.patch.object(prepared, "_aligned", dirty):
            assert not difference(wanted, call(alone, args)[0]), k
        with in_blocks(threads=0, work=64 * m * n):
            assert not difference(wanted, call(shared, args, threads=2)[0]), k


@pytest.mark.parametrize("m", [1, 3, 17, 64, 130])
@pytest.mark.parametrize("n", [1, 3, 17, 64, 130])
def test_tiles_of_all_sizes(m: int, n: int) -> None:
    k = 3 * 128 + 65
    args, wanted = given(m, k, n)
    for target in runnable():
        for plan in (product(m, n), product(Dim("m"), Dim("n"))):
            with in_blocks(128):
                (got,) = call(loops(plan, target), args)
            assert not difference(wanted, got), target.name
        for threads in (1, 2, 3):
            with in_blocks(128, threads=0, work=k * m * n // 5):
                (got,) = call(loops(product(m, n), target), args, threads=threads)
            assert not difference(wanted, got), (target.name, threads)


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("more", [-1, 0, 1, 1024, 3 * 1024 - 1, 3 * 1024 + 1])
def test_as_it_is_used(more: int, known: bool) -> None:
    """From the number of rows on that it is used for, with blocks of the size that it has."""
    args, wanted = given(20, WORTH_BLOCKS + more, 7)
    plan = Plan(trace(lambda a, b: matmul_op(a.T, b, rows=True), *args.values()))
    program = loops(plan if known else product(20, 7))
    assert not difference(wanted, program.run(args, 1, 1)[0])
    assert tall(program) == (more >= 0)


SPECIAL = (np.inf, -np.inf, np.nan, -0.0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_numbers_that_are_not_finite(dtype: str) -> None:
    """A column with one of them each, one of −0 alone: the sum of a leaf begins with +0."""
    args, _ = given(6, 64 * 7 + 3, 9, dtype)
    for column, value in enumerate(SPECIAL):
        args["a"][100 * column + 50, column] = value
    args["a"][:, 4] = -0.0
    plan = product(6, 9, dtype)
    (wanted,) = ordinary(plan, args)
    with in_blocks():
        assert not difference(wanted, call(loops(plan), args)[0])
    assert not np.isfinite(wanted[:3]).any()
    assert np.isfinite(wanted[3:]).all()


@pytest.mark.parametrize("merge", [True, False])
@pytest.mark.parametrize(
    ("widths", "rule", "dtype"),
    [((10, 64, 17, 1), "adam", "float32"), ((3, 130, 3), "momentum", "float64")],
)
def test_training_steps(widths: Sequence[int], rule: str, dtype: str, merge: bool) -> None:
    """Update rules in the epilogue of every tile, and several sums one after the other."""
    plan = dense(widths, Dim("n"), rule, dtype, classes=widths[-1] > 1)
    args = arguments(plan, 5 * 128 - 30, steps=3)
    with thresholds():
        wanted = call(loops(plan, merge=merge), args, 3)
    for threads, work in ((1, CALL_WORK), (1, 30_000), (3, 30_000)):
        with in_blocks(128, threads=0, work=work):
            found = call(loops(plan, merge=merge), args, 3, threads)
        for one, other in zip(wanted, found, strict=True):
            assert not difference(one, other)


def test_a_planted_block_that_is_no_part_of_the_tree() -> None:
    args, wanted = given(5, 1000, 19)
    with in_blocks(3 * 64):
        assert difference(wanted, call(loops(product(5, 19)), args)[0])


def test_a_planted_level_that_is_not_added() -> None:
    args, wanted = given(5, 64 * 6, 19)  # at the end levels 0 and 2 are in use
    for levels, wrong in ((2, True), (3, False)):
        with in_blocks(), mock.patch.object(counter, "LEVELS", levels):
            assert bool(difference(wanted, call(loops(product(5, 19)), args)[0])) == wrong


# -- memory ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "count", "levels"),
    [(0, 1, 0), (1, 1, 0), (8, 1, 0), (9, 2, 1), (24, 3, 2), (25, 4, 2), (33, 5, 3), (64, 8, 3)],
)
def test_levels_of_a_stack(rows: int, count: int, levels: int) -> None:
    """Blocks of 8 rows; the last block is never stored."""
    stack = Stack(8, SizeProduct(1, (K,)), (SizeProduct(100), SizeProduct(1, (Dim("m"),))))
    dims = {"k": rows, "m": 5}
    assert stack.blocks(dims) == count
    assert stack.at(dims) == levels * 105


@pytest.mark.parametrize(("m", "n"), [(1, 1), (9, 33), (64, 48), (130, 3)])
def test_no_tile_is_stored_behind_the_stack(m: int, n: int) -> None:
    for plan in (product(m, n), product(Dim("m"), Dim("n"))):
        assert stays_inside(plan, m, n)


def test_a_planted_stack_without_room() -> None:
    with mock.patch.object(Stack, "at", return_value=0):
        assert not stays_inside(product(9, 33), 9, 33)


def stays_inside(plan: Plan, m: int, n: int) -> bool:
    """Whether the end of the workspace is left as it was; every level is written to."""
    args, _ = given(m, 64 * 8, n)
    made: list[np.ndarray] = []
    aligned, page = prepared._aligned, prepared.PAGE  # pyright: ignore[reportPrivateUsage]

    def marked(size: int) -> np.ndarray:
        """Two pages at the end that nobody needs: there is one behind all scratch memory."""
        made.append(aligned(size + page))
        made[-1][size - page :] = 0xA5
        return made[-1]

    with in_blocks(), mock.patch.object(prepared, "_aligned", marked):
        call(loops(plan), args)
    return bool((made[0][-2 * page :] == 0xA5).all())


# -- parts -----------------------------------------------------------------------------------------


def test_parts_are_blocks_first() -> None:
    team = ThreadPlan(2, False, 1, 1, limit=10)
    work = [(25, 1), (25, 8), (25, 2), (5, 9)]
    found = list(team.parts(7, work))
    assert all([one[2] % 2 for one in piece] == [0, 1] for _, piece in found)  # each its own thread
    kernels = [[(*own[0][1:], *part) for part, own in found if own[0][1] == i] for i in range(4)]
    assert kernels[0] == [(0, 0, 6, 0, 1, 0), (0, 2, 6, 0, 1, 1), (0, 4, 6, 0, 1, 2)]
    assert kernels[1] == [(1, 0, 2, part, 3, 0) for part in range(3)]
    assert kernels[2] == [(2, 2 * i, 4, part, 2, i) for i in (0, 1) for part in range(2)]
    assert kernels[3] == [(3, 0, 2, 0, 1, 0)]
    assert {piece[0][0] for _, piece in found} == {7}


def test_rows_are_packed_once_for_all_shares() -> None:
    """A planted first share that takes itself for a later one reads rows that nobody packed."""
    plan, (args, wanted) = product(200, 800), given(200, 100, 800)
    parts, rounds = ThreadPlan.parts, list[int]()

    def planted(self: ThreadPlan, step: int, work: list[tuple[int, int]]) -> list[Any]:
        found = list(parts(self, step, work))
        rounds.extend(told[2] for told, _ in found)
        return [((*told[:2], 1), own) for told, own in found]

    with thresholds(threads=0), mock.patch("glassnet.run.compiled.CALL_WORK", 5_000_000):
        for threads in (1, 2):
            assert not difference(wanted, call(loops(plan), args, threads=threads)[0])
        with (
            mock.patch.object(ThreadPlan, "parts", planted),
            mock.patch.object(prepared, "_aligned", dirty),
        ):
            assert difference(wanted, call(loops(plan), args)[0])
    assert rounds == [0, 1, 2, 3]


def test_a_sum_left_halfway_is_begun_again() -> None:
    """After Ctrl-C in the third of eight parts the same call gives the right numbers."""
    args, wanted = given(17, 64 * 8, 20)
    with in_blocks(work=64 * 17 * 20):
        with pressed(3) as calls:
            again = loops(product(17, 20)).prepare(args, 1, 1)
            with pytest.raises(KeyboardInterrupt):
                again()
        assert calls == [(0, 0, 0, 1)] * 3
        assert not difference(wanted, again()[0])


def test_parts_of_a_sum_over_a_million_rows() -> None:
    """No part has more than 2³¹ multiply-adds or, at 64 each, numbers to read."""
    plan, rows, width = product(64, 64), 1_000_000, 64
    found: list[tuple[int, ...]] = []

    def function(table: Any, sizes: Any, *rest: Any) -> None:
        own = ctypes.cast(sizes, ctypes.POINTER(ctypes.c_int64))
        found.append((*(number.value for number in rest[:4]), *own[:3]))

    args = {name: np.zeros((rows, width), "f4") for name in "ab"}
    with mock.patch.object(prepared, "SIGNATURE", return_value=function):
        loops(plan).run(args, 1, 1)
    assert {own[:5] for own in found} == {(0, 0, 0, 1, rows)}
    assert [own[5:] for own in found] == [(part, len(found)) for part in range(len(found))]
    cuts = [976 * part // len(found) for part in range(len(found) + 1)]
    most = max(1024 * (b - a) for a, b in pairwise(cuts))
    assert most * 2 * width * 64 + most * width * width <= 1.1 * CALL_WORK


def test_a_stack_is_kept_on_the_disk() -> None:
    program = loops(product(Dim("m"), 20))
    own = program._image(CodeVariant((), Use(tall=True)))  # pyright: ignore[reportPrivateUsage]
    assert [stack.block for stack in own.stacks if stack] == [counter.BLOCK]
    assert parse(bytes(own)) == own
