"""Chooses the nodes of a tiny, fully unrolled graph that are computed as vectors.

In: a fused graph of known sizes. Out: the nodes to compute as vectors: elementwise operations on
values that are contiguous in memory, such as the update of a weight matrix with its optimiser
state, where there are enough of them to pay for assembling numbers into vectors.
"""

from __future__ import annotations

from glassnet.fuse.kernels import KernelGraph
from glassnet.graph.layout import count
from glassnet.graph.op import View

FEWEST, MOST = 3, 16  # elements
WORTH = 4  # vector nodes needed for each vector that is assembled from, or split into, numbers


def vector_nodes(fused: KernelGraph) -> frozenset[int]:
    """Return the nodes to compute as vectors, without those that are loaded or repeat a number."""
    nodes = fused.graph.nodes
    able = {place for place in range(len(nodes)) if _is_vectorisable(fused, place)}
    near = {p for p in able if any(is_stored(fused, s) for s in nodes[p].inputs)}
    grown = True
    while grown:
        more = {
            p
            for p in able - near
            if near.intersection(nodes[p].inputs)
            or (fused.graph.uses[p] and near.issuperset(fused.graph.uses[p]))
        }
        near |= more
        grown = bool(more)
    return frozenset(
        p for group in _groups(fused, near) if _is_profitable(fused, group) for p in group
    )


def is_stored(fused: KernelGraph, place: int) -> bool:
    """Whether a node is an argument of the program that fits in a vector."""
    node = fused.graph.nodes[place]
    return node.op.kind == "source" and node.op.code is None and _fits(fused, place)


def is_repeated(fused: KernelGraph, place: int) -> bool:
    """Whether a node is one number, repeated."""
    nodes = fused.graph.nodes
    while isinstance(nodes[place].op.code, View) and nodes[place].op.code.read is not None:
        place = nodes[place].inputs[0]
    return count(nodes[place].type.shape).factor == 1


def _fits(fused: KernelGraph, place: int) -> bool:
    type = fused.graph.nodes[place].type
    size = count(type.shape)
    return not size.dims and FEWEST <= size.factor <= MOST and type.dtype in ("float32", "float64")


def _is_vectorisable(fused: KernelGraph, place: int) -> bool:
    node = fused.graph.nodes[place]
    dtypes = {fused.graph.nodes[s].type.dtype for s in node.inputs}
    return node.op.kind == "elementwise" and _fits(fused, place) and dtypes == {node.type.dtype}


def _groups(fused: KernelGraph, places: set[int]) -> list[set[int]]:
    """Return groups of nodes that are connected by data flow."""
    groups: list[set[int]] = []
    for place in sorted(places):
        joined = {place, *(s for s in fused.graph.nodes[place].inputs if s in places)}
        for group in [group for group in groups if group & joined]:
            groups.remove(group)
            joined |= group
        groups.append(joined)
    return groups


def _is_profitable(fused: KernelGraph, group: set[int]) -> bool:
    nodes = fused.graph.nodes
    read = {s for p in group for s in nodes[p].inputs} - group
    put = {s for s in read if not (is_stored(fused, s) or is_repeated(fused, s))}
    taken = {p for p in group if any(user not in group for user in fused.graph.uses[p])}
    return len(group) >= WORTH * (len(put) + len(taken))
