"""Building graphs: lifting of numbers, the broadcasting rule, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassnet import ops
from glassnet.errors import GraphError, ShapeError
from glassnet.graph.build import GraphBuilder, broadcast_shape
from glassnet.graph.op import Value
from glassnet.graph.types import Dim, Type

SHAPES = st.lists(st.sampled_from((0, 1, 1, 2, 3)), max_size=4).map(tuple)


def inputs(*types: Type) -> list[Value]:
    builder = GraphBuilder()
    return [builder.input(f"x{i}", type) for i, type in enumerate(types)]


@given(st.lists(SHAPES, min_size=1, max_size=3))
def test_broadcasting_is_numpys(shapes: list[tuple[int, ...]]) -> None:
    try:
        wanted: Any = np.broadcast_shapes(*shapes)
    except ValueError:
        with pytest.raises(ShapeError, match="do not fit; aligned on the right"):
            broadcast_shape("add", shapes)
    else:
        assert broadcast_shape("add", shapes) == wanted


def test_a_run_time_size_fits_itself_and_1_only() -> None:
    n, m = Dim("n"), Dim("m")
    assert broadcast_shape("add", [(n, 1), (1, 3)]) == (n, 3)
    assert broadcast_shape("add", [(n,), (4, n)]) == (4, n)
    for other in (m, 4):
        with pytest.raises(ShapeError, match=f"axis -1 has n and {other}"):
            broadcast_shape("add", [(n,), (other,)])


def test_broadcasts_become_nodes() -> None:
    x, y = inputs(Type("float32", (2, 3)), Type("float32", (3,)))
    graph = x.builder.finish([x + y])  # type: ignore[attr-defined]
    assert str(graph) == (
        "graph(%0 x0: f32[2,3], %1 x1: f32[3]) {\n"
        "  %2 = broadcast(%1, shape=(2, 3)) : f32[2,3]\n"
        "  %3 = add(%0, %2) : f32[2,3]\n"
        "  return %3\n"
        "}"
    )


@pytest.mark.parametrize(
    ("dtype", "number", "result"),
    [
        ("float32", 1, "float32"),
        ("float32", 1.5, "float32"),
        ("float64", 1, "float64"),
        ("int32", 2, "int32"),
        ("int64", 2, "int64"),
    ],
)
def test_a_number_takes_the_dtype_beside_it(dtype: str, number: Any, result: str) -> None:
    (x,) = inputs(Type(dtype, (2,)))
    assert (x + number).dtype == result
    assert (number - x).dtype == result


def test_an_array_takes_the_dtype_of_the_value_beside_it() -> None:
    x, y, i = inputs(Type("float32", (2,)), Type("float64", (2,)), Type("int32", (2,)))
    for array in (np.ones(2), np.ones(2, "float32"), np.array([1, 2]), [1.5, 2.5]):
        assert (x + array).dtype == (array + x).dtype == "float32"
        assert (y * array).dtype == "float64"
    assert (i + np.array([1, 2])).dtype == "int32"
    assert ops.take(x, np.array([0, 1])).dtype == "float32"  # row numbers stay whole
    with pytest.raises(ShapeError, match=r"add: arguments are i32\[2\] and f64\[2\]"):
        i + np.array([0.5, 1.5])
    with pytest.raises(GraphError, match="out of the range of int32"):
        i + np.array([2**40, 0])


def test_the_condition_does_not_decide_the_dtype() -> None:
    cond, x = inputs(Type("bool", (2,)), Type("float32", (2,)))
    assert ops.where(cond, x, 0.0).dtype == "float32"


REFUSED = [
    (lambda x: x + "a", "str 'a' is not a number or array"),
    (lambda x: x + 1j, "complex 1j is not a number or array"),
    (lambda x: x + None, "NoneType None is not a number or array"),
    (lambda x: x + np.array(["a"]), "is not a number or array"),
    (lambda x: x + inputs(Type("float32", ()))[0], "belongs to another graph"),
    (lambda x: x.builder.constant(np.zeros(2, "float16")), "a constant of dtype float16; use"),
    (lambda x: x.builder.finish(inputs(Type("float32", ()))), "belongs to another graph"),
    (lambda x: x.builder.input("x0", Type("float32", ())), "two inputs are called 'x0'"),
    (lambda x: x.builder.input("late", (x + 1.0).type), "'late' comes after other nodes"),
]


@pytest.mark.parametrize(("build", "message"), REFUSED)
def test_what_is_refused(build: Any, message: str) -> None:
    (x,) = inputs(Type("float32", (2,)))
    with pytest.raises(GraphError, match=message):
        build(x)


def test_the_number_of_arguments_is_checked() -> None:
    (x,) = inputs(Type("float32", (2,)))
    with pytest.raises(ShapeError, match="add takes 2 arguments, got 3"):
        ops.add(x, x, x)


def test_numbers_and_arrays_become_constants_and_literals() -> None:
    builder = GraphBuilder()
    builder.constant(2.5, "float32")
    builder.constant(np.int32(7))
    builder.constant(np.array([[True, False]]))
    builder.constant(3)
    assert str(builder.finish([builder.value(i) for i in range(4)])) == (
        "graph() {\n"
        "  %0 = constant(dtype='float32', value=2.5) : f32[]\n"
        "  %1 = constant(dtype='int32', value=7) : i32[]\n"
        "  %2 = literal(value=bool([[True, False]])) : bool[1,2]\n"
        "  %3 = constant(dtype='int64', value=3) : i64[]\n"
        "  return %0, %1, %2, %3\n"
        "}"
    )


def test_a_literal_is_a_copy() -> None:
    builder = GraphBuilder()
    array = np.ones(2)
    builder.constant(array)
    graph = builder.finish([builder.value(0)])
    array[:] = 5
    kept = graph.nodes[0].attr("value").array
    assert kept.tolist() == [1.0, 1.0]
    assert not kept.flags.writeable
