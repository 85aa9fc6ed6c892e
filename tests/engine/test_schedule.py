"""In which order kernels run, and which input a result replaces."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassnet import ops
from glassnet.fuse.kernel_order import schedule
from glassnet.fuse.kernels import Kernel, KernelGraph, buffers_read
from glassnet.graph.types import Type
from glassnet.simplify import simplify
from glassnet.tracing import trace
from tests.engine.test_steps import UPDATES
from tests.fuzz.graphs import Case, programs

X = Type("float32", (6, 6))


def fused(f: Callable[..., Any], donate: dict[str, int], *types: Type) -> KernelGraph:
    return schedule(simplify(trace(f, *(types or (X, X)))), donate)


def reads(f: KernelGraph, kernel: Kernel) -> set[int]:
    """Buffers that a kernel reads from outside itself."""
    nodes = f.graph.nodes
    sources = {s for place in kernel.nodes for s in nodes[place].inputs} - set(kernel.nodes)
    bases = {f.access[s].base for s in sources if s in f.access}
    if kernel.copy is not None:
        bases.add(kernel.copy.base)
    return bases - set(kernel.nodes)  # a kernel over rows reads views of what it computes


def faults(f: KernelGraph) -> list[str]:
    """Kernels that read what is not there yet, or what is already overwritten."""
    holds: dict[int, int] = {}  # buffer -> the node whose numbers it holds now
    for place, node in enumerate(f.graph.nodes):
        if node.op.kind == "source" and node.op.code is None:
            holds[place] = place
    wrong: list[str] = []
    for number, kernel in enumerate(f.kernels):
        for base in reads(f, kernel):
            if holds.get(f.alias.get(base, base)) != base:
                wrong.append(f"kernel {number} reads %{base}, which is not there")
        for place, buffer in kernel.stores:
            own = buffer >= len(f.graph.nodes)  # a copy that stands for no node
            holds[f.alias.get(buffer, buffer)] = buffer if own else place
    return wrong


@settings(max_examples=200)
@given(case=programs(), merge=st.booleans())
def test_every_kernel_finds_its_arguments(case: Case, merge: bool) -> None:
    assert not faults(schedule(case.graph, case.plan.donate, merge))


@pytest.mark.parametrize("merge", [True, False])
@pytest.mark.parametrize("name", UPDATES)
def test_every_kind_of_update_finds_its_arguments(name: str, merge: bool) -> None:
    f, donate = UPDATES[name]
    size = Type("float32", (18, 18))
    assert not faults(schedule(simplify(trace(f, size, size)), donate, merge))


def test_a_planted_order_is_caught() -> None:
    found = fused(lambda x, y: (ops.sum(x, 1), 0.5 * x - y), {"x": 1})
    assert not faults(found)
    turned = KernelGraph(
        found.graph, found.kernels[::-1], found.access, found.scalar, found.outputs, found.alias
    )
    assert faults(turned)


def test_an_update_is_written_over_its_input() -> None:
    found = fused(lambda x, y: 0.5 * x - y, {"x": 0})
    assert found.outputs == (0,)
    assert len(found.kernels) == 1
    assert list(found.alias.values()) == [0]


def test_the_update_waits_for_the_last_reader() -> None:
    """The product comes later in the graph, and runs before x is overwritten."""
    found = fused(lambda x, y: (0.5 * x - y, ops.sum(x.T @ y, 1)), {"x": 0})
    (writer,) = (
        i for i, k in enumerate(found.kernels) if any(b in found.alias for _, b in k.stores)
    )
    readers = [i for i, kernel in enumerate(found.kernels) if 0 in reads(found, kernel)]
    assert len(readers) == 2
    assert max(readers) == writer


def test_a_result_that_reads_elsewhere_is_copied() -> None:
    """x ← xᵀ cannot be written in place: one buffer for the result, one copy back."""
    for f in (lambda x, y: x.T, lambda x, y: x.T + y, lambda x, y: x[::-1] * 2.0):
        found = fused(f, {"x": 0})
        assert found.outputs == (0,)
        assert not found.alias
        assert len(found.kernels) == 2
        assert found.kernels[1].copy is not None


def test_products_do_not_overwrite_their_arguments() -> None:
    found = fused(lambda x, y: x @ y, {"x": 0})
    assert not found.alias
    assert [kernel.kind for kernel in found.kernels] == ["contract", "loop"]


def test_the_tail_of_a_product_may_overwrite_what_only_it_reads() -> None:
    found = fused(lambda x, y, w: w - 0.1 * (x @ y), {"w": 0}, X, X, X)
    assert [kernel.kind for kernel in found.kernels] == ["contract"]
    assert found.outputs == (2,)


def test_outputs_that_are_inputs_or_repeat_are_copied() -> None:
    found = fused(lambda x, y: (x, ops.exp(x), ops.exp(x), y.T), {})
    assert len(set(found.outputs)) == 4
    assert not set(found.outputs) & {0, 1}


def test_inputs_are_written_only_when_donated() -> None:
    found = fused(lambda x, y: (x + y, x - y), {"y": 1})
    written = {found.alias.get(b, b) for kernel in found.kernels for _, b in kernel.stores}
    assert written & {0, 1} == {1}


def test_each_kernel_is_looked_at_once_however_many_inputs_are_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[Kernel] = []

    def counted(nodes: Any, access: Any, kernel: Kernel) -> set[int]:
        seen.append(kernel)
        return buffers_read(nodes, access, kernel)

    monkeypatch.setattr("glassnet.fuse.kernel_order.buffers_read", counted)
    count = 60
    graph = trace(lambda *xs: tuple(x @ x + 1.0 for x in xs), *[X] * count)
    found = schedule(graph, {name: i for i, name in enumerate(graph.inputs)})
    assert len(seen) == len(found.kernels) == 2 * count
