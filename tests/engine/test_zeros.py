"""Products with 0 are left out: not a bit changes, whatever the other factor is."""

from __future__ import annotations

from itertools import product as all_of
from typing import Any
from unittest import mock

import numpy as np
import pytest

from glassnet.graph.types import Dim, Type
from glassnet.lower import microkernel
from glassnet.lower.protocol import Use
from glassnet.ops import exp, one_hot, reshape, take
from glassnet.ops.contraction import matmul_op
from glassnet.run import compiled
from glassnet.run.compiled import CodeVariant
from glassnet.run.program import Plan
from glassnet.run.zero_sample import left_over, multiplied_tables
from glassnet.tracing import trace
from tests.drawn import drawn
from tests.engine import oracle
from tests.engine.variants import (
    EVERY,
    assert_same_bits,
    call,
    difference,
    few,
    loops,
    runnable,
    short_sums,
    thresholds,
)

TINY = {"float32": 1e-30, "float64": 1e-200}  # the square is less than the smallest number
SPECIAL = (np.inf, -np.inf, np.nan, -0.0, 0.0)


def products(n: int, k: int, h: int, dtype: str = "float32") -> Plan:
    """Rows of a table times weights, and the gradient that such a product has."""

    def both(table: Any, rows: Any, w: Any, g: Any) -> Any:
        x = take(table, rows)
        return matmul_op(x, w, rows=False), matmul_op(x.T, g, rows=True)

    table, rows = Type(dtype, (Dim("r"), k)), Type("int32", (n,))
    return Plan(trace(both, table, rows, Type(dtype, (k, h)), Type(dtype, (n, h))))


def arguments(
    n: int, k: int, h: int, dtype: str = "float32", full: float = 0.2, seed: int = 0
) -> dict[str, np.ndarray]:
    """A table of which a part is full, with zeros of both signs, whole columns and whole rows of
    them."""
    random = np.random.default_rng((seed, n, k, h))
    table = random.normal(size=(max(n, 1) + 3, k)) * (random.random((max(n, 1) + 3, k)) < full)
    table *= (random.random(k) < 0.7) * (random.random((len(table), 1)) < 0.9)
    return {
        "table": table.astype(dtype),
        "rows": random.integers(0, len(table), n).astype(np.int32),
        "w": random.normal(size=(k, h)).astype(dtype),
        "g": random.normal(size=(n, h)).astype(dtype),
    }


def wanted(table: np.ndarray, rows: np.ndarray, w: np.ndarray, g: np.ndarray) -> list[np.ndarray]:
    x = table[rows]
    return [oracle.matmul(x, w, rows=False), oracle.matmul(x.T, g, rows=True)]


SHAPES = [
    (1, 1, 17),
    (8, 16, 16),
    (9, 17, 33),
    (64, 40, 48),
    (65, 7, 100),
    (130, 99, 20),
    (200, 31, 5),
]


@pytest.mark.parametrize(
    ("dtype", "shape"),
    drawn(
        [("float32", shape) for shape in SHAPES] + [("float64", shape) for shape in SHAPES[:4]],
        5, "zeros",
    ),
)  # fmt: skip
def test_every_way_has_the_bits_of_the_whole_sums(dtype: str, shape: tuple[int, int, int]) -> None:
    plan, args = products(*shape, dtype), arguments(*shape, dtype)
    results = assert_same_bits(plan, args, every=True)
    for one, other in zip(wanted(**args), results, strict=True):
        assert not difference(one, other)


@pytest.mark.parametrize("full", [0.0, 0.02, 0.5, 1.0])
def test_any_part_of_zeros(full: float) -> None:
    plan, args = products(100, 50, 40), arguments(100, 50, 40, full=full)
    results = assert_same_bits(plan, args, always=("zeros",))
    for one, other in zip(wanted(**args), results, strict=True):
        assert not difference(one, other)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("seed", drawn(range(12), 6, "special numbers"))
def test_special_numbers(seed: int, dtype: str) -> None:
    """Infinite, not a number, zeros of both signs, and products that underflow, on all sides."""
    random = np.random.default_rng(seed)
    shape = tuple(int(s) for s in random.integers(1, 80, 3))
    plan, args = products(*shape, dtype), arguments(*shape, dtype, seed=seed)
    for name in ("table", "w", "g"):
        array = args[name]
        array[random.random(array.shape) < 0.3] *= TINY[dtype]
        if seed % 3:
            some = random.random(array.shape) < 0.02
            array[some] = random.choice(SPECIAL, some.sum())
    with thresholds():
        plain = call(loops(plan), args)
    found = short_sums(plan, args, 1, (3, 2, 256), 2)
    for way, results in found if EVERY else few(found, ""):
        for one, other in zip(plain, results(), strict=True):
            assert not difference(one, other), way


def underflow() -> tuple[Plan, dict[str, np.ndarray]]:
    """1e-30 · −1e-30 is less than any number: the sum is −0. Then 0 · 1 makes it +0."""
    plan = products(8, 2, 16)
    table = np.zeros((8, 2), np.float32)
    table[:, 0] = 1e-30
    w = np.ones((2, 16), np.float32)
    w[0] = -1e-30
    rows = np.arange(8, dtype=np.int32)
    return plan, {"table": table, "rows": rows, "w": w, "g": np.ones((8, 16), np.float32)}


def test_a_sum_that_underflows_is_taken_as_a_whole() -> None:
    plan, args = underflow()
    for target in runnable():
        with thresholds(zeros=True):
            found = call(loops(plan, target), args)[0]
        assert (found == 0).all(), target.name
        assert not np.signbit(found).any(), target.name


def test_a_planted_sum_that_is_not() -> None:
    """Were −0 not looked for, it would be found."""
    plan, args = underflow()
    nothing = {"float32": 1, "float64": 1}
    with thresholds(zeros=True), mock.patch.object(microkernel, "NEGATIVE", nothing):
        assert np.signbit(call(loops(plan), args)[0]).all()


@pytest.mark.parametrize("odd", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("column", [0, 15, 16, 47])
def test_zero_times_what_is_not_finite_is_not_a_number(odd: float, column: int) -> None:
    plan, args = products(30, 20, 48), arguments(30, 20, 48)
    args["table"][:, 3] = 0.0
    args["w"][3, column] = odd
    args["g"][:, column] = odd
    with thresholds(zeros=True):
        product, gradient = call(loops(plan), args)
    assert np.isnan(product[:, column]).all()
    assert np.isnan(gradient[3, column])
    others = np.arange(48) != column
    assert np.isfinite(product[:, others]).all()
    assert np.isfinite(gradient[:, others]).all()


def test_the_largest_numbers_are_finite() -> None:
    plan, args = products(8, 2, 16), arguments(8, 2, 16)
    args["table"][:] = (1.0, 0.0)
    args["w"][:] = np.finfo(np.float32).max
    with thresholds(zeros=True), mock.patch.object(microkernel, "NEGATIVE", {"float32": 1}):
        assert (call(loops(plan), args)[0] == np.finfo(np.float32).max).all()


# -- which code ------------------------------------------------------------------------------------


def sparse(plan: Plan, args: dict[str, np.ndarray], **how: Any) -> bool:
    """Whether code that leaves out products is chosen."""
    program = loops(plan)
    program.prepare(args, **how)
    (kind,) = program._found  # pyright: ignore[reportPrivateUsage]
    return kind.use.sparse


def test_only_long_work_on_tables_full_of_zeros() -> None:
    plan = products(200, 40, 48)
    full, empty = arguments(200, 40, 48, full=9.0), arguments(200, 40, 48, full=0.05)
    full["table"][:] = 1.0
    steps = 1 + compiled.WORTH_LISTS // (2 * 200 * 40 * 48)
    assert sparse(plan, empty, ahead=steps)
    assert not sparse(plan, empty, ahead=steps // 2)
    assert not sparse(plan, full, ahead=steps)


def test_tables_that_are_multiplied() -> None:
    table, rows = Type("float32", (Dim("r"), 5)), Type("int32", (7,))
    w = Type("float32", (5, 3))

    def names(f: Any, *types: Type) -> tuple[str, ...]:
        return multiplied_tables(trace(f, *types))

    assert names(lambda x, r, w: take(x, r) @ w, table, rows, w) == ("x",)
    assert names(lambda x, r, w: take(x, r).T @ take(w, r), table, rows, w) == ("x",)
    assert names(lambda x, w: x @ w, table, w) == ()
    assert names(lambda x, r: exp(take(x, r)), table, rows) == ()
    assert names(lambda x, r, w: exp(take(x, r)) @ w, table, rows, w) == ()
    assert names(lambda r, w: one_hot(r, 5) @ w, rows, w) == ()


def test_what_is_left_over() -> None:
    """Counted by hand: of 16 rows in tiles of 8, and of 16 columns in tiles of 8."""
    table = np.zeros((16, 16), np.float32)
    assert left_over(table) == 0.0
    table[3, 5] = 1.0  # one of 2 · 16 tiles of rows, one of 16 · 2 tiles of columns
    assert left_over(table) == 2 / 32
    table[:8] = 1.0  # half of either
    assert left_over(table) == 1.0
    table[:] = np.nan
    assert left_over(table) == 2.0
    assert left_over(np.zeros((7, 16), np.float32)) == 2.0
    assert left_over(np.zeros((16, 7), np.float32)) == 2.0
    assert left_over(np.zeros(16, np.float32)) == 2.0
    assert left_over(np.zeros((16, 16, 16), np.float32)) == 2.0


def test_the_rows_looked_at_come_from_everywhere() -> None:
    table = np.zeros((6400, 8), np.float32)
    table[:3200] = 1.0
    assert left_over(table) == 1.0


def test_code_has_a_name_of_its_own() -> None:
    program = loops(products(20, 10, 16))
    kinds = [CodeVariant((), Use(*which)) for which in all_of((False, True), repeat=3)]
    names = {program._name(kind) for kind in kinds}  # pyright: ignore[reportPrivateUsage]
    assert len(names) == len(kinds) or names == {None}


def test_tables_of_other_shapes() -> None:
    """A vector whose numbers become columns, and one table a step."""
    rows, w = Type("int32", (7,)), Type("float32", (1, 3))
    vector = Plan(
        trace(lambda x, r, w: reshape(take(x, r), (7, 1)) @ w, Type("float32", (9,)), rows, w)
    )
    x, r = np.arange(9, dtype=np.float32), np.arange(7, dtype=np.int32)
    ones = np.ones((1, 3), np.float32)
    with mock.patch.object(compiled, "WORTH_LISTS", 0):
        found = call(loops(vector), {"x": x, "r": r, "w": ones})[0]
        assert (found == x[:7, None] * ones).all()
    w = Type("float32", (9, 3))
    graph = trace(lambda x, r, w: take(x, r) @ w, Type("float32", (9, 9)), rows, w)
    tables, ones = np.zeros((5, 9, 9), np.float32), np.ones((9, 3), np.float32)
    tables += np.arange(5, dtype=np.float32)[:, None, None]
    with mock.patch.object(compiled, "WORTH_LISTS", 0):
        plan = Plan(graph, {}, frozenset({"x"}))
        found = call(loops(plan), {"x": tables, "r": r, "w": ones}, steps=5)[0]
    assert (found == 4 * 9).all()
