"""Every record against NumPy: type rule, meaning, compiled code, gradients of first and second
order. The cases come from the records, so a new op is tested by having one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from glassnet import ops
from glassnet.gradient import gradients
from glassnet.graph.build import GraphBuilder
from glassnet.graph.graph import Graph
from glassnet.graph.interpret import interpret
from glassnet.graph.op import OPS, Op, Value
from glassnet.graph.types import FLOATS, Type, type_of
from glassnet.pipeline import compile_graph
from glassnet.tracing import trace
from tests.ops.arguments import CASES, case_name, draw, dtype_choices, gradient_cases

BY_NAME = ("stop_gradient", "cast")  # whose gradient is not a slope; they have tests of their own
GRADIENTS = [case for case in gradient_cases() if case[0].name not in BY_NAME]


def graph_of(op: Op, arrays: list[np.ndarray], attrs: Any) -> Graph:
    return trace(lambda *xs: op(*xs, **attrs), *arrays)


@pytest.mark.parametrize(("op", "shapes", "attrs"), CASES, ids=case_name)
def test_the_type_is_what_numpy_gives(op: Op, shapes: Any, attrs: Any) -> None:
    choices = list(dtype_choices(op, len(shapes), attrs))
    assert choices
    for dtypes in choices:
        arrays = draw(op, shapes, attrs, dtypes)
        graph = graph_of(op, arrays, attrs)
        with np.errstate(all="ignore"):
            wanted = np.asarray(op.numpy(*arrays, **attrs))
        assert graph.output_types == (type_of(wanted),), dtypes


@pytest.mark.parametrize(("op", "shapes", "attrs"), CASES, ids=case_name)
def test_compiled_code_does_what_numpy_does(op: Op, shapes: Any, attrs: Any) -> None:
    for dtypes in dtype_choices(op, len(shapes), attrs):
        arrays = draw(op, shapes, attrs, dtypes)
        graph = graph_of(op, arrays, attrs)
        inputs = dict(zip(graph.inputs, arrays, strict=True))
        (got,) = compile_graph(graph).run(inputs)
        (wanted,) = interpret(graph, inputs)
        if wanted.dtype.kind == "f":
            tolerance = 20 * np.finfo(wanted.dtype).eps
            np.testing.assert_allclose(got, wanted, rtol=tolerance, atol=tolerance)
        else:
            np.testing.assert_array_equal(got, wanted)


def weighted(op: Op, attrs: Any, weights: np.ndarray) -> Callable[..., Any]:
    """A scalar function: the op's result times fixed weights, summed."""
    return lambda *xs: ops.sum(op(*xs, **attrs) * weights)


def gradient_graph(f: Callable[..., Any], arrays: list[np.ndarray], order: int) -> Graph:
    """f and its gradients; at order 2 the gradients of a weighted sum of the gradients."""
    builder = GraphBuilder()
    xs = [builder.input(f"x{i}", type_of(array)) for i, array in enumerate(arrays)]
    wanted = [x for x in xs if x.dtype in FLOATS]
    y = f(*xs)
    for level in range(order - 1):
        parts = [ops.sum(g * weights_for(g, level)) for g in gradients(y, wanted)]
        y = parts[0]
        for part in parts[1:]:
            y = y + part
    return builder.finish([y, *gradients(y, wanted)])


def weights_for(g: Value, level: int) -> np.ndarray:
    return np.cos(np.arange(int(np.prod(g.shape)), dtype=np.float64) + level).reshape(g.shape)


def error(graph: Graph, arrays: list[np.ndarray], step: float = 1e-5) -> float:
    """The largest distance, relative to the largest slope, between gradients and central
    differences of the graph's first output."""
    names = list(graph.inputs)
    floats = [i for i, array in enumerate(arrays) if array.dtype == np.float64]

    def outputs(changed: list[np.ndarray]) -> list[np.ndarray]:
        return interpret(graph, dict(zip(names, changed, strict=True)))

    worst, scale = 0.0, 1.0
    for place, gradient in zip(floats, outputs(arrays)[1:], strict=True):
        for index in np.ndindex(gradient.shape):
            ends = []
            for sign in (1, -1):
                changed = [array.copy() for array in arrays]
                changed[place][index] += sign * step
                ends.append(float(outputs(changed)[0]))
            slope = (ends[0] - ends[1]) / (2 * step)
            worst = max(worst, abs(slope - gradient[index]))
            scale = max(scale, abs(slope))
    return worst / scale


def result_weights(op: Op, arrays: list[np.ndarray], attrs: Any) -> np.ndarray:
    shape = np.shape(op.numpy(*arrays, **attrs))
    return np.sin(np.arange(int(np.prod(shape)), dtype=np.float64) + 1).reshape(shape)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize(("op", "shapes", "attrs", "dtypes"), GRADIENTS, ids=case_name)
def test_gradients_are_central_differences(
    op: Op, shapes: Any, attrs: Any, dtypes: tuple[str, ...], order: int
) -> None:
    arrays = draw(op, shapes, attrs, dtypes)
    f = weighted(op, attrs, result_weights(op, arrays, attrs))
    assert error(gradient_graph(f, arrays, order), arrays) < 1e-8 * 10**order


def test_a_wrong_derivative_is_caught() -> None:
    """Every smooth op of one argument, with 1.001 times its gradient."""
    names = []
    for op, shapes, attrs, dtypes in GRADIENTS:
        arrays = draw(op, shapes, attrs, dtypes)
        used = min(arrays[0].size, result_weights(op, arrays, attrs).size)
        if op.arity == 1 and op.smooth and used:
            wrong = replace(op, vjp=lambda *a, op=op, **k: [1.001 * g for g in op.vjp(*a, **k)])
            f = weighted(wrong, attrs, result_weights(op, arrays, attrs))
            assert error(gradient_graph(f, arrays, 1), arrays) > 1e-5, op
            names.append(op.name)
    assert {"exp", "tanh", "sigmoid", "transpose", "sum"} <= set(names)


def test_a_constant_for_derivatives() -> None:
    x = np.array([1.0, 2.0])
    (_, slope) = interpret(
        gradient_graph(lambda x: ops.sum(x * ops.stop_gradient(x)), [x], 1), {"x0": x}
    )
    np.testing.assert_array_equal(slope, x)


def test_the_gradient_passes_a_cast() -> None:
    x = np.array([0.5, 2.0])

    def f(x: Any) -> Any:
        return ops.cast(ops.sum(ops.square(ops.cast(x, "float32"))), "float64")

    (_, slope) = interpret(gradient_graph(f, [x], 1), {"x0": x})
    np.testing.assert_array_equal(slope, 2 * x)
    assert slope.dtype == np.float64


def test_every_record_is_complete() -> None:
    for op in OPS.values():
        assert op.formula, op
        assert op.kind in ("contract", "source") or op.code is not None, op
        assert op.arity == 0 or op.examples, op
        assert op.infer is not None, op


def test_numbers_take_the_dtype_beside_them() -> None:
    x = np.ones(3, np.float32)
    graph = trace(lambda x: ops.maximum(x, 0.5) * 2 - ops.where(x > 0, 1, x), x)
    assert graph.output_types == (Type("float32", (3,)),)
