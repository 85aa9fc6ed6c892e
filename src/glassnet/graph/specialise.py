"""A graph for known sizes.

In: a graph and numbers for some of its run-time sizes. Out: the same graph with those sizes
written as numbers: faster code, the same bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from glassnet.graph.graph import Graph
from glassnet.graph.types import Dim, Type


def specialise(graph: Graph, dims: Mapping[str, int]) -> Graph:
    def known(item: Any) -> Any:
        if isinstance(item, Dim):
            return dims.get(item.name, item)
        if isinstance(item, tuple):
            return tuple(known(part) for part in cast("tuple[Any, ...]", item))
        return item

    nodes = [
        replace(
            node,
            attrs=tuple((name, known(item)) for name, item in node.attrs),
            type=Type(node.type.dtype, known(node.type.shape)),
        )
        for node in graph.nodes
    ]
    return Graph(tuple(nodes), graph.outputs)
