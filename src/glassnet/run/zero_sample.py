"""Whether products with 0 are worth leaving out.

In: a graph, and the tables that it gathers rows from. Out: a guess, from some rows, which decides
about time only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from glassnet.graph.graph import Graph, Node

SAMPLE, TILE = 64, 8  # rows looked at; rows, or columns, that have to be 0 together
WORTH = 1.2  # of 2: the parts of a product with the rows and of its gradient that are left


def multiplied_tables(graph: Graph) -> tuple[str, ...]:
    """Inputs from which rows are gathered and multiplied."""
    nodes = graph.nodes
    lefts = {_origin(nodes, node.inputs[0]) for node in nodes if node.op.kind == "contract"}
    tables = {nodes[place].inputs[0] for place in lefts if nodes[place].op.code == "gather"}
    return tuple(name for name, place in graph.inputs.items() if place in tables)


def _origin(nodes: Sequence[Node], place: int) -> int:
    """What a value is a view of."""
    while nodes[place].op.kind == "view":
        place = nodes[place].inputs[0]
    return place


def has_many_zeros(names: Sequence[str], arrays: Mapping[str, np.ndarray]) -> bool:
    """Whether one of the tables has zeros together often enough."""
    return any(left_over(arrays[name]) <= WORTH for name in names)


def left_over(table: np.ndarray) -> float:
    """The part of its product with weights that is left, and that of the product's gradient."""
    if table.ndim != 2 or min(table.shape) < TILE:
        return 2.0
    some = table[:: max(1, len(table) // SAMPLE)][:SAMPLE] != 0
    rows, columns = (size // TILE * TILE for size in some.shape)
    by_rows = some[:rows].reshape(-1, TILE, some.shape[1]).any(axis=1)
    by_columns = some[:, :columns].reshape(len(some), -1, TILE).any(axis=2)
    return float(by_rows.mean() + by_columns.mean())
