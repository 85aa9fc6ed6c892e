"""The checker passes legal graphs and names the node of every planted fault."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from glassnet import ops
from glassnet.errors import GraphError, ShapeError
from glassnet.graph.graph import Graph, Node, freeze_attrs
from glassnet.graph.legality import check
from glassnet.graph.op import OPS, Op, define
from glassnet.graph.types import Type
from glassnet.tracing import trace
from tests.fuzz.graphs import Case, cases


def sound() -> Graph:
    """%0 x, %1 w, %2 matmul, %3 tanh, %4 sum."""
    return trace(lambda x, w: ops.sum(ops.tanh(x @ w), 1), np.zeros((2, 3)), np.zeros((3, 4)))


def planted(place: int, **changes: object) -> Graph:
    graph = sound()
    nodes = list(graph.nodes)
    nodes[place] = replace(nodes[place], **changes)  # type: ignore[arg-type]
    return replace(graph, nodes=tuple(nodes))


def test_a_sound_graph_passes_unchanged() -> None:
    graph = sound()
    assert [node.op.name for node in graph.nodes] == ["input", "input", "matmul", "tanh", "sum"]
    assert check(graph) is graph


UNKNOWN = Op("unknown", "elementwise", "", 1, infer=lambda *t: t[0], numpy=np.positive)
STRANGER = replace(OPS["tanh"])  # says tanh, but is not the registered record

FAULTS = [
    (planted(3, inputs=(3,)), "%3: tanh reads %3, not defined before it"),
    (planted(3, inputs=(4,)), "%3: tanh reads %4, not defined before it"),
    (planted(3, inputs=(-1,)), "%3: tanh reads %-1, not defined before it"),
    (planted(3, inputs=(2, 2)), "%3: "),
    (planted(2, inputs=(1, 0)), r"%2: matmul: f64\[3,4\] times f64\[2,3\]; wanted"),
    (planted(3, type=Type("float64", (2, 5))), r"%3: tanh gives f64\[2,4\], but the node says"),
    (planted(3, type=Type("float32", (2, 4))), r"gives f64\[2,4\], but the node says f32\[2,4\]"),
    (planted(4, attrs=freeze_attrs({"axes": (2,)})), r"%4: sum: axes \[2\] of f64\[2,4\]"),
    (planted(4, attrs=()), "%4: .*axes"),
    (planted(4, attrs=freeze_attrs({"axes": (1,), "colour": 3})), "%4: .*colour"),
    (planted(3, op=UNKNOWN), "%3: unknown is not a registered op"),
    (planted(3, op=STRANGER), "%3: tanh is not a registered op"),
    (planted(1, attrs=freeze_attrs({"name": "x"})), "%1: input 'x' is declared twice"),
    (replace(sound(), outputs=(5,)), "output %5 is not defined"),
    (replace(sound(), outputs=(-1,)), "output %-1 is not defined"),
    (
        Graph((sound().nodes[0], sound().nodes[1], sound().nodes[2], sound().nodes[0]), (2,)),
        "%3: input 'x' is declared twice",
    ),
    (Graph((Node(OPS["tanh"], (), (), Type("float64", ())),), (0,)), "%0: "),
]


@pytest.mark.parametrize(("graph", "message"), FAULTS)
def test_a_planted_fault_is_found(graph: Graph, message: str) -> None:
    with pytest.raises(GraphError, match=message):
        check(graph)


@settings(max_examples=60)
@given(cases())
def test_every_random_graph_is_legal(case: Case) -> None:
    assert check(case.graph) is case.graph


def test_an_op_is_defined_once_and_has_a_known_kind() -> None:
    with pytest.raises(ValueError, match="op tanh is defined twice"):
        define(STRANGER)
    with pytest.raises(ValueError, match="op new has kind magic; kinds are source, elementwise"):
        define(replace(UNKNOWN, name="new", kind="magic"))
    assert "new" not in OPS


def test_errors_are_values_errors_too() -> None:
    assert issubclass(GraphError, ValueError)
    assert issubclass(ShapeError, ValueError)
