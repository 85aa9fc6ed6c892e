"""Random graphs over square tables, in which sizes do not tell rows from columns.

In: a size and a seed. Out: a failure where compiled code and the interpreter differ.
"""

from __future__ import annotations

import os
import random
from typing import Any
from unittest import mock

import numpy as np
import pytest

from glassnet import ops
from glassnet.fuse.row_kernels import _Joiner
from glassnet.gradient import gradients
from glassnet.graph.graph import Graph
from glassnet.graph.interpret import interpret
from glassnet.graph.types import Type
from glassnet.pipeline import compile_graph
from glassnet.tracing import trace

SIZES = (2, 3, 5, 8, 16)
GRAPHS = int(os.environ.get("GLASSNET_FUZZ", "60")) // 5


def drawn(chance: random.Random, size: int) -> Graph:
    """Sums along rows and columns, and numbers of rows and of columns, in a random order."""

    def expression(x: Any, v: Any, r: Any) -> Any:
        column = (size, 1)
        tables = [x, x * v, x + ops.reshape(r, column), ops.transpose(x, (1, 0))]
        vectors = [v, ops.exp(0.1 * v), ops.sqrt(ops.square(v) + 1e-3), r * v]
        for _ in range(chance.randint(2, 6)):
            a, b, c = chance.choice(tables), chance.choice(tables), chance.choice(vectors)
            table, vector = chance.choice(
                [
                    (a * c, None), (a / (ops.abs(c) + 1.0), None), (a + b, None),
                    (a - ops.reshape(ops.max(a, 1), column), None), (ops.softmax(a, 1), None),
                    (a * ops.reshape(c, column), None), (None, ops.sum(a, 1)),
                    (None, ops.sum(a, 0)), (None, ops.max(a, 1) * c),
                ]
            )  # fmt: skip
            tables += [] if table is None else [table]
            vectors += [] if vector is None else [vector]
        total = ops.sum(tables[-1] * tables[-2])
        return total, ops.sum(tables[-1], 1), vectors[-1], *gradients(total, [x, v])

    types = Type("float64", (size, size)), Type("float64", (size,)), Type("float64", (size,))
    return trace(expression, *types)


def wrong(size: int) -> int:
    """How many of the graphs give other numbers than the interpreter."""
    count = 0
    for seed in range(GRAPHS):
        graph, numbers = drawn(random.Random(seed), size), np.random.default_rng(seed)
        arrays = {name: numbers.normal(size=type.shape) for name, type in graph.input_types.items()}
        pairs = zip(compile_graph(graph).run(arrays), interpret(graph, arrays), strict=True)
        count += not all(np.allclose(a, b, rtol=1e-9, atol=1e-9) for a, b in pairs)
    return count


@pytest.mark.parametrize("size", SIZES)
def test_rows_are_not_columns(size: int) -> None:
    assert wrong(size) == 0


def test_columns_that_are_taken_for_rows_would_be_seen() -> None:
    with mock.patch.object(_Joiner, "_is_row_local", return_value=True):
        assert wrong(3) > 0
