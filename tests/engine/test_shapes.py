"""Every kind of kernel at every awkward size, against the float64 interpreter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from glassnet import ops
from glassnet.errors import GlassnetError
from glassnet.graph.types import Dim, Type
from glassnet.run.program import Plan
from glassnet.tracing import trace
from tests.engine.check import agree, numbers
from tests.engine.variants import assert_same_bits

SIZES = (0, 1, 7, 15, 16, 17, 63, 64, 65, 129, 200, 1000)
FLOATS = ("float32", "float64")
Shapes = Callable[[int], tuple[tuple[int, ...], ...]]

# what is computed, and the shapes of its arguments for a size s
CASES: dict[str, tuple[Callable[..., Any], Shapes]] = {
    "vector": (lambda x, y: x * y + 1.0, lambda s: ((s,), (s,))),
    "rows": (lambda x, y: x - y, lambda s: ((s, 5), (s, 5))),
    "columns": (lambda x, y: x - y, lambda s: ((5, s), (5, s))),
    "row broadcast": (lambda x, y: x * y, lambda s: ((3, s), (s,))),
    "column broadcast": (lambda x, y: x * y, lambda s: ((s, 3), (s, 1))),
    "outer": (lambda x, y: x * y, lambda s: ((s, 1), (1, 9))),
    "scalar": (lambda x, y: x * y, lambda s: ((s,), ())),
    "transposed": (lambda x, y: x + y.T, lambda s: ((s, 6), (6, s))),
    "middle axis": (lambda x, y: ops.tanh(x) * y, lambda s: ((2, s, 3), (s, 1))),
    "rank 4": (
        lambda x, y: x + ops.transpose(y, (3, 1, 2, 0)),
        lambda s: ((2, 1, s, 3), (3, 1, s, 2)),
    ),
    "sum of rows": (lambda x: ops.sum(x, 0), lambda s: ((s, 21),)),
    "sum of columns": (lambda x: ops.sum(x, 1), lambda s: ((5, s),)),
    "sum of few": (lambda x: ops.sum(x, 1), lambda s: ((s, 3),)),
    "sum of all": (lambda x: ops.sum(x), lambda s: ((s, 3),)),
    "sum of the middle": (lambda x: ops.sum(x, 1), lambda s: ((2, s, 3),)),
    "sum of a function": (lambda x: ops.sum(x * x, 1), lambda s: ((3, s),)),
    "mean of rows": (lambda x: ops.sum(ops.square(x), 0) * 0.5, lambda s: ((s, 4),)),
    "largest": (lambda x: ops.max(x, 1), lambda s: ((4, s),)),
    "smallest of rows": (lambda x: ops.min(x, 0), lambda s: ((s, 17),)),
    "softmax": (lambda x: ops.softmax(x), lambda s: ((3, s),)),
    "scaled rows": (lambda x: x / (1.0 + ops.sum(x * x, 0)), lambda s: ((s, 9),)),
    "product m": (lambda x, y: x @ y, lambda s: ((s, 5), (5, 18))),
    "product k": (lambda x, y: x @ y, lambda s: ((9, s), (s, 18))),
    "product n": (lambda x, y: x @ y, lambda s: ((9, 5), (5, s))),
    "product aᵀ": (lambda x, y: x.T @ y, lambda s: ((s, 9), (s, 18))),
    "product bᵀ": (lambda x, y: x @ y.T, lambda s: ((9, s), (18, s))),
    "product m bᵀ": (lambda x, y: x @ y.T, lambda s: ((s, 9), (18, 9))),
    "product n bᵀ": (lambda x, y: x @ y.T, lambda s: ((3, 9), (s, 9))),
    "one row": (lambda x, y: x @ y, lambda s: ((1, 7), (7, s))),
    "one column": (lambda x, y: x @ y, lambda s: ((s, 7), (7, 1))),
    "one column, long": (lambda x, y: x @ y, lambda s: ((7, s), (s, 1))),
    "one of everything": (lambda x, y: x @ y, lambda s: ((1, s), (s, 1))),
    "one step": (lambda x, y: x @ y, lambda s: ((s, 1), (1, 19))),
    "epilogue": (lambda x, y: ops.sigmoid(x @ y + 0.5), lambda s: ((s, 6), (6, 20))),
    "epilogue with bias": (lambda x, y, b: ops.relu(x @ y + b), lambda s: ((7, 6), (6, s), (s,))),
    "batches": (lambda x, y: ops.matmul(x, y), lambda s: ((s, 3, 5), (s, 5, 4))),
    "batched m": (lambda x, y: ops.matmul(x, y), lambda s: ((2, s, 5), (2, 5, 4))),
    "batched k": (lambda x, y: ops.matmul(x, y), lambda s: ((3, 2, s), (3, s, 4))),
    "batched n": (lambda x, y: ops.matmul(x, y), lambda s: ((2, 3, 2, 5), (2, 1, 5, s))),
    "concatenated": (lambda x, y: ops.concatenate([x, y, x], 1), lambda s: ((3, s), (3, 4))),
    "concatenated rows": (lambda x, y: ops.concatenate([x, y], 0), lambda s: ((s, 3), (2, 3))),
    "padded": (lambda x: ops.pad(x, (1, 2), (0, 3)), lambda s: ((3, s),)),
    "cut": (lambda x: x[1:, ::2] * 2.0, lambda s: ((4, s),)),
    "reversed": (lambda x: x[::-1, ::-1] + 0.0, lambda s: ((3, s),)),
    "strides": (lambda x, y: x[::2, ::3] @ y[::3, ::3].T, lambda s: ((6, s), (9, s))),
    "copied view": (lambda x: ops.reshape(x.T, (2, 2, -1)), lambda s: ((s, 4),)),
    "random": (lambda x: ops.uniform(x, seed=3) + x, lambda s: ((s, 3),)),
    "counted": (lambda x: x + ops.iota_like(x, 1, "float32"), lambda s: ((3, s),)),
}  # fmt: skip


# axes that these join, pad, cut or split must have a known size
KNOWN_ONLY = {"concatenated", "concatenated rows", "padded", "cut", "reversed", "strides"}


def arguments(shapes: tuple[tuple[int, ...], ...], dtype: str) -> list[np.ndarray]:
    return [numbers(dtype, *shape, seed=i) for i, shape in enumerate(shapes)]


@pytest.mark.parametrize("name", CASES)
def test_known_sizes_float32(name: str) -> None:
    f, shapes = CASES[name]
    for size in SIZES:
        args = arguments(shapes(size), "float32")
        graph = trace(f, *args)
        agree(graph, dict(zip(graph.inputs, args, strict=True)), scale=4.0)


@pytest.mark.parametrize("name", CASES)
def test_run_time_sizes(name: str) -> None:
    """One graph for all sizes, where the function allows it."""
    f, shapes = CASES[name]
    probe = 997  # no other size of the table: where it stands, the size s stands
    dtype = "float32" if name == "counted" else "float64"
    symbolic = [
        Type(dtype, tuple(Dim("s") if size == probe else size for size in shape))
        for shape in shapes(probe)
    ]
    if name in KNOWN_ONLY:
        with pytest.raises(GlassnetError, match="known"):
            trace(f, *symbolic)
        return
    graph = trace(f, *symbolic)
    for size in SIZES:
        args = arguments(shapes(size), dtype)
        agree(graph, dict(zip(graph.inputs, args, strict=True)), scale=4.0)


INTEGER = {
    "arithmetic": lambda x, y: ops.maximum(x * y - 3, -x),
    "comparison": lambda x, y: ops.where(ops.less(x, y), ops.abs(x), ops.sign(y)),
    "sum": lambda x, y: ops.sum(x, 1) + ops.min(y, 1),
    "sum of rows": lambda x, y: ops.sum(x * y, 0),
    "places": lambda x, y: (ops.argmax(x, 1), ops.argmin(y, 0)),
    "casts": lambda x, y: ops.cast(x, "float32") * ops.cast(y, "float32"),
    "joined": lambda x, y: ops.concatenate([x, y[:, ::-1]], 0),
}


@pytest.mark.parametrize("name", INTEGER)
@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_integers(name: str, dtype: str) -> None:
    for size in (1, 7, 16, 17, 65, 200):
        args = arguments(((5, size), (5, size)), dtype)
        agree(trace(INTEGER[name], *args), {"x": args[0], "y": args[1]})


def test_truth_values() -> None:
    def f(x: Any, y: Any) -> Any:
        both = ops.logical_and(x, ops.logical_not(y))
        return both, ops.logical_or(x.T, both.T), ops.cast(x, "int32"), x[::-1, 1:]

    for size in (1, 7, 16, 17, 65, 200):
        args = arguments(((5, size), (5, size)), "bool")
        agree(trace(f, *args), {"x": args[0], "y": args[1]})


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64", "bool"])
@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 3), (1, 1, 1), (2, 3, 4), (2, 1, 3, 5)])
def test_every_rank_and_dtype_is_copied(dtype: str, shape: tuple[int, ...]) -> None:
    x = numbers(dtype, *shape)
    axes = tuple(reversed(range(len(shape))))
    graph = trace(lambda x: (x, ops.transpose(x, axes), ops.broadcast(x, (2, *shape))), x)
    agree(graph, {"x": x})


@pytest.mark.parametrize("rows", [1, 7, 16, 65, 200])
@pytest.mark.parametrize("width", [1, 3, 16, 33])
@pytest.mark.parametrize("index", ["int32", "int64"])
def test_gathered_and_scattered_rows(rows: int, width: int, index: str) -> None:
    random = np.random.default_rng(rows)
    where = random.integers(0, 10, rows).astype(index)
    for x in (numbers("float32", 10, width), numbers("int64", 10, width)):
        graph = trace(lambda x, i: (ops.take(x, i), ops.take(x[::-1], i) * 2), x, where)
        agree(graph, {"x": x, "i": where})
        y = ops.take(x, where)
        graph = trace(lambda i, y: ops.scatter_add(i, y, 11) + 1, where, y)
        agree(graph, {"i": where, "y": y}, scale=4.0)


def test_gathered_rows_feed_a_product() -> None:
    x, w = numbers("float32", 50, 7), numbers("float32", 7, 20)
    where = np.random.default_rng(0).integers(0, 50, 33)

    def f(x: Any, i: Any, w: Any) -> Any:
        h = ops.tanh(ops.take(x, i) @ w)
        return h, ops.sum(h, 0)

    agree(trace(f, x, where, w), {"x": x, "i": where, "w": w})


def test_rows_out_of_range_stay_inside_the_buffer() -> None:
    """They are an error of the caller; memory outside the arguments is not touched."""
    x = numbers("float32", 4, 3)
    where = np.array([-5, 0, 9, 2])
    graph = trace(lambda x, i: ops.take(x, i), x, where)
    (got,) = assert_same_bits(Plan(graph), {"x": x, "i": where})
    assert np.array_equal(got, x[[0, 0, 3, 2]])
    graph = trace(lambda i, x: ops.scatter_add(i, x, 4), where, x)
    (got,) = assert_same_bits(Plan(graph), {"i": where, "x": x})
    assert np.array_equal(got, np.stack([x[1], x[1] * 0, x[3], x[1] * 0]))
