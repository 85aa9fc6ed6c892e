"""How much there is to do, in multiply-adds.

In: nodes. Out: products of sizes; their values at run-time sizes add up to the work.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from glassnet.fuse import Fused
from glassnet.graph.graph import Node
from glassnet.graph.layout import Product, count
from glassnet.graph.types import Dim

ELEMENT = 16  # multiply-adds that take as long as a number computed and stored


def multiply_adds(nodes: Sequence[Node], places: Iterable[int]) -> tuple[Product, ...]:
    """Of the contractions: elements times the length of their sums."""
    found = [nodes[place] for place in places if nodes[place].op.kind == "contract"]
    return _added(count(n.type.shape) * nodes[n.inputs[0]].type.shape[-1] for n in found)


def all_work(nodes: Sequence[Node], places: Sequence[int]) -> tuple[Product, ...]:
    """Contractions, and the numbers that are read or written one by one."""
    found = list(multiply_adds(nodes, places))
    for node in (nodes[place] for place in places):
        if node.op.kind in ("elementwise", "reduce", "index"):
            read = nodes[node.inputs[0]] if node.op.kind == "reduce" else node
            found.append(count(read.type.shape) * ELEMENT)
    return _added(found)


def kernel_work(fused: Fused) -> tuple[tuple[Product, ...], ...]:
    """For every kernel; one without nodes copies its shape."""
    nodes, kernels = fused.graph.nodes, fused.kernels
    return tuple(
        all_work(nodes, k.nodes) if k.nodes else (count(k.shape) * ELEMENT,) for k in kernels
    )


def _added(products: Iterable[Product]) -> tuple[Product, ...]:
    """Those of like sizes together."""
    found = dict[tuple[Dim, ...], int]()
    for product in products:
        found[product.dims] = found.get(product.dims, 0) + product.factor
    return tuple(Product(factor, dims) for dims, factor in found.items())
