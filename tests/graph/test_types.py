"""Types print, parse back, and fit arrays or not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassnet.errors import GraphError
from glassnet.graph.types import LONG, Dim, Type, bind, match_dims, parse_type, type_of

SIZES = st.one_of(st.integers(0, 10**12), st.sampled_from(["n", "batch", "rows_2", "N"]).map(Dim))
TYPES = st.builds(Type, st.sampled_from(sorted(LONG.values())), st.lists(SIZES).map(tuple))


@pytest.mark.parametrize(
    ("type", "text"),
    [
        (Type("float32", (Dim("n"), 64)), "f32[n,64]"),
        (Type("float64", ()), "f64[]"),
        (Type("int32", (0,)), "i32[0]"),
        (Type("int64", (Dim("n"), Dim("n"))), "i64[n,n]"),
        (Type("bool", (2, 3, 4)), "bool[2,3,4]"),
    ],
)
def test_printed_form(type: Type, text: str) -> None:
    assert str(type) == text
    assert parse_type(text) == type


@given(TYPES)
def test_printed_form_parses_back(type: Type) -> None:
    assert parse_type(str(type)) == type


@pytest.mark.parametrize("text", ["", "f32", "f16[3]", "f32[3", "f32(3)", "f32[3;4]", "f32[-1]"])
def test_what_is_no_type_is_refused(text: str) -> None:
    with pytest.raises(GraphError, match="is not a type; a type looks like"):
        parse_type(text)


def test_dims_are_equal_by_name() -> None:
    assert Dim("n") == Dim("n")
    assert Dim("n") != Dim("m")
    assert Type("float32", (Dim("n"),)) != Type("float32", (3,))


@pytest.mark.parametrize("dtype", sorted(LONG.values()))
def test_type_of_an_array(dtype: str) -> None:
    assert type_of(np.zeros((2, 0), dtype)) == Type(dtype, (2, 0))


@pytest.mark.parametrize("dtype", ["float16", "uint8", "complex64", "U3", "object"])
def test_type_of_another_dtype_is_refused(dtype: str) -> None:
    with pytest.raises(GraphError, match=r"is not supported in a graph; use one of"):
        type_of(np.zeros(3, dtype))


def test_match_dims_learns_sizes_and_holds_to_them() -> None:
    n, m = Dim("n"), Dim("m")
    dims: dict[str, int] = {}
    assert match_dims((n, 3, m), (5, 3, 7), dims)
    assert dims == {"n": 5, "m": 7}
    assert match_dims((m, n), (7, 5), dims)
    assert not match_dims((n,), (6,), dims)
    assert not match_dims((n, 3), (5, 4), dims)
    assert not match_dims((n,), (5, 1), dims)
    assert bind((n, 3, m), dims) == (5, 3, 7)
