"""The plan of the workspace: buffers that live at the same time never overlap."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassnet.fuse.kernel_order import schedule
from glassnet.fuse.kernels import BYTES, KernelGraph
from glassnet.graph.layout import SizeProduct
from glassnet.graph.types import Dim, bind
from glassnet.lower.workspace import ALIGN, Temporary, place, temporaries
from tests.engine.networks import dense
from tests.fuzz.graphs import Case, programs

# a byte range and the kernels during which it must hold its numbers
Block = tuple[int, int, int, int]


def blocks(fused: KernelGraph, offsets: Mapping[int, int], dims: Mapping[str, int]) -> list[Block]:
    """Where every intermediate buffer lies, and from which kernel to which it is needed, found
    anew from the kernels."""
    nodes = fused.graph.nodes
    written: dict[int, tuple[int, int]] = {}
    last: dict[int, int] = {}
    for number, kernel in enumerate(fused.kernels):
        read = {s for place in kernel.nodes for s in nodes[place].inputs}
        bases = {fused.access[s].base for s in read if s in fused.access}
        if kernel.copy is not None:
            bases.add(kernel.copy.base)
        last |= dict.fromkeys(bases, number)
        for node, buffer in kernel.stores:
            elements = 1
            for size in bind(nodes[node].type.shape, dims):
                elements *= size
            written[buffer] = (number, elements * BYTES[nodes[node].type.dtype])
    return [
        (
            start,
            start + written[buffer][1],
            written[buffer][0],
            last.get(buffer, written[buffer][0]),
        )
        for buffer, start in offsets.items()
    ]


def clashes(found: list[Block], size: int) -> list[str]:
    """What is wrong with a plan."""
    wrong = [f"{b} leaves the workspace" for b in found if not 0 <= b[0] <= b[1] <= size]
    for i, a in enumerate(found):
        for b in found[:i]:
            together = a[2] <= b[3] and b[2] <= a[3]
            if together and a[0] < b[1] and b[0] < a[1]:
                wrong.append(f"{a} and {b} overlap")
    return wrong


@settings(max_examples=150)
@given(case=programs(), grown=st.integers(0, 3), merge=st.booleans())
def test_no_two_live_buffers_overlap(case: Case, grown: int, merge: bool) -> None:
    fused = schedule(case.graph, case.plan.donate, merge)
    dims = dict.fromkeys(fused.graph.dims, 5 + grown * 100)
    offsets, size = place(temporaries(fused), dims)
    assert not clashes(blocks(fused, offsets, dims), size)
    assert all(start % ALIGN == 0 for start in offsets.values())


@pytest.mark.parametrize("merge", [True, False])
def test_every_stored_node_that_is_no_output_has_a_place(merge: bool) -> None:
    plan = dense((33, 20, 10, 3), Dim("n"), "adam")
    fused = schedule(plan.graph, plan.donate, merge)
    stored = {buffer for kernel in fused.kernels for _, buffer in kernel.stores}
    offsets, _ = place(temporaries(fused), {"n": 50})
    assert offsets.keys() == stored - set(fused.outputs) - fused.alias.keys()


def test_memory_is_used_again() -> None:
    """A deep network's layers do not all need to be kept when no gradient asks for them."""
    chain = tuple(Temporary(i, SizeProduct(1000), i, i + 1) for i in range(10))
    offsets, size = place(chain, {})
    assert size <= 2 * 1024  # 1000 bytes, rounded up to a multiple of 64
    assert not clashes([(offsets[i], offsets[i] + 1000, i, i + 1) for i in range(10)], size)


def test_run_time_sizes_decide_the_places() -> None:
    n = SizeProduct(4, (Dim("n"),))
    both = (Temporary(0, n, 0, 1), Temporary(1, n, 1, 2))
    assert place(both, {"n": 16}) == ({0: 0, 1: 64}, 128)
    assert place(both, {"n": 17}) == ({0: 0, 1: 128}, 256)
    assert place(both, {"n": 0})[1] >= 2  # empty buffers have addresses of their own


def test_a_planted_overlap_is_caught() -> None:
    plan = dense((5, 4, 3), 6, "sgd")
    fused = schedule(plan.graph, plan.donate)
    parts = temporaries(fused)
    offsets, size = place(parts, {})
    assert not clashes(blocks(fused, offsets, {}), size)
    assert clashes(blocks(fused, dict.fromkeys(offsets, 0), {}), size)
    assert clashes(blocks(fused, offsets, {}), size - ALIGN)
    # lifetimes that end too early: the places they lead to are caught
    short = tuple(replace(part, last=part.first) for part in parts)
    assert clashes(blocks(fused, place(short, {})[0], {}), size)
