"""How much there is to do, in multiply-adds.

In: nodes. Out: the work as sizes; run-time sizes make a number of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from glassnet.fuse import Fused
from glassnet.graph.graph import Node
from glassnet.graph.layout import Product, count
from glassnet.graph.types import Dim

NEAR, FAR = 16, 64  # multiply-adds that take as long as a number read or written
CACHED = 1 << 22  # so many numbers stay near


@dataclass(frozen=True)
class Work:
    """Multiply-adds, and the numbers that are read or written."""

    adds: tuple[Product, ...]
    numbers: tuple[Product, ...]

    def at(self, dims: Mapping[str, int]) -> int:
        numbers = sum(product.at(dims) for product in self.numbers)
        return self.adds_at(dims) + numbers * (NEAR if numbers <= CACHED else FAR)

    def adds_at(self, dims: Mapping[str, int]) -> int:
        return sum(product.at(dims) for product in self.adds)


def work(nodes: Sequence[Node], places: Iterable[int]) -> Work:
    """Of some nodes."""
    adds: list[Product] = []
    numbers: list[Product] = []
    for node in (nodes[place] for place in places):
        given = [count(nodes[source].type.shape) for source in node.inputs]
        if node.op.kind == "contract":
            adds.append(count(node.type.shape) * nodes[node.inputs[0]].type.shape[-1])
            numbers += given
        elif node.op.kind in ("elementwise", "index"):
            numbers.append(count(node.type.shape))
        elif node.op.kind == "reduce":
            numbers += given
    return Work(_added(adds), _added(numbers))


def kernel_work(fused: Fused) -> tuple[Work, ...]:
    """Of every kernel; one without nodes copies its shape."""
    nodes, kernels = fused.graph.nodes, fused.kernels
    return tuple(work(nodes, k.nodes) if k.nodes else Work((), (count(k.shape),)) for k in kernels)


def _added(products: Iterable[Product]) -> tuple[Product, ...]:
    """Those of like sizes together."""
    found = dict[tuple[Dim, ...], int]()
    for product in products:
        found[product.dims] = found.get(product.dims, 0) + product.factor
    return tuple(Product(factor, dims) for dims, factor in found.items())
