"""No pass changes a bit, for any number; and a pass that does is caught."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis.errors import NoSuchExample

from glassnet.graph.build import GraphBuilder
from glassnet.graph.graph import Graph, Node
from glassnet.graph.interpret import interpret
from glassnet.graph.legality import check
from glassnet.graph.op import OPS
from glassnet.graph.types import Type
from glassnet.simplify import PASSES, simplify
from tests.engine.variants import difference
from tests.fuzz.graphs import Case, cases

Pass = Callable[[Graph], Graph]
EVERY = (*PASSES, simplify)
SEARCH = settings(max_examples=3000, phases=[Phase.generate])


def changed(run: Pass, graph: Graph, args: Mapping[str, np.ndarray]) -> str:
    """What a pass changes of a graph's meaning, interface or legality; empty if nothing."""
    after = check(run(graph))
    if after.input_types != graph.input_types or after.output_types != graph.output_types:
        return f"other inputs or outputs: {after}"
    pairs = zip(interpret(graph, args), interpret(after, args), strict=True)
    return "; ".join(found for old, new in pairs if (found := difference(old, new)))


@pytest.mark.parametrize("run", EVERY)
@settings(max_examples=80)
@given(case=cases(raw=True))
def test_common_numbers(run: Pass, case: Case) -> None:
    assert not changed(run, case.graph, case.args)


@pytest.mark.parametrize("run", EVERY)
@settings(max_examples=80)
@given(case=cases(raw=True, special=True))
def test_infinities_nan_minus_zero_and_tiny_numbers(run: Pass, case: Case) -> None:
    assert not changed(run, case.graph, case.args)


def computed(graph: Graph) -> int:
    """Nodes that are neither sources nor views."""
    return sum(node.op.kind not in ("source", "view") for node in graph.nodes)


@settings(max_examples=80)
@given(cases(raw=True))
def test_simplifying_twice_changes_nothing_more(case: Case) -> None:
    once = simplify(case.graph)
    assert simplify(once) == once
    assert computed(once) <= computed(case.graph)


def rewriting(rule: Callable[[Node, list[Node]], int | None]) -> Pass:
    """A pass that replaces a node by an earlier one where the rule says so."""

    def run(graph: Graph) -> Graph:
        nodes: list[Node] = []
        same: list[int] = []
        for place, node in enumerate(graph.nodes):
            node = replace(node, inputs=tuple(same[i] for i in node.inputs))
            nodes.append(node)
            earlier = rule(node, nodes)
            same.append(place if earlier is None else earlier)
        return Graph(tuple(nodes), tuple(same[i] for i in graph.outputs))

    return run


def number(nodes: list[Node], place: int) -> object:
    node = nodes[place]
    while node.op.name == "broadcast":
        node = nodes[node.inputs[0]]
    return node.attr("value") if node.op.name == "constant" else None


def plus_zero(node: Node, nodes: list[Node]) -> int | None:
    """x + 0 → x: wrong for x = −0."""
    wrong = node.op.name == "add" and number(nodes, node.inputs[1]) == 0
    return node.inputs[0] if wrong else None


def minus_minus_zero(node: Node, nodes: list[Node]) -> int | None:
    """x − (−0) → x: wrong for x = −0."""
    value = number(nodes, node.inputs[1]) if node.op.name == "sub" else None
    return node.inputs[0] if value == 0 and str(value) == "-0.0" else None


def times_zero(node: Node, nodes: list[Node]) -> int | None:
    """x · 0 → 0: wrong for NaN, infinities and negative numbers."""
    wrong = node.op.name == "mul" and number(nodes, node.inputs[1]) == 0
    return node.inputs[1] if wrong else None


def no_negation(node: Node, nodes: list[Node]) -> int | None:
    """−x → x."""
    return node.inputs[0] if node.op.name == "neg" else None


def no_transpose(node: Node, nodes: list[Node]) -> int | None:
    """xᵀ → x where the shapes agree."""
    if node.op.name != "transpose" or nodes[node.inputs[0]].type != node.type:
        return None
    return node.inputs[0]


SMALL = {"plus": plus_zero, "minus": minus_minus_zero, "times": times_zero}
PROGRAMS = {
    "plus": ("add", 0.0),
    "minus": ("sub", -0.0),
    "times": ("mul", 0.0),
}


@pytest.mark.parametrize("name", sorted(SMALL))
@pytest.mark.parametrize("x", [-0.0, np.nan, np.inf, -1.5])
def test_planted_identities_are_caught_where_they_fail(name: str, x: float) -> None:
    op, constant = PROGRAMS[name]
    builder = GraphBuilder()
    y = OPS[op](builder.input("x", Type("float64", (2,))), constant)
    graph = builder.finish([y])
    found = changed(rewriting(SMALL[name]), graph, {"x": np.array([1.0, x])})
    fails = name == "times" or (np.signbit(x) and x == 0.0)
    assert bool(found) == fails
    assert not changed(simplify, graph, {"x": np.array([1.0, x])})


@pytest.mark.parametrize("rule", [no_negation, no_transpose])
def test_planted_faults_are_found_in_random_graphs(rule: Callable[..., int | None]) -> None:
    run = rewriting(rule)

    def fails(case: Case) -> bool:
        return bool(changed(run, case.graph, case.args))

    try:
        find(cases(raw=True), fails, settings=SEARCH, random=Random(0))
    except NoSuchExample:
        pytest.fail("no random graph showed the fault")


def test_a_changed_interface_is_caught() -> None:
    builder = GraphBuilder()
    x = builder.input("x", Type("float64", (2,)))
    graph = builder.finish([x, x + 1.0])
    args = {"x": np.array([1.0, 2.0])}
    assert changed(lambda g: replace(g, outputs=g.outputs[:1]), graph, args)
    assert changed(lambda g: replace(g, outputs=g.outputs[::-1]), graph, args)
