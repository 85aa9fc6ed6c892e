"""Every stage of a tiny network as text, in golden files; and the listing that people read."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassnet import ops
from glassnet.errors import GraphError
from glassnet.graph.graph import Graph
from glassnet.graph.parse import parse
from glassnet.graph.types import Dim, Type
from glassnet.llvm.machine_code import instruction_set
from glassnet.lower.expression import Item
from glassnet.lower.listing import Listing
from glassnet.stages import STAGES, stages, with_gradients
from glassnet.tracing import trace
from tests.engine.networks import dense
from tests.fuzz.graphs import Case, programs

AVX2 = instruction_set("avx2")
OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.floordiv,
    "%": operator.mod,
}


def loss() -> Graph:
    """Two inputs, one neuron, the loss by its parameters."""

    def f(x: Any, w: Any, b: Any) -> Any:
        return ops.sum(ops.square(ops.relu(x @ w + b)))

    return trace(f, *(Type("float32", shape) for shape in ((3, 2), (2, 1), (1,))))


@pytest.mark.parametrize("stage", ["graph", "grad", "simplified", "kernels", "loops", "llvm"])
def test_a_tiny_network(stage: str, golden: Callable[[str, str], None]) -> None:
    graph = loss() if stage in ("graph", "grad") else with_gradients(loss())
    text = stages(graph, stage, AVX2)
    if stage in ("graph", "grad", "simplified"):
        assert str(parse(text)) == text
    golden(f"stage_{stage}.txt", text)


def test_machine_code() -> None:
    text = stages(loss(), "asm")
    assert "run:" in text
    assert "vfmadd" in text or "fmla" in text


def test_the_stages_are_those_named_and_others_are_refused() -> None:
    for stage in STAGES:
        assert stages(loss(), stage)
    with pytest.raises(GraphError, match="no stage 'loop'; stages are graph, grad, simplified"):
        stages(loss(), "loop")


def test_gradients_are_further_outputs() -> None:
    graph = with_gradients(loss())
    assert [str(t) for t in graph.output_types] == ["f32[]", "f32[3,2]", "f32[2,1]", "f32[1]"]


def test_a_plans_updates_show_in_kernels() -> None:
    plan = dense((2, 3, 1), 4, "sgd")
    text = stages(plan, "kernels")
    for name in ("p0", "p1", "p2", "p3"):
        assert f" in #{plan.graph.inputs[name]}\n" in f"{text}\n"


@settings(max_examples=40)
@given(programs())
def test_every_program_can_be_listed(case: Case) -> None:
    text = stages(case.plan, "loops")
    assert "run(" in text
    assert "<glassnet" not in text  # nothing without a text of its own


def test_a_loop_by_hand() -> None:
    graph = trace(lambda x: x * 2.0 + 1.0, Type("float32", (Dim("n"),)))
    text = stages(graph, "loops", AVX2)
    assert text.split("\n\n")[0].splitlines() == [
        "kernel0(a0 address, a1 address, a2 address, a3 address, a4 i64, a5 i64):",
        "  v1 = a2[0] : i64",
        "  for i2 in 0..v1 - v1 % 16 step 16:",
        "    v3 = a0[i2] : f32x16",
        "    v4 = v3 * 2.0 : f32x16",
        "    v5 = v4 + 1.0 : f32x16",
        "    a1[i2] = v5",
        "  if v1 % 16 > 0:",
        "    v6 = a0[v1 - v1 % 16] where lane < v1 % 16 : f32x16",
        "    v7 = v6 * 2.0 : f32x16",
        "    v8 = v7 + 1.0 : f32x16",
        "    a1[v1 - v1 % 16] = v8 where lane < v1 % 16",
    ]


EXPRESSIONS = st.recursive(
    st.integers(0, 9) | st.sampled_from("abc"),
    lambda inner: st.tuples(st.sampled_from("+-*/%"), inner, inner),
    max_leaves=8,
)


@settings(max_examples=300)
@given(EXPRESSIONS)
def test_parentheses_stand_where_they_are_needed(tree: Any) -> None:
    """The text of an index, read by Python, is the number that was meant."""
    function = Listing().function("f", [])
    function.value = lambda text, dtype, lanes=1, level=9: Item(function, text, dtype, lanes, level)
    numbers = {"a": 7, "b": 3, "c": 2}

    def build(node: Any) -> tuple[Any, int]:
        if isinstance(node, tuple):
            sign, left, right = node
            (x, p), (y, q) = build(left), build(right)
            if isinstance(x, int):
                x = function.index(x)
            if sign in "/%" and q == 0:
                return x, p
            return OPERATIONS[sign](x, y), OPERATIONS[sign](p, q)
        if isinstance(node, str):
            return Item(function, node, "int64"), numbers[node]
        return node, node

    item, wanted = build(tree)
    text = str(item)
    assert eval(text.replace("/", "//"), {}, numbers) == wanted
