"""Unrolls tiny graphs completely: every element of every node is a register of its own.

In: a graph of known sizes, except the rows of matrices that are only gathered from. Out: the same
entry function as in `entry_point.py`, as straight-line code without loops, kernels or intermediate
memory. For a network of a few neurons the loops cost more than the arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from glassnet.fuse.kernels import KernelGraph
from glassnet.graph.graph import Node
from glassnet.graph.layout import count
from glassnet.graph.types import Dim
from glassnet.lower.counter import LEAF
from glassnet.lower.entry_point import ENTRY_ARGUMENTS, RUN, Lowered, addresses
from glassnet.lower.lanes import LANES, halving_tree
from glassnet.lower.packed import is_repeated, is_stored, vector_nodes

BUDGET = 3000  # registers; compiling longer code costs more time than it saves


def fits(fused: KernelGraph) -> bool:
    """Whether a graph is tiny, of known sizes, and has only ops that can be unrolled."""
    graph = fused.graph
    tables = _tables(fused)
    total = 0
    for place, node in enumerate(graph.nodes):
        if place in tables:
            continue
        if node.op.code == "gather" and node.inputs[0] not in tables:
            return False
        if any(isinstance(size, Dim) for size in node.type.shape) or node.op.code == "scatter":
            return False
        inner = graph.nodes[node.inputs[0]].type.shape[-1] if node.op.kind == "contract" else 1
        total += count(node.type.shape).factor * (inner if isinstance(inner, int) else BUDGET)
        if total > BUDGET:
            return False
    return True


def _tables(fused: KernelGraph) -> set[int]:
    """Return the inputs that are used only to gather rows from."""
    nodes = fused.graph.nodes
    found = {node.inputs[0] for node in nodes if node.op.code == "gather"}
    others = {s for n in nodes for s in (n.inputs[1:] if n.op.code == "gather" else n.inputs)}
    plain = found - others - set(fused.graph.outputs)
    return {p for p in plain if nodes[p].op.kind == "source" and nodes[p].op.code is None}


def lower_unrolled(fused: KernelGraph, module: Any, stepped: Sequence[int]) -> Lowered:
    """Write the entry function."""
    graph = fused.graph
    sources = [p for p, n in enumerate(graph.nodes) if n.op.kind == "source" and n.op.code is None]
    buffers = sorted({*sources, *fused.outputs})
    entry = module.function(RUN, ENTRY_ARGUMENTS)
    at = addresses(entry, fused, buffers, stepped)
    first, last = entry.args[2:4]
    entry.loop(first, last, 1, (), lambda step: _Step(entry, fused, at(step)).write())
    entry.finish()
    return Lowered(tuple(buffers), (), ())


class _Step:
    """One step: for every node the registers of its elements, in row-major order, or vectors."""

    def __init__(self, b: Any, fused: KernelGraph, pointers: dict[int, Any]) -> None:
        self.b, self.fused, self.pointers = b, fused, pointers
        self.nodes = fused.graph.nodes
        self.values: dict[int, list[Any]] = {}
        self.packed, self.vectors = vector_nodes(fused), dict[int, list[Any]]()

    def write(self) -> None:
        tables = _tables(self.fused)
        for place, node in enumerate(self.nodes):
            if place in self.packed:
                parts = zip(*(self._vectors(source) for source in node.inputs), strict=True)
                self.vectors[place] = [node.op.code(self.b, *p, **node.kwargs) for p in parts]
                if not self.packed.issuperset(self.fused.graph.uses[place]):
                    self.values[place] = self._numbers(place)
            elif place not in tables:
                self.values[place] = self._node(place, node)
        for place, buffer in zip(self.fused.graph.outputs, self.fused.outputs, strict=True):
            if place in self.packed:
                for (start, _), part in zip(self._parts(place), self.vectors[place], strict=True):
                    self.b.store(part, self.pointers[buffer], start)
                continue
            for i, value in enumerate(self.values[place]):
                self.b.store(value, self.pointers[buffer], i)

    def _parts(self, place: int) -> list[tuple[int, int]]:
        """Return the starts of a node's vectors and their numbers of lanes: powers of two, so that
        no masked store delays the next step's loads of what this one has written."""
        size = count(self.nodes[place].type.shape).factor
        sizes = [1 << i for i in reversed(range(size.bit_length())) if size >> i & 1]
        return [(sum(sizes[:i]), lanes) for i, lanes in enumerate(sizes)]

    def _numbers(self, place: int) -> list[Any]:
        return [self.b.extract(part, i) for part in self.vectors[place] for i in range(part.lanes)]

    def _vectors(self, place: int) -> list[Any]:
        """Return a node as vectors: loaded, one number repeated, or assembled from numbers."""
        if place not in self.vectors:
            stored, once = is_stored(self.fused, place), is_repeated(self.fused, place)
            dtype, pointer = self.nodes[place].type.dtype, self.pointers.get(place)
            self.vectors[place] = [
                self.b.load(pointer, start, dtype, lanes)
                if stored
                else self._joined(self.values[place][start : start + (1 if once else lanes)], lanes)
                for start, lanes in self._parts(place)
            ]
        return self.vectors[place]

    def _joined(self, numbers: Sequence[Any], lanes: int) -> Any:
        """Assemble a vector: repeat the first number, then insert the others."""
        found = self.b.splat(numbers[0], lanes) if lanes > 1 else numbers[0]
        for i, number in enumerate(numbers[1:], 1):
            found = self.b.insert(found, number, i)
        return found

    def _node(self, place: int, node: Node) -> list[Any]:
        if node.op.kind == "source":
            return self._source(place, node)
        if node.op.kind == "elementwise":
            return self._elementwise(node)
        if node.op.kind == "view":
            return self._view(node)
        if node.op.kind == "reduce":
            return self._reduce(node)
        return self._contract(node) if node.op.kind == "contract" else self._gather(node)

    def _source(self, place: int, node: Node) -> list[Any]:
        size = count(node.type.shape).factor
        dtype = node.type.dtype
        if node.op.code is None:
            return [self.b.load(self.pointers[place], i, dtype) for i in range(size)]
        return [
            node.op.code(self.b, [self.b.index(int(i)) for i in at], dtype, **node.kwargs)
            for at in np.ndindex(*_shape(node))
        ]

    def _elementwise(self, node: Node) -> list[Any]:
        columns = zip(*(self.values[source] for source in node.inputs), strict=True)
        return [node.op.code(self.b, *column, **node.kwargs) for column in columns]

    def _view(self, node: Node) -> list[Any]:
        """Apply the op to an array of element numbers to find where elements go (0 is a zero)."""
        pool = [self.b.const(0, node.type.dtype)]
        numbers: list[np.ndarray] = []
        for source in node.inputs:
            shape = _shape(self.nodes[source])
            size = len(self.values[source])
            numbers.append(np.arange(len(pool), len(pool) + size).reshape(shape))
            pool += self.values[source]
        return [pool[i] for i in np.asarray(node.op.numpy(*numbers, **node.kwargs)).ravel()]

    def _reduce(self, node: Node) -> list[Any]:
        source = self.nodes[node.inputs[0]]
        axes: tuple[int, ...] = node.attr("axes")
        numbers = np.arange(len(self.values[node.inputs[0]])).reshape(_shape(source))
        others = [axis for axis in range(numbers.ndim) if axis not in axes]
        length = int(np.prod([numbers.shape[axis] for axis in axes]))
        rows = numbers.transpose([*others, *axes]).reshape(int(np.prod(_shape(node))), length)
        return [self._total(node, [self.values[node.inputs[0]][i] for i in row]) for row in rows]

    def _total(self, node: Node, items: list[Any]) -> Any:
        reduction = node.op.code
        start = self.b.const(reduction.init(node.type.dtype), node.type.dtype)
        if node.attr("rows", False):
            leaves = [items[i : i + LEAF] for i in range(0, len(items), LEAF)] or [[]]
            return self._tree(reduction.combine, [self._chain(node, x, start) for x in leaves])
        lanes = [self._chain(node, items[j::LANES], start) for j in range(min(len(items), LANES))]
        return halving_tree(self.b, reduction, lanes or [start])

    def _chain(self, node: Node, items: Sequence[Any], start: Any) -> Any:
        for item in items:
            start = node.op.code.combine(self.b, start, item)
        return start

    def _tree(self, join: Any, parts: list[Any]) -> Any:
        while len(parts) > 1:
            pairs = [parts[i : i + 2] for i in range(0, len(parts), 2)]
            parts = [join(self.b, *pair) if len(pair) == 2 else pair[0] for pair in pairs]
        return parts[0]

    def _contract(self, node: Node) -> list[Any]:
        left, right = (self.values[source] for source in node.inputs)
        a, b = (
            np.arange(len(self.values[source])).reshape(_shape(self.nodes[source]))
            for source in node.inputs
        )
        result: list[Any] = []
        for *batch, m, n in np.ndindex(*_shape(node)):
            here = tuple(batch)
            pairs = [(left[i], right[j]) for i, j in zip(a[here][m], b[here][:, n], strict=True)]
            leaf = LEAF if node.attr("rows", False) else max(len(pairs), 1)
            leaves = [pairs[i : i + leaf] for i in range(0, len(pairs), leaf)] or [[]]
            sums = [self._products(part, node.type.dtype) for part in leaves]
            result.append(self._tree(lambda b, x, y: x + y, sums))
        return result

    def _products(self, pairs: Sequence[tuple[Any, Any]], dtype: str) -> Any:
        total = self.b.const(0.0, dtype)
        for x, y in pairs:
            total = self.b.fma(x, y, total)
        return total

    def _gather(self, node: Node) -> list[Any]:
        source, rows = node.inputs
        table = self.nodes[source]
        width = count(table.type.shape[1:]).factor
        size = table.type.shape[0]
        last = (self.b.dims[size.name] if isinstance(size, Dim) else self.b.index(size)) - 1
        result: list[Any] = []
        for row in self.values[rows]:
            at = self.b.convert(row, "int64")
            at = self.b.select(at < 0, 0, self.b.select(at > last, last, at))
            for j in range(width):
                result.append(self._row_element(source, at, width, j))
        return result

    def _row_element(self, source: int, row: Any, width: int, j: int) -> Any:
        dtype = self.nodes[source].type.dtype
        start = self.b.offset(self.pointers[source], row * width, dtype)
        return self.b.load(start, j, dtype)


def _shape(node: Node) -> tuple[int, ...]:
    return tuple(size for size in node.type.shape if isinstance(size, int))
