"""Estimates whether skipping products with 0 is worthwhile.

In: a graph, and the matrices from which it gathers rows. Out: an estimate from some rows, which
affects only the time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from glassnet.graph.graph import Graph, Node

SAMPLE, TILE = 64, 8  # rows in the sample; adjacent rows, or columns, that must be 0 together
WORTH = 1.2  # largest remaining fraction, of the product plus that of its gradient (2 in total)


def multiplied_tables(graph: Graph) -> tuple[str, ...]:
    """Return the inputs from which rows are gathered and multiplied."""
    nodes = graph.nodes
    lefts = {_origin(nodes, node.inputs[0]) for node in nodes if node.op.kind == "contract"}
    tables = {nodes[place].inputs[0] for place in lefts if nodes[place].op.code == "gather"}
    return tuple(name for name, place in graph.inputs.items() if place in tables)


def _origin(nodes: Sequence[Node], place: int) -> int:
    """Return the node of which a value is a view."""
    while nodes[place].op.kind == "view":
        place = nodes[place].inputs[0]
    return place


def has_many_zeros(names: Sequence[str], arrays: Mapping[str, np.ndarray]) -> bool:
    """Whether one of the matrices has enough groups of zeros."""
    return any(left_over(arrays[name]) <= WORTH for name in names)


def left_over(table: np.ndarray) -> float:
    """Return the fraction of a matrix's product with weights that remains without zeros, plus that
    of the product's gradient: 0 to 2."""
    if table.ndim != 2 or min(table.shape) < TILE:
        return 2.0
    some = table[:: max(1, len(table) // SAMPLE)][:SAMPLE] != 0
    rows, columns = (size // TILE * TILE for size in some.shape)
    by_rows = some[:rows].reshape(-1, TILE, some.shape[1]).any(axis=1)
    by_columns = some[:, :columns].reshape(len(some), -1, TILE).any(axis=2)
    return float(by_rows.mean() + by_columns.mean())
