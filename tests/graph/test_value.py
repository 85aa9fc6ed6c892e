"""Values: operators, slices, and the questions that have no answer while tracing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassnet.errors import GraphError
from glassnet.graph.build import GraphBuilder
from glassnet.graph.interpret import interpret
from glassnet.graph.op import Value
from glassnet.graph.types import Dim, Type


def value(*shape: Any, dtype: str = "float64") -> Value:
    return GraphBuilder().input("x", Type(dtype, shape))


def meaning(y: Value, x: np.ndarray) -> np.ndarray:
    return interpret(y.builder.finish([y]), {"x": x})[0]  # type: ignore[attr-defined]


OPERATORS = [
    (lambda x: x + 2, [3.0, 4.0, 6.0]),
    (lambda x: 2 + x, [3.0, 4.0, 6.0]),
    (lambda x: x - 1, [0.0, 1.0, 3.0]),
    (lambda x: 1 - x, [0.0, -1.0, -3.0]),
    (lambda x: x * 3, [3.0, 6.0, 12.0]),
    (lambda x: 3 * x, [3.0, 6.0, 12.0]),
    (lambda x: x / 2, [0.5, 1.0, 2.0]),
    (lambda x: 4 / x, [4.0, 2.0, 1.0]),
    (lambda x: x**2, [1.0, 4.0, 16.0]),
    (lambda x: -x, [-1.0, -2.0, -4.0]),
    (lambda x: x < 2, [True, False, False]),
    (lambda x: x <= 2, [True, True, False]),
    (lambda x: x > 2, [False, False, True]),
    (lambda x: x >= 2, [False, True, True]),
    (lambda x: np.array([1.0, 2.0, 3.0]) + x, [2.0, 4.0, 7.0]),
    (lambda x: np.float64(1.0) + x, [2.0, 3.0, 5.0]),
    (lambda x: x.T, [1.0, 2.0, 4.0]),
]


@pytest.mark.parametrize(("f", "wanted"), OPERATORS)
def test_operators(f: Any, wanted: Any) -> None:
    assert meaning(f(value(3)), np.array([1.0, 2.0, 4.0])).tolist() == wanted


def test_the_matrix_operator() -> None:
    x = np.array([[1.0, 2.0], [3.0, 4.0]])
    column, row = np.array([[1.0], [10.0]]), np.array([[1.0, 10.0]])
    assert meaning(value(2, 2) @ column, x).tolist() == [[21.0], [43.0]]
    assert meaning(row @ value(2, 2), x).tolist() == [[31.0, 42.0]]


INDEX = st.one_of(st.integers(-6, 6), st.slices(5))


@settings(max_examples=300)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=3), st.data())
def test_slices_are_numpys(shape: list[int], data: Any) -> None:
    array = np.arange(float(np.prod(shape))).reshape(shape)
    count = data.draw(st.integers(0, len(shape)))
    key = tuple(data.draw(INDEX) for _ in range(count))
    try:
        wanted = array[key]
    except IndexError:
        with pytest.raises(GraphError, match="is outside axis"):
            value(*shape)[key]
    else:
        got = meaning(value(*shape)[key], array)
        assert got.shape == wanted.shape
        assert np.array_equal(got, wanted)


def test_an_axis_of_run_time_size_is_taken_whole() -> None:
    x = value(Dim("n"), 3)
    assert x[:, 1].type == Type("float64", (Dim("n"),))
    for key in (0, slice(0, 2), slice(None, None, -1)):
        with pytest.raises(GraphError, match=r"axis 0 has n elements, known at run time"):
            x[key]


@pytest.mark.parametrize("key", ["a", 1.5, [0.5, 1], np.array([True, False, True])])
def test_other_indices_are_refused(key: Any) -> None:
    with pytest.raises(GraphError, match=r"is not an integer or slice; use ops\.take"):
        value(3)[key]


def test_too_many_indices() -> None:
    with pytest.raises(GraphError, match="2 indices for a value of 1 axis"):
        value(3)[0, 0]


def test_truth_and_length_have_no_answer() -> None:
    x = value(3)
    with pytest.raises(GraphError, match=r"not known while tracing; use ops\.where"):
        bool(x > 0)
    with pytest.raises(GraphError, match="not known while tracing"):
        _ = 0 < x < 1
    rows = value(Dim("n"), 3)
    with pytest.raises(GraphError, match="cannot be iterated or measured"):
        len(rows)
    with pytest.raises(GraphError, match="cannot be iterated or measured"):
        list(rows)
    for asked in (float, int, np.asarray, np.array):
        with pytest.raises(GraphError, match="has no numbers while tracing"):
            asked(x)


def test_properties() -> None:
    x = value(2, Dim("n"), dtype="int32")
    assert (x.shape, x.dtype, x.ndim) == ((2, Dim("n")), "int32", 2)
    assert x.T.shape == (Dim("n"), 2)
    assert repr(x) == "<%0 : i32[2,n]>"
