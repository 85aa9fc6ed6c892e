"""What each pass takes away, as printed text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from glassnet import ops
from glassnet.graph.graph import Graph
from glassnet.graph.parse import parse
from glassnet.graph.types import Type
from glassnet.simplify import simplify
from glassnet.simplify.algebra import apply_identities
from glassnet.simplify.cse import merge_equal_nodes
from glassnet.simplify.dce import drop_dead_nodes
from glassnet.tracing import trace

X = Type("float32", (2, 3))


def body(graph: Graph) -> list[str]:
    """The lines between the braces."""
    return [line.strip() for line in str(graph).splitlines()[1:-1]]


SAME = [
    lambda x: x * 1.0,
    lambda x: 1.0 * x,
    lambda x: x / 1.0,
    lambda x: x - 0.0,
    lambda x: ops.reshape(x, (2, 3)),
    lambda x: ops.broadcast(x, (2, 3)),
    lambda x: ops.transpose(x, (0, 1)),
    lambda x: x.T.T,
    lambda x: ops.reshape(ops.reshape(x, (6,)), (2, 3)),
    lambda x: ops.reshape(ops.reshape(ops.reshape(x, (6,)), (3, 2)), (2, 3)) * 1.0,
]


@pytest.mark.parametrize("f", SAME)
def test_what_changes_nothing_goes_away(f: Callable[[Any], Any]) -> None:
    assert body(simplify(trace(f, X))) == ["return %0"]


KEPT = [
    lambda x: x + 0.0,
    lambda x: x * 0.0,
    lambda x: x - (-0.0),
    lambda x: 0.0 - x,
    lambda x: 1.0 / x,
    lambda x: x * -1.0,
    lambda x: x - x,
    lambda x: x / x,
    lambda x: (x + 1.0) - 1.0,
    lambda x: x * 2.0,
    lambda x: x.T,
    lambda x: ops.reshape(x, (3, 2)),
    lambda x: ops.maximum(x, x),
]


@pytest.mark.parametrize("f", KEPT)
def test_what_could_change_a_bit_stays(f: Callable[[Any], Any]) -> None:
    graph = trace(f, X)
    before, after = (
        [node.op.name for node in g.nodes if node.op.name not in ("constant", "broadcast")]
        for g in (graph, simplify(graph))
    )
    assert before == after


def test_views_of_views_become_one() -> None:
    cube = Type("float32", (2, 3, 4))
    turned = trace(lambda x: ops.transpose(ops.transpose(x, (1, 2, 0)), (2, 1, 0)), cube)
    # axis i of the result is axis (2, 1, 0)[i] of (1, 2, 0): 0, 2, 1
    assert body(simplify(turned)) == [
        "%1 = transpose(%0, axes=(0, 2, 1)) : f32[2,4,3]",
        "return %1",
    ]
    grown = trace(lambda x: ops.broadcast(ops.broadcast(x, (5, 2, 3)), (4, 5, 2, 3)), X)
    assert body(simplify(grown)) == [
        "%1 = broadcast(%0, shape=(4, 5, 2, 3)) : f32[4,5,2,3]",
        "return %1",
    ]
    shaped = trace(lambda x: ops.reshape(ops.reshape(x, (6,)), (3, 2)), X)
    assert body(simplify(shaped)) == ["%1 = reshape(%0, shape=(3, 2)) : f32[3,2]", "return %1"]


def test_other_views_between_stay() -> None:
    graph = trace(lambda x: ops.reshape(ops.transpose(ops.reshape(x, (3, 2))), (6,)), X)
    assert [line.split("(")[0] for line in body(simplify(graph))] == [
        "%1 = reshape",
        "%2 = transpose",
        "%3 = reshape",
        "return %3",
    ]


TEXT = """\
graph(%0 x: f64[2], %1 unused: f64[2]) {
  %2 = exp(%0) : f64[2]
  %3 = exp(%0) : f64[2]
  %4 = exp(%1) : f64[2]
  %5 = add(%2, %3) : f64[2]
  %6 = sin(%5) : f64[2]
  return %5, %0
}"""


def test_share_makes_equal_nodes_one() -> None:
    assert body(merge_equal_nodes(parse(TEXT))) == [
        "%2 = exp(%0) : f64[2]",
        "%3 = exp(%0) : f64[2]",
        "%4 = exp(%1) : f64[2]",
        "%5 = add(%2, %2) : f64[2]",
        "%6 = sin(%5) : f64[2]",
        "return %5, %0",
    ]


def test_prune_drops_what_nobody_reads_but_keeps_inputs() -> None:
    assert str(drop_dead_nodes(parse(TEXT))) == (
        "graph(%0 x: f64[2], %1 unused: f64[2]) {\n"
        "  %2 = exp(%0) : f64[2]\n"
        "  %3 = exp(%0) : f64[2]\n"
        "  %4 = add(%2, %3) : f64[2]\n"
        "  return %4, %0\n"
        "}"
    )


def test_algebra_alone_leaves_dead_nodes() -> None:
    graph = trace(lambda x: x * 1.0, X)
    assert len(apply_identities(graph).nodes) == len(graph.nodes)
    assert apply_identities(graph).outputs == (0,)


def test_all_together() -> None:
    def f(x: Any) -> Any:
        first, second = ops.exp(x * 1.0), ops.exp(ops.reshape(x, (2, 3)))
        return first + second, ops.log(first)[:0]

    assert body(simplify(trace(f, X))) == [
        "%1 = exp(%0) : f32[2,3]",
        "%2 = add(%1, %1) : f32[2,3]",
        "%3 = log(%1) : f32[2,3]",
        "%4 = slice(%3, starts=(0, 0), steps=(1, 1), stops=(0, 3)) : f32[0,3]",
        "return %2, %4",
    ]


def test_zero_and_minus_zero_are_not_shared() -> None:
    graph = trace(lambda x: (x * 0.0, x * -0.0, x * 0.0), X)
    simple = simplify(graph)
    assert simple.outputs[0] == simple.outputs[2] != simple.outputs[1]


def test_numbers_of_different_dtypes_are_not_shared() -> None:
    graph = trace(lambda x: (ops.cast(x, "float64") + 1.0, x + 1.0), X)
    assert sum(node.op.name == "constant" for node in simplify(graph).nodes) == 2


def test_a_random_draw_is_shared_with_itself_only() -> None:
    graph = trace(
        lambda x: (ops.uniform(x, 1), ops.uniform(x, 1), ops.uniform(x, 2), ops.uniform(x, 1, 3)), X
    )
    first, same, seed, stream = simplify(graph).outputs
    assert first == same
    assert len({first, seed, stream}) == 3


def test_an_operation_on_repeated_numbers_is_done_once() -> None:
    def f(x: Any, n: Any) -> Any:
        shares = ops.broadcast(ops.reshape(1.0 / n, (1, 1)), (2, 3))
        return x * ops.exp(shares * 2.0)

    graph = simplify(trace(f, X, Type("float32", ())))
    wide = [node.op.name for node in graph.nodes if node.type.shape == (2, 3)]
    assert wide == ["input", "broadcast", "mul"]


@pytest.mark.parametrize(("axis", "shape"), [(1, (4, 1)), (0, (1, 4))])
def test_a_sum_over_one_element_is_added_to_nothing(axis: int, shape: tuple[int, ...]) -> None:
    graph = trace(lambda x: ops.sum(x, axis), Type("float32", shape))
    shown = ", ".join(map(str, shape))
    assert [line.split(" :")[0] for line in body(simplify(graph))] == [
        "%1 = constant(dtype='float32', value=0.0)",
        f"%2 = broadcast(%1, shape=({shown}))",
        "%3 = add(%2, %0)",
        "%4 = reshape(%3, shape=(4,))",
        "return %4",
    ]
