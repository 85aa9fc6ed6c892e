"""Kernels that became one: softmax with its loss, gathers with their product, short rows in line.

The bits are those of every node on its own, the values the interpreter's.
"""

from __future__ import annotations

from typing import Any
from unittest import mock

import numpy as np
import pytest

from glassnet import ops
from glassnet.fuse.kernel_order import schedule
from glassnet.gradient import gradients
from glassnet.graph.graph import Graph
from glassnet.graph.types import Dim, Type
from glassnet.lower.packed import vector_nodes
from glassnet.nn.classify import CrossEntropy
from glassnet.pipeline import compile_graph
from glassnet.run.program import Plan
from glassnet.simplify import simplify
from glassnet.tracing import trace
from tests.engine.check import agree, numbers
from tests.engine.test_fuse import described
from tests.engine.variants import assert_same_bits

SCORES = (Dim("n"), 3)


def loss_and_slope(scores: Any, y: Any) -> Any:
    loss = CrossEntropy().mean(scores, y)
    return loss, gradients(loss, [scores])[0]


def labels(rows: int, classes: int) -> np.ndarray:
    return np.random.default_rng(rows).integers(0, classes, rows).astype("int32")


def test_softmax_its_loss_and_its_gradient_are_one_kernel() -> None:
    graph = trace(loss_and_slope, Type("float32", SCORES), Type("int32", SCORES[:1]))
    kinds = [kernel.kind for kernel in schedule(simplify(graph)).kernels]
    # before it the weight of a row in the mean, one number; after it the sum of all losses
    assert kinds == ["loop", "rows", "reduce"]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("classes", [2, 3, 7, 10, 16, 17])
@pytest.mark.parametrize("rows", [0, 1, 5, 8, 33, 130])
def test_cross_entropy(rows: int, classes: int, dtype: str) -> None:
    arrays = {"scores": 3 * numbers(dtype, rows, classes), "y": labels(rows, classes)}
    graph = trace(loss_and_slope, Type(dtype, (Dim("n"), classes)), Type("int32", SCORES[:1]))
    assert_same_bits(Plan(graph), arrays)
    if rows:
        agree(graph, arrays)


def along_rows(x: Any, v: Any) -> Any:
    top = ops.max(x, 1)
    apart = x - ops.reshape(top, (x.shape[0], 1))
    return ops.sum(ops.abs(apart), 1) * v, ops.argmax(apart * x, 1), apart[:, ::-1]


@pytest.mark.parametrize("rows", [1, 8, 21, 70])
def test_other_work_along_rows(rows: int) -> None:
    """Reversed columns are not row by row: their argument is stored."""
    x, v = numbers("float32", rows, 5), numbers("float32", rows)
    graph = trace(along_rows, x, v)
    assert "rows" in [kernel.kind for kernel in schedule(simplify(graph)).kernels]
    assert_same_bits(Plan(graph), {"x": x, "v": v})
    agree(graph, {"x": x, "v": v})


def by_columns(x: Any, v: Any) -> Any:
    """Along rows, after numbers of each column that are computed here."""
    scaled = (x - v) / ops.sqrt(ops.square(v) + 1e-5)
    return ops.sum(scaled * x, 1), ops.sum(ops.exp(v) * scaled), ops.softmax(x * ops.exp(v), 1)


@pytest.mark.parametrize("size", [2, 3, 8, 16])
def test_a_table_of_as_many_rows_as_columns(size: int) -> None:
    """Numbers of each column are then as many as rows, but not numbers of each row."""
    arrays = {"x": numbers("float64", size, size), "v": numbers("float64", size)}
    graph = trace(by_columns, Type("float64", (size, size)), Type("float64", (size,)))
    assert_same_bits(Plan(graph), arrays)
    agree(graph, arrays)
    x, v = arrays.values()
    scaled = (x - v) / np.sqrt(v**2 + 1e-5)
    rows, total, _ = compile_graph(graph).run(arrays)
    np.testing.assert_allclose(rows, (scaled * x).sum(1), rtol=1e-12)
    np.testing.assert_allclose(total, (np.exp(v) * scaled).sum(), rtol=1e-12)


def test_another_order_along_rows_is_seen() -> None:
    """A planted fault: columns are added from the last to the first."""
    x, y = 3 * numbers("float32", 40, 7), labels(40, 7)
    plan = Plan(trace(loss_and_slope, x, y))

    def backwards(b: Any, reduction: Any, items: Any) -> Any:
        total = items[-1]
        for item in items[-2::-1]:
            total = reduction.combine(b, total, item)
        return total

    with (
        mock.patch("glassnet.lower.row_loops.halving_tree", backwards),
        pytest.raises(AssertionError),
    ):
        assert_same_bits(plan, {"scores": x, "y": y}, every=True)


def layer(x: Any, rows: Any, w: Any, g: Any) -> Any:
    batch = ops.take(x, rows)
    return batch @ w, ops.transpose(batch) @ g


def products(graph: Graph, shared: bool) -> list[str]:
    fused = schedule(simplify(graph), shared=shared)
    return [described(fused, kernel) for kernel in fused.kernels]


def layer_arrays(rows: int, batch: int, width: int, units: int) -> dict[str, np.ndarray]:
    at = np.random.default_rng(batch).integers(-3, rows + 3, batch).astype("int32")
    w, g = numbers("float32", width, units), numbers("float32", batch, units)
    return {"x": numbers("float32", rows, width), "rows": at, "w": w, "g": g}


def test_rows_are_gathered_in_the_product_that_reads_them_first() -> None:
    graph = trace(layer, *layer_arrays(90, 20, 30, 40).values())
    assert products(graph, shared=False) == ["contract: take matmul", "contract: matmul"]
    assert products(graph, shared=True) == ["loop: take", "contract: matmul", "contract: matmul"]


@pytest.mark.parametrize(
    ("batch", "units", "joined"),
    [(63, 40, False), (64, 40, True), (64, 4, False), (64, 768, True), (64, 769, False)],
)
def test_threads_gather_the_rows_that_they_multiply(batch: int, units: int, joined: bool) -> None:
    """Where they share a product by its rows."""
    graph = trace(layer, *layer_arrays(90, batch, 30, units).values())
    assert (products(graph, shared=True)[0] == "contract: take matmul") == joined


def test_a_gather_stays_where_another_reader_comes_first() -> None:
    def f(x: Any, rows: Any, w: Any) -> Any:
        batch = ops.take(x, rows)
        return batch @ (w * ops.sum(batch, 0))

    arrays = layer_arrays(9, 6, 5, 5)
    graph = trace(f, arrays["x"], arrays["rows"], arrays["w"])
    assert "loop: take" in products(graph, shared=False)
    assert_same_bits(Plan(graph), {name: arrays[name] for name in ("x", "rows", "w")})


@pytest.mark.parametrize("units", [1, 3, 40, 70])
@pytest.mark.parametrize("batch", [1, 7, 64, 130])
def test_gathered_rows(batch: int, units: int) -> None:
    """Rows out of range are the nearest ones; a product of one or few columns takes the rows as
    its columns."""
    arrays = layer_arrays(150, batch, 33, units)
    graph = trace(layer, *arrays.values())
    for threads in (2, 3):
        assert_same_bits(Plan(graph), arrays, threads=threads, always=("threads",))
    agree(graph, {**arrays, "rows": np.clip(arrays["rows"], 0, 149)})


def update(a: Any, b: Any, w: Any, size: Any) -> Any:
    g = ops.matmul(a, b)
    return w - size * (g / (ops.sqrt(ops.square(g)) + 1.0))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("columns", [1, 2, 3, 4, 5, 10, 15, 17, 33, 50])
@pytest.mark.parametrize("rows", [1, 3, 40, 100])
def test_short_rows_in_line(rows: int, columns: int, dtype: str) -> None:
    """The rows of a tile, moved together; of at most four columns, out of their transpose."""
    arrays = {
        "a": numbers(dtype, rows, 9), "b": numbers(dtype, 9, columns),
        "w": numbers(dtype, rows, columns), "size": numbers(dtype),
    }  # fmt: skip
    graph = trace(update, *arrays.values())
    assert_same_bits(Plan(graph), arrays)
    agree(graph, arrays)


def adam(w: Any, m: Any, v: Any, x: Any, g: Any, size: Any) -> Any:
    slope = ops.transpose(x) @ g
    m = 0.9 * m + 0.1 * slope
    v = 0.99 * v + 0.01 * ops.square(slope)
    return w - size * (m / (ops.sqrt(v) + 1e-8)), m, v, ops.sum(m)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("columns", [1, 2, 3, 5, 8, 9, 16, 17])
def test_updates_of_a_few_weights(columns: int, dtype: str) -> None:
    """Written out, they are vectors of 3 to 16 numbers."""
    shapes = (1, columns), (1, columns), (1, columns), (4, 1), (4, columns), ()
    arrays = {n: numbers(dtype, *s) for n, s in zip("wmvxg", shapes, strict=False)}
    arrays |= {"v": np.square(arrays["v"]), "size": np.array(0.1, dtype)}
    arrays = {name: arrays[name] for name in ("w", "m", "v", "x", "g", "size")}
    graph = trace(adam, *arrays.values())
    fused = schedule(simplify(graph))
    assert bool(vector_nodes(fused)) == (3 <= columns <= 16)
    plan = Plan(graph, {"w": 0, "m": 1, "v": 2}, collect=frozenset({3}))
    assert_same_bits(plan, arrays, 4, always=("without loops",))
    agree(graph, arrays)


def test_a_padded_number_is_not_repeated() -> None:
    """Found by fuzzing."""

    def f(x: Any, one: Any) -> Any:
        ones = ops.pad(ops.broadcast(one, (1, 2)), (0, 0), (1, 0))
        return 0.5 * x - 0.25 * ones + 0.5 * x

    x, one = numbers("float32", 2, 2), np.array(1.0, "float32")
    assert_same_bits(Plan(trace(f, x, one)), {"x": x, "one": one})


@pytest.mark.parametrize("shape", [(1, 1), (5, 100), (70, 16), (3, 0)])
def test_products_of_length_one(shape: tuple[int, int]) -> None:
    """−0 is added to +0, as the first of longer chains."""
    rows, columns = shape
    a, b = numbers("float32", rows, 1), numbers("float32", 1, columns)
    a[:1] = -0.0
    graph = trace(lambda a, b: (a @ b, ops.transpose(b) @ ops.transpose(a) + 1.0), a, b)
    (product, _) = assert_same_bits(Plan(graph), {"a": a, "b": b})
    assert not np.signbit(product[:1]).any()
    agree(graph, {"a": a, "b": b})
