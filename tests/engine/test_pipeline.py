"""Functions compiled and differentiated through the public names."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet import ops
from glassnet.errors import GraphError, ShapeError
from glassnet.pipeline import compile_graph
from glassnet.run.compiled import Compiled
from glassnet.run.program import Plan
from glassnet.tracing import trace


def test_a_function_is_computed_for_every_type_it_meets() -> None:
    seen: list[str] = []

    @gn.compile
    def f(x: Any) -> Any:
        seen.append(str(x.type))
        return 2 * x

    assert f(np.arange(3)).tolist() == [0, 2, 4]
    assert f(np.arange(3) + 1).tolist() == [2, 4, 6]
    assert f(np.arange(3.0)).tolist() == [0.0, 2.0, 4.0]
    assert f(np.ones((2, 1), "float32")).tolist() == [[2.0], [2.0]]
    assert f(1.5) == 3.0
    assert f([1, 2]).tolist() == [2, 4]
    assert seen == ["i64[3]", "f64[3]", "f32[2,1]", "f64[]", "i64[2]"]


@pytest.mark.parametrize(
    "make",
    [
        lambda x: x[::2],
        lambda x: x[:, ::-1],
        lambda x: x.T,
        lambda x: np.asfortranarray(x),
        lambda x: x.astype(">f8"),
        lambda x: np.broadcast_to(x[0], x.shape),
        lambda x: np.frombuffer(b"\0" + x.tobytes(), np.uint8)[1:].view(np.float64),
    ],
)
def test_arrays_in_any_layout(make: Any) -> None:
    x = make(np.arange(24.0).reshape(4, 6))
    got = gn.compile(lambda x: x + 1.0)(x)
    assert np.array_equal(got, x + 1.0)
    assert got.dtype == np.float64


def test_arguments_stay_as_they_were_and_results_are_new() -> None:
    f = gn.compile(lambda x: (x, x * 2.0))
    x = np.arange(3.0)
    first = f(x)
    second = f(x + 1.0)
    assert x.tolist() == [0.0, 1.0, 2.0]
    assert [a.tolist() for a in first] == [[0.0, 1.0, 2.0], [0.0, 2.0, 4.0]]
    assert [a.tolist() for a in second] == [[1.0, 2.0, 3.0], [2.0, 4.0, 6.0]]
    assert not any(np.shares_memory(a, x) for a in first)


def test_what_a_function_may_return() -> None:
    x = np.arange(3.0)
    assert isinstance(gn.compile(lambda x: (x,))(x), tuple)
    assert isinstance(gn.compile(lambda x: [x, x])(x), tuple)
    whole, number, array = gn.compile(lambda x: (x, 2.5, np.ones(2, "int32")))(x)
    assert (whole.tolist(), number.item(), array.tolist()) == ([0.0, 1.0, 2.0], 2.5, [1, 1])
    assert gn.compile(lambda x: x.T)(np.ones((2, 3))).flags.c_contiguous
    for wrong in (lambda x: None, lambda x: "text", lambda x: {"a": x}):
        with pytest.raises(GraphError, match="a traced function returned"):
            gn.compile(wrong)(x)


def test_a_branch_on_a_value_is_refused_with_the_way_out() -> None:
    with pytest.raises(GraphError, match=r"use ops\.where"):
        gn.compile(lambda x: x if x > 0 else -x)(1.0)


def test_compiled_functions_compose() -> None:
    square = gn.compile(lambda x: x * x)
    f = gn.compile(lambda x: square(x) + square(x + 1.0))
    assert f(2.0) == 4.0 + 9.0
    assert gn.grad(lambda x: square(x))(3.0) == 6.0


def test_gradients_of_any_order() -> None:
    """x⁴ and its derivatives 4x³, 12x², 24x, 24, 0 at x = 3."""
    f = lambda x: x * x * x * x  # noqa: E731
    found = [gn.compile(f)(3.0).item()]
    for _ in range(5):
        f = gn.grad(f)
        found.append(f(3.0).item())
    assert found == [81.0, 108.0, 108.0, 72.0, 24.0, 0.0]


def test_gradients_by_several_arguments() -> None:
    def f(x: Any, w: Any, b: Any) -> Any:
        return ops.sum(x * w) + b

    x, w = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    value, by_w = gn.value_and_grad(f, argnums=1)(x, w, 0.5)
    assert (value.item(), by_w.tolist()) == (11.5, [1.0, 2.0])
    value, parts = gn.value_and_grad(f, argnums=(0, 2))(x, w, 0.5)
    assert [part.tolist() for part in parts] == [[3.0, 4.0], 1.0]
    assert gn.grad(f)(x, w, 0.5).tolist() == [3.0, 4.0]


def test_what_does_not_depend_on_an_argument_has_a_zero_gradient() -> None:
    assert gn.grad(lambda x, y: ops.sum(y))(np.ones(2), np.ones(3)).tolist() == [0.0, 0.0]
    assert gn.grad(lambda x: ops.sum(ops.stop_gradient(x)))(np.ones(2)).tolist() == [0.0, 0.0]


def test_gradients_that_do_not_exist_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"gradient of f64\[2\]; wanted one number"):
        gn.grad(lambda x: x)(np.ones(2))
    assert gn.grad(lambda x: ops.sum(x * x))(np.arange(2)).tolist() == [0.0, 2.0]  # of 0.0 and 1.0


def test_wrong_dtypes_are_refused() -> None:
    with pytest.raises(GraphError, match="dtype float16 is not supported in a graph"):
        gn.compile(lambda x: x)(np.ones(2, "float16"))
    with pytest.raises(GraphError, match="is not supported in a graph"):
        gn.compile(lambda x: x)(np.array(["a"]))


def test_the_graph_is_simplified_before_it_is_compiled() -> None:
    x = np.ones((2, 3), "float32")
    program = compile_graph(trace(lambda x: ops.exp(x * 1.0) + ops.exp(x), x))
    assert isinstance(program, Compiled)
    names = [node.op.name for node in program.simplify(program.plan.graph).nodes]
    assert names == ["input", "exp", "add"]


def test_donation_stepping_and_collecting_by_keyword() -> None:
    graph = trace(lambda x, y: (x + y, x), np.zeros(2), np.zeros(2))
    program = compile_graph(graph, donate={"x": 0}, stepped={"y"}, collect={1})
    assert program.plan == Plan(graph, {"x": 0}, frozenset({"y"}), frozenset({1}))
    args = {"x": np.zeros(2), "y": np.arange(6.0).reshape(3, 2)}
    new, old = program.run(args, steps=3)
    assert new.tolist() == [6.0, 9.0]
    assert old.tolist() == [[0.0, 0.0], [0.0, 1.0], [2.0, 4.0]]
