"""What is composed of ops, and what the type rules refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import special

from glassnet import ops
from glassnet.errors import GraphError, ShapeError
from glassnet.graph.build import GraphBuilder
from glassnet.graph.interpret import interpret
from glassnet.graph.op import OPS
from glassnet.graph.types import Dim, Type
from glassnet.pipeline import compile, grad
from glassnet.tracing import trace

X = np.random.default_rng(0).normal(size=(5, 4))

COMPOSED: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "mean of all": (lambda x: ops.mean(x), X.mean()),
    "mean of rows": (lambda x: ops.mean(x, axis=0, keepdims=True), X.mean(0, keepdims=True)),
    "variance": (lambda x: ops.variance(x, axis=-1), X.var(1)),
    "softmax": (lambda x: ops.softmax(x), special.softmax(X, 1)),
    "log_softmax": (lambda x: ops.log_softmax(x), special.log_softmax(X, 1)),
    "logsumexp": (lambda x: ops.logsumexp(x, axis=0), special.logsumexp(X, 0)),
    "logsumexp of all": (lambda x: ops.logsumexp(x), special.logsumexp(X)),
    "argmax": (lambda x: ops.argmax(x), X.argmax(1)),
    "argmin of columns": (lambda x: ops.argmin(x, axis=0), X.argmin(0)),
    "flip": (lambda x: ops.flip(x, 0), X[::-1]),
    "flip of both": (lambda x: ops.flip(x, (0, -1)), X[::-1, ::-1]),
    "stack": (lambda x: ops.stack([x, 2 * x], axis=1), np.stack([X, 2 * X], 1)),
    "concatenate": (lambda x: ops.concatenate([x, x], axis=-1), np.concatenate([X, X], 1)),
    "pad": (lambda x: ops.pad(x, (1, 0), (0, 2)), np.pad(X, ((1, 0), (0, 2)))),
    "reshape with a free size": (lambda x: ops.reshape(x, (2, -1)), X.reshape(2, -1)),
    "slices": (lambda x: x[1:4:2, ::-1], X[1:4:2, ::-1]),
    "an integer index": (lambda x: x[-1], X[-1]),
    "slice as a function": (lambda x: ops.slice(x, (slice(2), 1)), X[:2, 1]),
    "transpose": (lambda x: ops.transpose(x), X.T),
    "matrix times vector": (lambda x: ops.matmul(x, X[0]), X @ X[0]),
    "vector times matrix": (lambda x: ops.matmul(X[:, 0], x), X[:, 0] @ X),
    "vector times vector": (lambda x: ops.matmul(x[0], x[1]), X[0] @ X[1]),
    "many matrices times one": (
        lambda x: ops.matmul(ops.stack([x, -x]), x.T), np.stack([X, -X]) @ X.T,
    ),
    "one matrix times many": (
        lambda x: ops.matmul(x.T, ops.stack([x, -x])), X.T @ np.stack([X, -X]),
    ),
    "many empty matrices times one": (
        lambda x: ops.matmul(ops.stack([x[:, :0], x[:, :0]]), x[:0]), np.zeros((2, 5, 4)),
    ),
    "gathered rows": (lambda x: ops.take(x, np.array([4, 0, 4])), X[[4, 0, 4]]),
}  # fmt: skip


@pytest.mark.parametrize("name", COMPOSED)
def test_compositions_on_values_and_on_arrays(name: str) -> None:
    f, wanted = COMPOSED[name]
    for got in (compile(f)(X), f(X)):
        np.testing.assert_allclose(got, wanted, rtol=1e-13, atol=1e-15)
        assert np.shape(got) == np.shape(wanted)


def test_one_hot_rows() -> None:
    labels = np.array([2, 0, 7], np.int32)
    wanted = [[0, 0, 1], [1, 0, 0], [0, 0, 0]]
    for got in (compile(lambda y: ops.one_hot(y, 3))(labels), ops.one_hot(labels, 3)):
        assert got.tolist() == wanted
        assert got.dtype == np.float32


def test_softmax_is_finite_for_every_finite_score() -> None:
    x = np.array([[3e38, -3e38, 0.0], [-3e38, -3e38, -3e38]], np.float32)
    y, z = compile(lambda x: (ops.softmax(x), ops.log_softmax(x)))(x)
    np.testing.assert_allclose(y, [[1, 0, 0], [1 / 3] * 3], rtol=1e-6)
    assert np.isneginf(z[0, 1])  # -6e38 is beyond float32
    np.testing.assert_allclose(z[1], np.log([1 / 3] * 3), rtol=1e-6)


def test_softmax_of_a_row_with_infinite_scores() -> None:
    """−∞ takes no part; a row of −∞ has no softmax."""
    y = compile(ops.softmax)(np.array([[0.0, -np.inf, 0.0], [-np.inf] * 3]))
    assert y[0].tolist() == [0.5, 0.0, 0.5]
    assert np.isnan(y[1]).all()


def test_extremes_of_nan_and_of_nothing() -> None:
    x = np.array([[1.0, np.nan, 3.0], [2.0, 5.0, 5.0]])
    top, place = compile(lambda x: (ops.max(x, axis=1), ops.argmax(x)))(x)
    np.testing.assert_array_equal(top, [np.nan, 5.0])
    assert place.tolist() == [1, 1]
    empty = compile(lambda x: (ops.max(x, axis=1), ops.sum(x, axis=1)))(np.zeros((2, 0)))
    assert [part.tolist() for part in empty] == [[-np.inf, -np.inf], [0.0, 0.0]]


def test_the_gradient_of_a_maximum_is_shared() -> None:
    x = np.array([2.0, 5.0, 5.0])
    assert grad(ops.max)(x).tolist() == [0.0, 0.5, 0.5]
    assert grad(lambda x: ops.sum(ops.maximum(x, 5.0)))(x).tolist() == [0.0, 0.5, 0.5]
    assert grad(lambda x: ops.sum(ops.relu(x - 5.0)))(x).tolist() == [0.0, 0.0, 0.0]


def test_powers_at_zero_and_below() -> None:
    x = np.array([0.0, -2.0, 3.0])
    np.testing.assert_array_equal(grad(lambda x: ops.sum(x**2.0))(x), 2 * x)
    np.testing.assert_array_equal(grad(lambda x: ops.sum(x**0.0))(x), [0.0, 0.0, 0.0])
    # beside the exponent 2 a power of −2 is not a real number
    slope = grad(lambda y: ops.sum(ops.pow(x, y)))(np.array([2.0, 2.0, 2.0]))
    np.testing.assert_allclose(slope, [0.0, np.nan, 9 * np.log(3.0)], rtol=1e-14)


@pytest.mark.parametrize("exponent", [-1, 0.5, 1, 2, 3, 2.5])
def test_powers_with_a_shorter_way_take_it(exponent: float) -> None:
    x = np.array([0.25, 1.0, 4.0])
    graph = trace(lambda x: x**exponent, x)
    assert ("pow" in [node.op.name for node in graph.nodes]) == (exponent == 2.5)
    (got,) = interpret(graph, {"x": x})
    np.testing.assert_allclose(got, x**exponent, rtol=1e-15)


def test_sums_over_rows_are_marked() -> None:
    """A bias's gradient sums over rows; inner axes go first, by lanes."""
    graph = trace(lambda x: ops.sum(x), Type("float32", (Dim("n"), 3)))
    sums = [node.kwargs for node in graph.nodes if node.op.name == "sum"]
    assert sums == [{"axes": (1,), "rows": False}, {"axes": (0,), "rows": True}]


def test_sizes_known_at_run_time() -> None:
    graph = trace(lambda x: (ops.mean(x), ops.argmax(x, axis=0)), Type("float32", (Dim("n"), 2)))
    x = np.array([[1.0, 2.0], [3.0, 0.0], [5.0, 1.0]], np.float32)
    mean, place = interpret(graph, {"x": x})
    assert float(mean) == 2.0
    assert place.tolist() == [2, 0]


def f32(*shape: Any) -> Type:
    return Type("float32", shape)


REFUSED: list[tuple[str, tuple[Type, ...], dict[str, Any], str]] = [
    ("add", (f32(2), Type("float64", (2,))), {}, r"add: .*f32\[2\] and f64\[2\].*one dtype"),
    ("add", (f32(2), f32(3)), {}, r"add: .*one shape"),
    ("exp", (Type("int32", (2,)),), {}, r"exp: .*i32\[2\]; wanted float32 or float64"),
    ("logical_and", (f32(2), f32(2)), {}, r"wanted bool"),
    ("where", (f32(2), f32(2), f32(2)), {}, r"wanted a bool condition"),
    ("cast", (f32(2),), {"dtype": "float16"}, r"cast: to 'float16'; wanted float32"),
    ("matmul", (f32(2, 3), f32(2, 3)), {}, r"matmul: f32\[2,3\] times f32\[2,3\]; wanted"),
    ("matmul", (f32(3), f32(3)), {}, r"ops.matmul also takes vectors"),
    ("sum", (f32(2, 3),), {"axes": (1,), "rows": True}, r"rows=True with axes \[1\]"),
    ("max", (f32(2, 3),), {"axes": (2,)}, r"max: axes \[2\] of f32\[2,3\]"),
    ("sum", (Type("bool", (2,)),), {"axes": (0,)}, r"sum: .*wanted float32"),
    ("reshape", (f32(2, 3),), {"shape": (4,)}, r"has 6 elements, \[4\] has 4"),
    ("reshape", (f32(Dim("n"), 3),), {"shape": (3,)}, r"has 3\*n elements"),
    ("transpose", (f32(2, 3),), {"axes": (0, 0)}, r"transpose: axes \[0, 0\]"),
    ("broadcast", (f32(3),), {"shape": (3, 2)}, r"f32\[3\] to \[3,2\]"),
    ("slice", (f32(3),), {"starts": (0,), "stops": (4,), "steps": (1,)}, r"axis 0 of size 3"),
    (
        "slice", (f32(Dim("n")),), {"starts": (1,), "stops": (Dim("n"),), "steps": (1,)},
        r"wanted the whole axis",
    ),
    ("concatenate", (f32(2, 3), f32(3, 3)), {"axis": 1}, r"equal sizes on the other axes"),
    ("pad", (f32(2),), {"low": (-1,), "high": (0,), "steps": (1,)}, r"0 or more"),
    ("take", (f32(2, 3), f32(2)), {}, r"take: .*wanted int32 or int64"),
    ("scatter_add", (Type("int32", (3,)), f32(2)), {"size": 4}, r"one index per row"),
    ("iota", (), {"shape": (2,), "axis": 1, "dtype": "int64"}, r"iota: axis 1 of \[2\]"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "types", "attrs", "message"), REFUSED)
def test_type_rules_say_what_they_saw_and_what_they_want(
    name: str, types: tuple[Type, ...], attrs: dict[str, Any], message: str
) -> None:
    with pytest.raises(ShapeError, match=message):
        OPS[name].infer(*types, **attrs)


def test_axes_are_named_once_and_exist() -> None:
    with pytest.raises(ShapeError, match="name one axis twice"):
        ops.sum(X, axis=(0, -2))
    with pytest.raises(ShapeError, match="axis 2 of a value of rank 2"):
        ops.mean(X, axis=2)
    with pytest.raises(ShapeError, match="wanted an axis of size 1"):
        ops.squeeze(X, 0)
    with pytest.raises(ShapeError, match="no size fits the -1"):
        ops.reshape(X, (3, -1))
    with pytest.raises(ShapeError, match="single number"):
        ops.matmul(2.0, X)


def test_an_input_has_no_rule_of_its_own() -> None:
    with pytest.raises(GraphError, match="declared"):
        OPS["input"].infer(name="x")
    with pytest.raises(GraphError, match="pass an array"):
        OPS["input"].numpy(name="x")
    assert GraphBuilder().input("x", f32(2)).type == f32(2)
