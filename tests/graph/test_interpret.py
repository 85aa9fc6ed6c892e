"""The interpreter: what a graph means, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from glassnet import ops
from glassnet.errors import ShapeError
from glassnet.graph.build import GraphBuilder
from glassnet.graph.graph import Graph
from glassnet.graph.interpret import interpret
from glassnet.graph.resize import resize
from glassnet.graph.types import Dim, Type
from glassnet.tracing import trace

N = Dim("n")


def layer() -> Graph:
    return trace(
        lambda x, w, b: ops.maximum(x @ w + b, 0.0),
        Type("float32", (N, 2)),
        Type("float32", (2, 1)),
        Type("float32", (1,)),
    )


def test_a_layer_by_hand() -> None:
    # (1, 2)·(3, −1) + 0.5 = 1.5;  (−1, 4)·(3, −1) + 0.5 = −6.5, cut at 0
    args = {
        "x": np.array([[1, 2], [-1, 4]], "float32"),
        "w": np.array([[3], [-1]], "float32"),
        "b": np.array([0.5], "float32"),
    }
    (y,) = interpret(layer(), args)
    assert y.tolist() == [[1.5], [0.0]]
    assert y.dtype == np.float32


def test_wide_means_float64_throughout() -> None:
    graph = trace(lambda x: (x + 1.0) - 1.0, Type("float32", ()))
    tiny = np.float32(2.0**-30)
    assert interpret(graph, {"x": tiny})[0] == 0.0
    (wide,) = interpret(graph, {"x": tiny}, wide=True)
    assert wide.dtype == np.float64
    assert wide == 2.0**-30


def test_wide_leaves_integers_and_truth_alone() -> None:
    graph = trace(lambda x, k: (k + 1, ops.less(x, 0.0)), Type("float32", ()), Type("int32", ()))
    number, truth = interpret(graph, {"x": np.float32(-1), "k": np.int32(4)}, wide=True)
    assert (number.dtype.name, number.item()) == ("int32", 5)
    assert (truth.dtype.name, truth.item()) == ("bool", True)


def test_a_cast_to_float32_is_wide_too() -> None:
    graph = trace(lambda x: ops.cast(x, "float32"), Type("float64", ()))
    assert interpret(graph, {"x": np.float64(0.1)}, wide=True)[0] == 0.1
    assert interpret(graph, {"x": np.float64(0.1)})[0] == np.float32(0.1)


def test_run_time_sizes_reach_attributes() -> None:
    graph = trace(lambda x: ops.mean(x, 0), Type("float64", (N, 2)))
    (y,) = interpret(graph, {"x": np.array([[1.0, 10.0], [2.0, 20.0], [6.0, 60.0]])})
    assert y.tolist() == [3.0, 30.0]


def test_a_specialised_graph_means_the_same() -> None:
    graph = layer()
    known = resize(graph, {Dim("n"): 2})
    assert known.dims == ()
    assert known.output_types == (Type("float32", (2, 1)),)
    assert resize(graph, {}) == graph
    args = {
        "x": np.ones((2, 2), "float32"),
        "w": np.ones((2, 1), "float32"),
        "b": np.zeros(1, "float32"),
    }
    assert (
        interpret(known, args)[0].tolist() == interpret(graph, args)[0].tolist() == [[2.0], [2.0]]
    )


def test_shapes_that_do_not_fit_are_named() -> None:
    one, w, b = np.ones((2, 2)), np.ones((2, 1)), np.ones(1)
    with pytest.raises(ShapeError, match="inputs are x, w, b; got x, w"):
        interpret(layer(), {"x": one, "w": w})
    with pytest.raises(ShapeError, match="inputs are x, w, b; got none"):
        interpret(layer(), {})
    with pytest.raises(
        ShapeError, match=r"input 'w' has shape \[3, 1\], wanted f32\[2,1\] with n=2"
    ):
        interpret(layer(), {"x": one, "w": np.ones((3, 1)), "b": b})


def test_one_size_for_one_name() -> None:
    builder = GraphBuilder()
    x = builder.input("x", Type("float64", (N,)))
    y = builder.input("y", Type("float64", (N,)))
    graph = builder.finish([x + y])
    with pytest.raises(ShapeError, match=r"input 'y' has shape \[4\], wanted f64\[n\] with n=3"):
        interpret(graph, {"x": np.ones(3), "y": np.ones(4)})


def test_numpys_warnings_stay_inside() -> None:
    graph = trace(lambda x: ops.log(x) / x, Type("float64", ()))
    assert np.isneginf(interpret(graph, {"x": np.float64(0.0)})[0])


def test_outputs_may_repeat_and_may_be_inputs() -> None:
    builder = GraphBuilder()
    x = builder.input("x", Type("float64", (2,)))
    y = x + 1.0
    found = interpret(builder.finish([y, x, y]), {"x": np.array([1.0, 2.0])})
    assert [a.tolist() for a in found] == [[2.0, 3.0], [1.0, 2.0], [2.0, 3.0]]
