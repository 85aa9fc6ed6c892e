"""The order of every sum, bit for bit: compiled code against a transcription of the rules."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from glassnet import ops
from glassnet.graph.graph import Graph
from glassnet.graph.types import Dim, Type
from glassnet.ops.contraction import matmul_op
from glassnet.ops.reductions import sum_op
from glassnet.run.program import Plan
from glassnet.tracing import trace
from tests.engine import oracle
from tests.engine.variants import assert_same_bits, call, difference, loops, thresholds

LENGTHS = (0, 1, 7, 15, 16, 17, 63, 64, 65, 127, 128, 129, 200, 448, 1000)
DTYPES = ("float32", "float64")


def numbers(dtype: str, *shape: int, seed: int = 0) -> np.ndarray:
    """Numbers of very different sizes: another order gives other bits."""
    random = np.random.default_rng((seed, *shape))
    return (random.normal(size=shape) * 2.0 ** random.integers(-12, 13, shape)).astype(dtype)


def product(m: Any, k: Any, n: Any, dtype: str, rows: bool) -> Graph:
    return trace(lambda a, b: matmul_op(a, b, rows=rows), Type(dtype, (m, k)), Type(dtype, (k, n)))


def test_the_oracles_own_fma() -> None:
    # 1 + 2⁻²³ squared is 1 + 2⁻²² + 2⁻⁴⁶; minus (1 + 2⁻²²) it leaves 2⁻⁴⁶, which two roundings lose
    one = np.array([1 + 2.0**-23], np.float32)
    minus = np.array([-(1 + 2.0**-22)], np.float32)
    assert oracle.fma(one, one, minus)[0] == 2.0**-46
    assert one * one + minus == 0.0
    # just above a tie: float64 would round onto the tie, and then to even
    a = np.array([1 + 2.0**-12], np.float32)
    c = np.array([2.0**-60], np.float32)
    exact = Fraction(1 + 2.0**-12) ** 2 + Fraction(2.0**-60)
    assert oracle.fma(a, a, c)[0] == nearest32(exact)
    random = np.random.default_rng(5)
    x, y, z = (numbers("float32", 500, seed=int(s)) for s in random.integers(0, 99, 3))
    wanted = [
        nearest32(Fraction(float(p)) * Fraction(float(q)) + Fraction(float(r)))
        for p, q, r in zip(x, y, z, strict=True)
    ]
    assert np.array_equal(oracle.fma(x, y, z), np.array(wanted, np.float32))


@pytest.mark.parametrize("shift", [-40, -14, 0, 40])
def test_the_oracles_fma_of_float64(shift: int) -> None:
    """Numbers with few digits, of which many sums are ties or 0, and such with all their digits."""
    random = np.random.default_rng(6)
    few = random.integers(-4096, 4096, (3, 4000)) * np.array([[2.0**-52], [2.0**-12], [1.0]])
    whole = random.normal(size=(3, 1000))
    for a, b, c in ((few[0] + 1.0, few[1] + 1.0, few[2] * 2.0**shift), whole * 2.0**shift):
        exact = (
            Fraction(x) * Fraction(y) + Fraction(z)
            for x, y, z in zip(a.tolist(), b.tolist(), c.tolist(), strict=True)
        )
        wanted = [e.numerator / e.denominator for e in exact]  # dividing integers rounds once
        assert oracle.fma(a, b, c).tolist() == wanted
    a, b = few[0] + 1.0, few[1] + 1.0
    assert (a * b + -(a * b) == 0).all()
    assert np.count_nonzero(oracle.fma(a, b, -(a * b))) > 1000  # one rounding, not two


def nearest32(exact: Fraction) -> np.float32:
    """The float32 next to a fraction, ties to even, found by comparing exactly."""
    guess = np.float32(exact.numerator / exact.denominator)
    around = [np.nextafter(guess, np.float32(s)) for s in (-np.inf, np.inf)] + [guess]

    def rank(x: np.float32) -> tuple[Fraction, int]:
        return abs(Fraction(float(x)) - exact), int(x.view(np.int32)) & 1

    return min(around, key=rank)


def test_the_oracles_tree() -> None:
    # a marks every addition, so that the shape of the tree can be read
    class Mark(str):
        def __add__(self, other: str) -> Mark:
            return Mark(f"({self}{other})")

    def shape(count: int) -> str:
        return str(oracle.tree([Mark(c) for c in "abcdefg"[:count]]))  # type: ignore[misc]

    assert shape(1) == "a"
    assert shape(3) == "((ab)c)"
    assert shape(5) == "(((ab)(cd))e)"
    assert shape(7) == "(((ab)(cd))((ef)g))"


@pytest.mark.parametrize("rows", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("k", LENGTHS)
def test_contractions(k: int, dtype: str, rows: bool) -> None:
    m, n = (5, 19) if dtype == "float32" else (2, 9)
    a, b = numbers(dtype, m, k), numbers(dtype, k, n)
    wanted = oracle.matmul(a, b, rows)
    for sizes in ((m, k, n), (Dim("m"), Dim("k"), Dim("n"))):
        graph = product(*sizes, dtype, rows)
        with thresholds():
            (got,) = call(loops(Plan(graph)), {"a": a, "b": b})
        assert not difference(wanted, got)


@pytest.mark.parametrize("rows", [False, True])
@pytest.mark.parametrize(("m", "n"), [(1, 1), (1, 40), (40, 1), (7, 16), (64, 65), (130, 3)])
def test_contractions_every_way(m: int, n: int, rows: bool) -> None:
    a, b = numbers("float32", m, 150), numbers("float32", 150, n)
    plan = Plan(product(m, 150, n, "float32", rows))
    (got,) = assert_same_bits(plan, {"a": a, "b": b}, tiles=(5, 2, 1))
    assert not difference(oracle.matmul(a, b, rows), got)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("k", [3, 65, 200])
@pytest.mark.parametrize("turn", [(True, False), (False, True), (True, True)])
def test_contractions_of_transposes(turn: tuple[bool, bool], k: int, dtype: str) -> None:
    m, n = (17, 18) if dtype == "float32" else (5, 9)
    a, b = numbers(dtype, m, k), numbers(dtype, k, n)
    given = {"a": np.ascontiguousarray(a.T) if turn[0] else a}
    given["b"] = np.ascontiguousarray(b.T) if turn[1] else b

    def f(a: Any, b: Any) -> Any:
        return matmul_op(a.T if turn[0] else a, b.T if turn[1] else b, rows=True)

    graph = trace(f, given["a"], given["b"])
    (got,) = assert_same_bits(Plan(graph), given)
    assert not difference(oracle.matmul(a, b, rows=True), got)


def along(dtype: str, length: int, width: int, axis: int, run_time: bool) -> Graph:
    """A sum over one axis of a matrix: axis 0 over rows, axis 1 in lanes."""
    shape: tuple[Any, Any] = (length, width) if axis == 0 else (width, length)
    if run_time:
        shape = (Dim("r"), Dim("c"))
    return trace(lambda x: sum_op(x, axes=(axis,), rows=axis == 0), Type(dtype, shape))


@pytest.mark.parametrize("run_time", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("length", LENGTHS)
def test_sums(length: int, dtype: str, run_time: bool) -> None:
    for axis in (0, 1):
        width = 21
        x = numbers(dtype, *((length, width) if axis == 0 else (width, length)))
        wanted = oracle.sum_rows(x) if axis == 0 else oracle.sum_lanes(x)
        with thresholds():
            (got,) = call(loops(Plan(along(dtype, length, width, axis, run_time))), {"x": x})
        assert not difference(wanted, got), f"axis {axis}"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("length", [1, 63, 64, 65, 129, 1000])
def test_sums_of_vectors_every_way(length: int, dtype: str) -> None:
    x = numbers(dtype, length)
    graph = trace(lambda x: (sum_op(x, axes=(0,), rows=True), sum_op(x, axes=(0,), rows=False)), x)
    by_rows, by_lanes = assert_same_bits(Plan(graph), {"x": x})
    assert not difference(oracle.sum_rows(x), by_rows)
    assert not difference(oracle.sum_lanes(x), by_lanes)


def flat(x: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """The summed axes as one last axis, row-major."""
    kept = [axis for axis in range(x.ndim) if axis not in axes]
    shape = [x.shape[axis] for axis in kept]
    return x.transpose([*kept, *axes]).reshape(*shape, -1)


@pytest.mark.parametrize("axes", [(0, 1), (1, 2), (0, 2), (0, 1, 2), (0,), (1,), (2,)])
def test_sums_over_several_axes_run_in_row_major_order(axes: tuple[int, ...]) -> None:
    x = numbers("float32", 5, 7, 11)
    graph = trace(lambda x: sum_op(x, axes=axes, rows=False), x)
    (got,) = assert_same_bits(Plan(graph), {"x": x})
    assert not difference(oracle.sum_lanes(flat(x, axes)), got)


VIEWS: list[Callable[[Any], Any]] = [
    lambda x: x.T,
    lambda x: x[::-1],
    lambda x: x[:, ::-1],
    lambda x: x[::3, 1::2],
    lambda x: ops.reshape(x, (-1,)),
    lambda x: ops.reshape(x, (10, 13, 14)),
]


@pytest.mark.parametrize("view", VIEWS)
def test_sums_of_views(view: Callable[[Any], Any]) -> None:
    x = numbers("float32", 130, 14)
    seen = np.asarray(view(x))
    graph = trace(lambda x: (sum_op(view(x), axes=(0,), rows=True), ops.max(view(x), -1)), x)
    by_rows, top = assert_same_bits(Plan(graph), {"x": x})
    assert not difference(oracle.sum_rows(seen), by_rows)
    assert not difference(seen.max(-1), top)


def test_public_sums_follow_the_rules() -> None:
    """ops.sum: other axes in lanes, then axis 0 over rows; ops.mean divides by the number."""
    x = numbers("float32", 100, 70)
    graph = trace(lambda x: (ops.sum(x), ops.sum(x, 1), ops.sum(x, 0), ops.mean(x, 0)), x)
    total, lanes, rows, mean = assert_same_bits(Plan(graph), {"x": x})
    assert not difference(oracle.sum_lanes(x), lanes)
    assert not difference(oracle.sum_rows(x), rows)
    assert not difference(oracle.sum_rows(oracle.sum_lanes(x)), total)
    assert not difference(oracle.sum_rows(x) / np.float32(100), mean)


def test_a_planted_order_is_caught() -> None:
    x = numbers("float32", 1000, 21)
    assert difference(oracle.sum_rows(x), oracle.added(x))
    assert difference(oracle.sum_rows(x), oracle.sum_lanes(np.ascontiguousarray(x.T)))
    a, b = numbers("float32", 5, 200), numbers("float32", 200, 19)
    assert difference(oracle.matmul(a, b, rows=True), oracle.matmul(a, b, rows=False))
    assert difference(oracle.matmul(a, b, rows=False), a @ b)
