"""The kernels of a page: one for each operation of its graphs, with symbolic sizes.

In: graphs. Out: `Library`, which cuts each graph into units (one operation and the views that it
reads through) and compiles each different unit once, as WebAssembly. Constants of a graph become
inputs, so that graphs that differ only in them share kernels. By the arithmetic contract, units
compute the same bits as fused kernels.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from glassnet.fuse.kernel_order import schedule
from glassnet.fuse.kernels import KernelGraph
from glassnet.graph.graph import Graph, Literal, Node, freeze_attrs, show
from glassnet.graph.layout import SizeProduct
from glassnet.graph.op import OPS, View
from glassnet.graph.resize import resize
from glassnet.graph.types import Dim, Size
from glassnet.llvm.wasm import Mode, wasm_library

DTYPE = re.compile(r"\b[fi](?:32|64)\b")


@dataclass(frozen=True)
class KernelCall:
    """One call of a kernel: the nodes whose values it reads and writes, in the order of its buffer
    table, and the sizes of the graph."""

    kernel: int
    buffers: tuple[int, ...]
    dims: tuple[Size, ...]
    writes: int


@dataclass(frozen=True)
class LibraryCode:
    """A module, and the bytes of scratch memory of each of its kernels: a sum of products
    [factor, size, …], where a size is an index into the kernel's sizes."""

    code: bytes
    scratch: list[list[list[int]]]


@dataclass
class Library:
    """Units by their text; a unit and its kernel have the same number."""

    units: dict[str, KernelGraph] = field(default_factory=dict[str, KernelGraph])
    numbers: dict[str, int] = field(default_factory=dict[str, int])

    def calls(self, graph: Graph) -> list[KernelCall]:
        """Return the kernel calls that compute a graph's outputs; its constants must be inputs."""
        found: dict[int, KernelCall] = {}
        for place in graph.outputs:
            self._need(graph, place, found)
        return [found[place] for place in sorted(found)]

    def _need(self, graph: Graph, place: int, found: dict[int, KernelCall]) -> None:
        if place in found or is_buffer(graph.nodes[place]):
            return
        for inline in (True, False):
            unit = _unit(graph, place, inline)
            fused = schedule(unit.graph, merge=False)
            if len(fused.kernels) == 1:
                break
        else:
            raise AssertionError(f"{graph.nodes[place].op.name} takes more than one kernel")
        for base in unit.bases:
            self._need(graph, base, found)
        text = show(unit.graph)
        if text not in self.units:
            self.units[text] = fused
        number = self.numbers.setdefault(text, len(self.numbers))
        places = dict(zip(fused.graph.inputs.values(), unit.bases, strict=True))
        places[fused.outputs[0]] = place
        order = sorted({*fused.graph.inputs.values(), fused.outputs[0]})
        found[place] = KernelCall(number, tuple(places[b] for b in order), unit.dims, place)

    def compile(self, mode: Mode) -> LibraryCode:
        """Compile the module; similar kernels are placed together, so that it compresses well."""
        texts = sorted(self.units, key=lambda text: (DTYPE.sub("", text), text))
        units = [self.units[text] for text in texts]
        numbers = [self.numbers[text] for text in texts]
        code, lowered = wasm_library(units, mode, numbers)
        scratch: list[list[list[int]]] = [[]] * len(units)
        for kernel, unit, number in zip(lowered, units, numbers, strict=True):
            every = tuple(sorted({*unit.graph.inputs.values(), unit.outputs[0]}))
            assert kernel.buffers == every, "a kernel takes all its buffers"
            scratch[number] = [_places(part, unit.graph) for part in kernel.scratch[0]]
        return LibraryCode(code, scratch)


@dataclass(frozen=True)
class _Unit:
    """A graph of one operation; `bases` are the nodes of the whole graph that are its inputs,
    `dims` the sizes of the whole graph that are its sizes, in the order of the kernel's table."""

    graph: Graph
    bases: tuple[int, ...]
    dims: tuple[Size, ...]


def _places(product: SizeProduct, graph: Graph) -> list[int]:
    return [product.factor, *(graph.dims.index(dim.name) for dim in product.dims)]


def is_buffer(node: Node) -> bool:
    """Return whether a node's value is an input, rather than computed."""
    return node.op.kind == "source" and node.op.code is None


def _is_inline(node: Node, views: bool) -> bool:
    """Return whether a unit includes this node that another of its nodes reads: a source that is
    computed from coordinates, or (with `views`) a view that moves no data."""
    if node.op.kind == "source":
        return node.op.code is not None
    return views and isinstance(node.op.code, View) and node.op.code.read is not None


def _unit(graph: Graph, place: int, views: bool) -> _Unit:
    inside = _nodes_of_unit(graph, place, views)
    reads = (s for p in inside for s in graph.nodes[p].inputs)
    bases = tuple(dict.fromkeys(s for s in reads if s not in inside))
    nodes = [
        Node(OPS["input"], (), freeze_attrs({"name": f"a{i}"}), graph.nodes[base].type)
        for i, base in enumerate(bases)
    ]
    numbers = {base: i for i, base in enumerate(bases)}
    for p in inside:
        numbers[p] = len(nodes)
        node = graph.nodes[p]
        nodes.append(replace(node, inputs=tuple(numbers[s] for s in node.inputs)))
    small = Graph(tuple(nodes), (numbers[place],))
    met = dict.fromkeys(s for n in nodes for s in n.type.shape if isinstance(s, Dim))
    names: dict[Size, Size] = {size: Dim(f"d{i:02}") for i, size in enumerate(met)}
    renamed = resize(small, names)
    back = {name: size for size, name in names.items()}
    return _Unit(renamed, bases, tuple(back[Dim(name)] for name in renamed.dims))


def _nodes_of_unit(graph: Graph, place: int, views: bool) -> list[int]:
    """Return the node and the nodes that its unit includes, in order."""
    found, ahead = {place}, [place]
    while ahead:
        for source in graph.nodes[ahead.pop()].inputs:
            if source not in found and _is_inline(graph.nodes[source], views):
                found.add(source)
                ahead.append(source)
    return sorted(found)


NUMBERS = ("constant", "literal", "extent")


def open_numbers(graph: Graph) -> tuple[Graph, dict[str, Any]]:
    """Replace each constant, and each size that is used as a number, by an input. Return the graph
    and the values by input name, a size as a `Dim`."""
    names: dict[tuple[str, str], str] = {}
    numbers: dict[str, Any] = {}
    inputs = [node for node in graph.nodes if node.op.name == "input"]
    for node in graph.nodes:
        if node.op.name in NUMBERS and _number(node) not in names:
            name = names[_number(node)] = f"c{len(names)}"
            numbers[name] = node.attr("dim", node.attr("value"))
            inputs.append(Node(OPS["input"], (), freeze_attrs({"name": name}), node.type))
    places = {node.attr("name"): i for i, node in enumerate(inputs)}
    nodes, moved = list(inputs), dict[int, int]()
    for old, node in enumerate(graph.nodes):
        if node.op.name == "input" or node.op.name in NUMBERS:
            given = node.op.name == "input"
            moved[old] = places[node.attr("name") if given else names[_number(node)]]
        else:
            moved[old] = len(nodes)
            nodes.append(replace(node, inputs=tuple(moved[s] for s in node.inputs)))
    return Graph(tuple(nodes), tuple(moved[o] for o in graph.outputs)), numbers


def _number(node: Node) -> tuple[str, str]:
    """Return a key that equal numbers share."""
    return node.type.dtype, repr(node.attr("dim", node.attr("value")))


def describe_calls(calls: Sequence[KernelCall]) -> list[Any]:
    """Return calls as JSON values: kernel, buffers, sizes by name or number, the written node."""
    return [
        [call.kernel, list(call.buffers), [_size(size) for size in call.dims], call.writes]
        for call in calls
    ]


def _size(size: Size) -> str | int:
    return size.name if isinstance(size, Dim) else size


def value(number: Any) -> Any:
    """Return a number of a graph as a JSON value: a size by name, infinities and NaN as texts."""
    if isinstance(number, Literal):
        return number.array.ravel().tolist()
    if isinstance(number, Dim):
        return {"size": number.name}
    return number if not isinstance(number, float) or math.isfinite(number) else str(number)
