"""Graphs with other sizes, and the digests by which their code is found again."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from glassnet import nn, ops
from glassnet.errors import GraphError, ShapeError
from glassnet.graph.graph import Graph
from glassnet.graph.interpret import interpret
from glassnet.graph.legality import check
from glassnet.graph.op import OPS
from glassnet.graph.resize import digest, open_widths, resize
from glassnet.graph.types import Dim, Type
from glassnet.tracing import trace


def network(*sizes: int) -> Graph:
    layers = [layer for a, b in pairwise(sizes) for layer in (nn.Linear(a, b), nn.Tanh())]
    return nn.Sequential(*layers).graph()


def test_widths_are_called_by_their_order() -> None:
    sizes = open_widths(network(7, 30, 20, 3), {7, 20, 30})
    assert sizes == {7: Dim("width0"), 30: Dim("width1"), 20: Dim("width2")}


def test_networks_of_other_widths_become_equal() -> None:
    one, two = network(7, 30, 20, 3), network(5, 8, 9, 3)
    opened = [
        check(resize(g, open_widths(g, s))) for g, s in ((one, {7, 30, 20}), (two, {5, 8, 9}))
    ]
    assert str(opened[0]) == str(opened[1])
    assert digest(one, open_widths(one, {7, 30, 20})) == digest(two, open_widths(two, {5, 8, 9}))
    assert digest(one, {}) != digest(two, {})


def test_there_and_back_again() -> None:
    graph = network(7, 30, 20, 3)
    sizes = open_widths(graph, {7, 30, 20})
    back = {dim: number for number, dim in sizes.items()}
    assert resize(resize(graph, sizes), back) == graph


def test_a_graph_with_open_widths_means_the_same() -> None:
    graph = trace(lambda x, y: ops.softmax(x @ y, 1) + 0.5, np.ones((4, 6)), np.ones((6, 5)))
    rng = np.random.default_rng(0)
    args = {"x": rng.normal(size=(4, 6)), "y": rng.normal(size=(6, 5))}
    opened = check(resize(graph, open_widths(graph, {4, 5, 6})))
    assert len(opened.dims) == 3
    (wanted,), (found,) = interpret(graph, args), interpret(opened, args)
    assert np.array_equal(wanted, found)


def test_only_attributes_that_hold_sizes_change() -> None:
    graph = trace(lambda x: ops.sum(x, 1) * 2.0, Type("float64", (3, 2)))
    opened = resize(graph, {1: Dim("a"), 2: Dim("b")})
    (total,) = [node for node in opened.nodes if node.op.name == "sum"]
    assert total.attr("axes") == (1,)
    assert "f64[3,b]" in str(opened)


def test_where_a_number_is_more_than_a_size_the_open_graph_is_refused() -> None:
    """Half the columns: the bounds of the slice stay numbers, and no longer fit."""
    graph = trace(lambda x: x[:, :3] + x[:, 3:], Type("float64", (2, 6)))
    with pytest.raises((GraphError, ShapeError)):
        check(resize(graph, {6: Dim("a")}))


@pytest.mark.parametrize(
    "other",
    [
        lambda x, y: x * 0.0 + y,
        lambda x, y: x * -0.0 + y + 1.0,
        lambda x, y: x * np.nan + y,
        lambda x, y: x + y * -0.0,
        lambda x, y: ops.sum(x, 0) * -0.0 + y,
        lambda x, y: x * np.array([[1.0, 2.0]]) + y,
        lambda x, y: x * np.array([[1.0, -2.0]]) + y,
    ],
)
def test_other_graphs_have_other_digests(other) -> None:
    examples = np.ones((3, 2)), np.ones((3, 2))
    plain = trace(lambda x, y: x * -0.0 + y, *examples)
    assert digest(plain, {}) == digest(trace(lambda x, y: x * -0.0 + y, *examples), {})
    assert digest(plain, {}) != digest(trace(other, *examples), {})


def test_dtypes_shapes_outputs_and_names_count() -> None:
    def f(x):
        return x + 1.0

    plain = digest(trace(f, np.ones((3, 2))), {})
    assert plain != digest(trace(f, np.ones((3, 2), "float32")), {})
    assert plain != digest(trace(f, np.ones((2, 3))), {})
    assert plain != digest(trace(lambda y: y + 1.0, np.ones((3, 2))), {})
    assert plain != digest(trace(lambda x: (x + 1.0, x), np.ones((3, 2))), {})


def test_ops_from_elsewhere_have_no_digest() -> None:
    """Their code may change while the package does not."""
    graph = trace(lambda x: ops.exp(x), np.ones(3))
    assert digest(graph, {}) is not None
    own = replace(OPS["exp"], code=lambda b, x: x)
    nodes = tuple(replace(node, op=own) if node.op.name == "exp" else node for node in graph.nodes)
    assert digest(Graph(nodes, graph.outputs), {}) is None


def test_a_number_never_gets_the_name_of_a_size_that_is_open_already() -> None:
    """Else both would be one size, and what is computed would run over the end of an array."""
    types = Type("float64", (Dim("width0"), 7)), Type("float64", (7, Dim("width2")))
    graph = trace(lambda x, y: (x + 1.0, y + 1.0), *types)
    sizes = open_widths(graph, {7, Dim("width0"), Dim("width2")})
    assert sizes == {7: Dim("width1")}
    assert check(resize(graph, sizes)).dims == ("width0", "width1", "width2")
    with pytest.raises(GraphError, match="width0"):
        resize(graph, {7: Dim("width0")})
    assert resize(graph, {Dim("width0"): Dim("width2"), Dim("width2"): Dim("width0")}).dims
