"""Matrix products in all the forms of NumPy, with sizes known when the code runs only."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from glassnet import ops
from glassnet.gradient import gradients
from glassnet.graph.interpret import interpret
from glassnet.graph.parse import parse
from glassnet.graph.types import Dim, Shape, Type, bind
from glassnet.run.program import Plan
from glassnet.tracing import trace
from tests.engine.check import numbers
from tests.engine.variants import loops

K, M, N = Dim("k"), Dim("m"), Dim("n")
FORMS: list[tuple[Shape, Shape]] = [
    ((K, N, 5), (5, 3)),
    ((2, N, 5), (5, 3)),
    ((K, N, 5), (K, 5, 3)),
    ((N, 5), (5,)),
    ((N,), (N, 3)),
    ((N,), (N,)),
    ((K, N, M), (M,)),
    ((5,), (K, 5, N)),
    ((K, 1, N, 5), (1, 2, 5, M)),
    ((N, M), (K, M, 3)),
]
SIZES = [{"k": 2, "m": 4, "n": 7}, {"k": 1, "m": 1, "n": 1}, {"k": 3, "m": 65, "n": 33}]


def squared(a: Any, b: Any) -> Any:
    y = a @ b
    slopes = gradients(ops.sum(y * y), [a, b])
    return (y, *slopes)


@pytest.mark.parametrize(("left", "right"), FORMS, ids=str)
def test_products_and_their_gradients(left: Shape, right: Shape) -> None:
    graph = trace(squared, Type("float32", left), Type("float32", right))
    program = loops(Plan(graph))
    for sizes in SIZES:
        args = {
            "a": numbers("float32", *bind(left, sizes)),
            "b": numbers("float32", *bind(right, sizes)),
        }
        wanted = interpret(graph, args, wide=True)
        plain = np.matmul(args["a"].astype(float), args["b"].astype(float))
        np.testing.assert_allclose(wanted[0], plain, rtol=1e-12, atol=1e-12)
        for one, other in zip(program.run(args), wanted, strict=True):
            assert one.shape == other.shape
            np.testing.assert_allclose(one, other, rtol=2e-4, atol=2e-4)


def test_a_product_is_written_in_one_way() -> None:
    def f(a: Any, b: Any) -> Any:
        return a @ b, ops.matmul(a, b), ops.matmul(a, b, rows=False)

    graph = trace(f, np.ones((2, 3)), np.ones((3, 2)))
    lines = [line.partition(" = ")[2] for line in str(graph).splitlines() if "matmul" in line]
    assert lines == ["matmul(%0, %1) : f64[2,2]"] * 3
    assert parse(str(graph)) == graph
    summed = trace(lambda a, b: ops.matmul(a, b, rows=True), np.ones((2, 3)), np.ones((3, 2)))
    assert "matmul(%0, %1, rows=True)" in str(summed)
