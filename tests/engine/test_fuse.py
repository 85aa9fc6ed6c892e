"""Which nodes share a kernel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from glassnet import ops
from glassnet.fuse.kernel_order import schedule
from glassnet.fuse.kernels import Kernel, KernelGraph
from glassnet.graph.types import Dim, Type
from glassnet.simplify import simplify
from glassnet.tracing import trace
from tests.engine.networks import dense

X = Type("float32", (6, 5))
V = Type("float32", (5,))


def kernels(f: Callable[..., Any], *types: Type, merge: bool = True) -> list[str]:
    """Kinds of kernels with the names of their ops."""
    fused = schedule(simplify(trace(f, *types)), merge=merge)
    return [described(fused, kernel) for kernel in fused.kernels]


def described(fused: KernelGraph, kernel: Kernel) -> str:
    names = [fused.graph.nodes[place].op.name for place in kernel.nodes]
    return f"{kernel.kind}: {' '.join(names) or 'copy'}"


def home(fused: KernelGraph, name: str) -> list[int]:
    """The kernels that compute nodes of an op."""
    nodes = fused.graph.nodes
    return [i for i, k in enumerate(fused.kernels) for p in k.nodes if nodes[p].op.name == name]


@pytest.mark.parametrize("batch", [6, Dim("n")])
@pytest.mark.parametrize("rule", ["sgd", "momentum", "adam"])
def test_a_training_step(batch: Any, rule: str, golden: Callable[[str, str], None]) -> None:
    """Forward: bias and activation in the product. Backward: the activation's derivative in the
    product. Update: in the kernel that sums the gradient. No copies."""
    plan = dense((5, 4, 3), batch, rule)
    fused = schedule(plan.graph, plan.donate)
    roots = [kernel.kind for kernel in fused.kernels]
    assert (
        roots.count("contract") == 5
    )  # two forward, one back to the hidden layer, two for weights
    assert roots.count("reduce") == 4  # two biases; the loss over outputs, then over rows
    assert all(kernel.copy is None for kernel in fused.kernels)
    assert all(fused.kernels[i].kind == "contract" for i in home(fused, "sigmoid"))
    updated = {plan.graph.inputs[name] for name in plan.donate}
    assert set(fused.alias.values()) == updated
    for kernel in fused.kernels:
        written = {fused.alias[b] for _, b in kernel.stores if b in fused.alias}
        assert not written or kernel.kind in ("contract", "reduce")
        assert len(written) in (0, len(updated) // 4)  # a parameter and its state together
    if (rule, batch) in (("sgd", 6), ("adam", Dim("n"))):
        golden(f"kernels_{rule}.txt", str(fused))


CASES = [
    ("a chain", lambda x: ops.exp(x * 2.0) + x, ["loop: mul exp add"]),
    ("two results", lambda x: (ops.exp(x), ops.exp(x) * x), ["loop: exp mul"]),
    ("unrelated, one shape", lambda x: (ops.exp(x), ops.sin(x)), ["loop: exp sin"]),
    ("into a sum", lambda x: ops.sum(x * x, 1), ["reduce: mul sum"]),
    ("after a sum", lambda x: ops.exp(ops.sum(x, 1)), ["reduce: sum exp"]),
    ("around a sum", lambda x: ops.exp(ops.sum(x * x, 0)), ["reduce: mul sum exp"]),
    ("views cost nothing", lambda x: ops.exp(x.T[::-1] * 2.0), ["loop: mul exp"]),
    ("a broadcast sum", lambda x: x - ops.sum(x, 0), ["reduce: sum", "loop: sub"]),
    ("a copy of a view", lambda x: x.T, ["loop: copy"]),
    ("a product and its tail", lambda x: ops.tanh(x @ x.T + 1.0), ["contract: matmul add tanh"]),
    (
        "an argument of a product",
        lambda x: ops.exp(x) @ x.T,
        ["loop: exp", "contract: matmul"],
    ),
    (
        "two products",
        lambda x: (x @ x.T) * 2.0 + (x @ x.T @ x @ x.T),
        ["contract: matmul", "contract: matmul", "contract: matmul mul add"],
    ),
    ("joined", lambda x: ops.concatenate([x, x * 2.0], 0), ["loop: mul", "place: concatenate"]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "f", "wanted"), CASES)
def test_what_is_fused(name: str, f: Callable[..., Any], wanted: list[str]) -> None:
    assert kernels(f, X) == wanted


def test_gathered_rows_and_what_follows_are_one_loop() -> None:
    found = kernels(lambda x, i: ops.take(x, i) * 2.0, X, Type("int32", (9,)))
    assert found == ["loop: take mul"]


def test_a_gather_is_summed_without_being_stored() -> None:
    found = kernels(lambda x, i: ops.sum(ops.take(x, i), 1), X, Type("int32", (9,)))
    assert found == ["reduce: take sum"]


def test_without_merging_every_node_has_a_kernel() -> None:
    found = kernels(lambda x: ops.exp(ops.sum(x * x, 0)), X, merge=False)
    assert found == ["loop: mul", "reduce: sum", "loop: exp"]


def test_numbers_are_computed_where_they_are_needed() -> None:
    fused = schedule(simplify(trace(lambda x: x * 2.0 + 3.0, X)))
    assert len(fused.scalar) == 4  # two constants and their broadcasts
    assert len(fused.kernels) == 1


def test_a_number_as_output_is_stored() -> None:
    fused = schedule(trace(lambda x: (x, 2.5), X))
    assert [kernel.shape for kernel in fused.kernels] == [(6, 5), ()]


@pytest.mark.parametrize("merge", [True, False])
def test_every_node_is_computed_once_and_before_it_is_read(merge: bool) -> None:
    plan = dense((5, 4, 3, 2), 6, "adam", classes=True)
    fused = schedule(plan.graph, plan.donate, merge)
    nodes = fused.graph.nodes
    computed = [place for kernel in fused.kernels for place in kernel.nodes]
    assert len(computed) == len(set(computed))
    wanted = {
        p
        for p, n in enumerate(nodes)
        if n.op.kind in ("elementwise", "reduce", "contract", "index")
    }
    assert wanted <= set(computed)
    done: set[int] = set()
    for kernel in fused.kernels:
        for place in kernel.nodes:
            done.add(place)
            for source in nodes[place].inputs:
                base = fused.access[source].base if source in fused.access else source
                assert base in done or nodes[base].op.kind in ("source", "view")


def test_printed_form() -> None:
    graph = simplify(trace(lambda x, b: ops.relu(x + b), X, V))
    assert str(schedule(graph, {"x": 0})) == (
        "kernel 0: loop [6,5]\n"
        "  %3 = add(%0, %2) : f32[6,5]\n"
        "  %4 = relu(%3) : f32[6,5]\n"
        "  store %4 in #0"
    )
