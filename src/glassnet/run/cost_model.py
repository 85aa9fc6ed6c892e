"""The cost model: estimates the work of nodes and kernels in multiply-adds.

In: nodes, or fused kernels. Out: the work as products of sizes, a number once run-time sizes are
known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from glassnet.fuse.kernels import Kernel, KernelGraph
from glassnet.graph.graph import Node
from glassnet.graph.layout import SizeProduct, count
from glassnet.graph.types import Dim, Size
from glassnet.lower.sum_blocks import MANY

COMPUTED, MOVED = 16, 64  # cost of computing one element, and of one number from main memory
CACHED = 1 << 22  # numbers that fit in caches; reading and writing these costs nothing


@dataclass(frozen=True)
class Work:
    """The work of a kernel: what it computes, in multiply-adds, and how many numbers it reads and
    writes."""

    computed: tuple[SizeProduct, ...]
    moved: tuple[SizeProduct, ...]

    def at(self, dims: Mapping[str, int]) -> int:
        moved = total(self.moved, dims)
        return total(self.computed, dims) + (moved * MOVED if moved > CACHED else 0)


def total(products: Iterable[SizeProduct], dims: Mapping[str, int]) -> int:
    return sum(product.at(dims) for product in products)


def multiply_adds(nodes: Sequence[Node], places: Iterable[int]) -> tuple[SizeProduct, ...]:
    """Return the multiply-adds of the contractions: elements times the length of their sums."""
    found = [nodes[place] for place in places if nodes[place].op.kind == "contract"]
    return _merge_products(count(n.type.shape) * nodes[n.inputs[0]].type.shape[-1] for n in found)


def elementwise_and_products(
    nodes: Sequence[Node], places: Sequence[int]
) -> tuple[SizeProduct, ...]:
    """Return the work of the contractions and of the elementwise operations."""
    found = list(multiply_adds(nodes, places))
    for node in (nodes[place] for place in places):
        read = _read(nodes, node)
        inputs = [nodes[s] for s in node.inputs] if _is_chain(nodes, node) else [read]
        found += [count(each.type.shape) * COMPUTED for each in inputs if each]
    return _merge_products(found)


def _is_chain(nodes: Sequence[Node], node: Node) -> bool:
    """Whether a node is a long sum for few elements: reading takes longer than multiplying."""
    chain = node.op.kind == "contract" and not node.attr("rows", False)
    return chain and isinstance(nodes[node.inputs[0]].type.shape[-1], Dim)


def _read(nodes: Sequence[Node], node: Node) -> Node | None:
    """Return the node whose elements are computed, added or copied one by one; None if none are."""
    kind, code = node.op.kind, node.op.code
    if kind == "reduce" or code == "scatter":
        return nodes[node.inputs[-1]]
    copied = kind == "view" and code.write is not None
    return node if copied or kind in ("elementwise", "index") else None


def single_thread_rows(nodes: Sequence[Node]) -> set[Size]:
    """Return the numbers of rows that one thread adds or copies alone, and the lengths of sums that
    are single chains."""
    alone = (n for n in nodes if n.op.code != "gather" and n.op.kind != "elementwise")
    found = {size for n in alone if (read := _read(nodes, n)) for size in read.type.shape[:1]}
    chains = {nodes[n.inputs[0]].type.shape[-1] for n in nodes if n.op.kind == "contract"}
    return found | {size for size in chains if isinstance(size, Dim) or size > MANY}


def kernel_work(fused: KernelGraph) -> tuple[Work, ...]:
    """Return the work of every kernel."""
    nodes = fused.graph.nodes
    return tuple(
        Work(elementwise_and_products(nodes, k.nodes), _moved_numbers(fused, k))
        for k in fused.kernels
    )


def _moved_numbers(fused: KernelGraph, kernel: Kernel) -> tuple[SizeProduct, ...]:
    """Return how many numbers a kernel reads and writes: its arguments (of a gathered matrix only
    the gathered rows) and results."""
    nodes, places = fused.graph.nodes, set[int]()
    for place in kernel.nodes:
        if nodes[place].op.code == "gather":
            places.add(place)
        else:
            places |= {fused.access[s].base for s in nodes[place].inputs if s in fused.access}
    places |= {place for place, _ in kernel.stores}
    return _merge_products(count(nodes[place].type.shape) for place in places if place < len(nodes))


def _merge_products(products: Iterable[SizeProduct]) -> tuple[SizeProduct, ...]:
    """Add the factors of products with equal symbolic sizes."""
    found = dict[tuple[Dim, ...], int]()
    for product in products:
        found[product.dims] = found.get(product.dims, 0) + product.factor
    return tuple(SizeProduct(factor, dims) for dims, factor in found.items())
