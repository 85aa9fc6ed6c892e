"""Replaces sizes in a graph: symbolic ones by numbers, or numbers by symbolic ones.

In: a graph and a mapping of sizes. Numbers in place of run-time sizes give faster code; run-time
sizes in place of numbers give code that graphs of many sizes share. Out: the graph with the new
sizes, or its digest. It computes the same bits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from itertools import count
from typing import Any, cast

from glassnet.errors import GraphError
from glassnet.graph.graph import Graph, Literal, Node
from glassnet.graph.op import Op, Reduction, View
from glassnet.graph.types import Dim, Shape, Size, Type

SIZED = ("shape", "size")  # the attributes in which numbers are sizes

Sizes = Mapping[Size, Size]


def resize(graph: Graph, sizes: Sizes) -> Graph:
    """Return the graph with sizes replaced; use `check` to see whether it is still valid.

    Raises GraphError where a number would be replaced by a name that the graph already has, since
    two different sizes would become one."""
    if not sizes:
        return graph
    taken = {new.name for old, new in sizes.items() if isinstance(new, Dim) and old != new}
    taken &= set(graph.dims) - {old.name for old in sizes if isinstance(old, Dim)}
    if taken:
        raise GraphError(f"sizes cannot be called {', '.join(sorted(taken))}: the graph has these")
    nodes = [
        replace(
            node,
            attrs=tuple((name, _attr(name, item, sizes)) for name, item in node.attrs),
            type=Type(node.type.dtype, _shape(node.type.shape, sizes)),
        )
        for node in graph.nodes
    ]
    return Graph(tuple(nodes), graph.outputs)


def open_widths(graph: Graph, among: Iterable[Size]) -> Sizes:
    """Return a mapping of the numbers `among` to run-time sizes width0, width1, … in the order in
    which they occur in the inputs. After `resize`, graphs that differ only in these numbers are
    equal. Run-time sizes that the graph already has keep their names, which are not reused."""
    wanted = {size for size in among if not isinstance(size, Dim)}
    shapes = [type.shape for type in graph.input_types.values()]
    met = dict.fromkeys(size for shape in shapes for size in shape if size in wanted)
    free = (name for name in map("width{}".format, count()) if name not in graph.dims)
    return {size: Dim(name) for size, name in zip(met, free, strict=False)}


def digest(graph: Graph, sizes: Sizes) -> str | None:
    """Return the SHA-256 of the graph after resizing, equal for equal graphs; None where the graph
    uses an op that is defined outside this package."""
    total = hashlib.sha256()
    for node in graph.nodes:
        if not _is_ours(node.op):
            return None
        total.update(_describe_node(node, sizes).encode())
    total.update(repr(graph.outputs).encode())
    return total.hexdigest()


@cache
def _is_ours(op: Op) -> bool:
    """Whether everything that determines an op's code is part of this package."""
    code: Any = op.code
    parts: list[Any] = [code]
    if isinstance(code, Reduction | View):
        parts = list(vars(code).values())
    return all(p.__module__.startswith("glassnet.") for p in (op.infer, *parts) if callable(p))


def _describe_node(node: Node, sizes: Sizes) -> str:
    attrs = [(n, _text(_attr(n, item, sizes) if sizes else item)) for n, item in node.attrs]
    shape = [str(size) for size in _shape(node.type.shape, sizes)]
    return f"{node.op.name}{node.inputs}{attrs}{node.type.dtype}{shape}\n"


def _text(item: Any) -> str:
    if isinstance(item, Literal):
        array = item.array
        return f"{array.dtype.str}{array.shape}{hashlib.sha256(array.tobytes()).hexdigest()}"
    return repr(item)


def _shape(shape: Shape, sizes: Sizes) -> Shape:
    return tuple([sizes.get(size, size) for size in shape]) if sizes else shape


def _attr(name: str, item: Any, sizes: Sizes) -> Any:
    """Return an attribute after resizing; numbers are sizes only in the attributes SIZED."""
    if isinstance(item, tuple):
        return tuple([_attr(name, part, sizes) for part in cast("tuple[Any, ...]", item)])
    if isinstance(item, Dim) or (name in SIZED and isinstance(item, int)):
        return sizes.get(item, item)
    return item
