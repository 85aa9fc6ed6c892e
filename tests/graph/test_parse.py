"""The printed form of a graph reads back as an equal graph."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from glassnet import ops
from glassnet.errors import GraphError
from glassnet.graph.build import GraphBuilder
from glassnet.graph.graph import Graph, show
from glassnet.graph.parse import parse
from glassnet.graph.types import Dim, Type
from glassnet.tracing import trace
from tests.fuzz.graphs import Case, cases

TEXT = """\
graph(%0 x: f32[n,3], %1 rows: i32[2]) {
  %2 = constant(dtype='float32', value=-0.5) : f32[]
  %3 = broadcast(%2, shape=(n, 3)) : f32[n,3]
  %4 = mul(%0, %3) : f32[n,3]
  %5 = take(%4, %1) : f32[2,3]
  %6 = literal(value=bool([[True], [False]])) : bool[2,1]
  %7 = sum(%5, axes=(1,), rows=False) : f32[2]
  return %7, %6, %0
}"""


def constant(item: Any, dtype: str | None = None) -> Graph:
    builder = GraphBuilder()
    return builder.finish([builder.constant(item, dtype)])


def test_a_text_is_read_and_printed_as_it_was() -> None:
    graph = parse(TEXT)
    assert show(graph) == TEXT
    assert list(graph.inputs) == ["x", "rows"]
    assert graph.dims == ("n",)
    assert graph.outputs == (7, 6, 0)
    assert graph.nodes[2].attr("value") == -0.5
    assert graph.nodes[6].attr("value").array.tolist() == [[True], [False]]


@settings(max_examples=150)
@given(cases())
def test_random_graphs_read_back(case: Case) -> None:
    text = show(case.graph)
    read = parse(text)
    assert read == case.graph
    assert hash(read) == hash(case.graph)
    assert show(read) == text


@given(st.floats(allow_nan=True), st.sampled_from(("float32", "float64")))
def test_numbers_read_back_to_the_bit(number: float, dtype: str) -> None:
    with np.errstate(over="ignore"):
        graph = constant(np.asarray(number).astype(dtype).item(), dtype)
    read = parse(show(graph))
    assert read == graph
    kept, wanted = read.nodes[0].attr("value"), graph.nodes[0].attr("value")
    assert math.copysign(1, kept) == math.copysign(1, wanted) or math.isnan(wanted)
    assert np.float64(kept).tobytes() == np.float64(wanted).tobytes() or math.isnan(wanted)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, -0.0, 5e-324, 1e22])
def test_odd_numbers(number: float) -> None:
    graph = constant(number)
    assert parse(show(graph)) == graph


def test_zero_and_minus_zero_are_different_graphs() -> None:
    assert constant(0.0) != constant(-0.0)
    assert constant(1.0) != constant(1)


@given(
    hnp.arrays(
        st.sampled_from(("float32", "float64", "int32", "int64", "bool")),
        hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=3),
    )
)
def test_arrays_read_back(array: np.ndarray) -> None:
    graph = constant(array)
    assert parse(show(graph)) == graph


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0), (2, 0, 3)])
def test_empty_arrays_read_back(shape: tuple[int, ...]) -> None:
    graph = constant(np.zeros(shape, "float32"))
    assert parse(show(graph)) == graph


def test_a_graph_without_nodes_or_outputs() -> None:
    builder = GraphBuilder()
    x = builder.input("x", Type("float64", (Dim("n"),)))
    for graph in (builder.finish([x]), builder.finish([x, x]), builder.finish([])):
        assert parse(show(graph)) == graph
    assert parse(show(GraphBuilder().finish([]))) == Graph((), ())


@pytest.mark.parametrize("name", ["a b", "", "a: f32[2], %1 b", "line\nbreak"])
def test_names_that_would_not_read_back_are_refused(name: str) -> None:
    with pytest.raises(GraphError):
        GraphBuilder().input(name, Type("float64", ()))


def test_spaces_and_indents_do_not_matter() -> None:
    assert parse("\n\n" + TEXT.replace("  %", "\t%") + "\n") == parse(TEXT)


WRONG = [
    ("", "begins with graph"),
    ("graph() {\n}", "begins with graph"),
    (TEXT.replace("}", ""), r"ends with \}"),
    (TEXT.replace("%4 = mul", "%9 = mul"), "cannot read '%9 = mul"),
    (TEXT.replace("= mul(", "= multiply("), "there is no op 'multiply'"),
    (TEXT.replace("mul(%0, %3)", "mul(%0, %4)"), "%4: mul reads %4, not defined before it"),
    (TEXT.replace("mul(%0, %3)", "mul(%0, 3)"), "cannot read"),
    (TEXT.replace("mul(%0, %3)", "mul(%0, %)"), "cannot read"),
    (TEXT.replace("mul(%0, %3)", "mul(%0, "), "cannot read"),
    (TEXT.replace("-0.5", "__import__('os')"), "cannot read|is no"),
    (TEXT.replace("f32[2,3]", "f33[2,3]"), r"'f33\[2,3\]' is not a type"),
    (TEXT.replace("f32[2,3]", "f32[2,4]"), r"%5: take gives f32\[2,3\], but the node says"),
    (TEXT.replace("%1 rows", "%2 rows"), 'cannot read "%2 = .*expected %1'),
    (TEXT.replace("return %7", "give %7"), "expected a line 'return …', found 'give %7"),
    (TEXT.replace("return %7", "return %8"), "output %8 is not defined"),
]


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_what_cannot_be_read_is_refused(text: str, message: str) -> None:
    with pytest.raises(GraphError, match=message):
        parse(text)


def test_a_traced_function_reads_back() -> None:
    graph = trace(lambda x: ops.softmax(x)[::-1] + np.array([np.nan, np.inf]), np.zeros((3, 2)))
    assert parse(str(graph)) == graph
