"""Contractions large enough for panels, strips and groups of them, against the exact order."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

from glassnet.graph.types import Dim, Type
from glassnet.ops.contraction import matmul_op
from glassnet.run.program import Plan
from glassnet.tracing import trace
from tests.engine import oracle
from tests.engine.test_orders import numbers
from tests.engine.variants import call, difference, loops, runnable, thresholds, tiled

SHAPES = [(70, 300, 1100), (1100, 150, 33), (130, 1030, 20), (9, 2100, 40)]
TURNS = [(False, False), (True, False), (False, True), (True, True)]


@cache
def problem(shape: tuple[int, int, int], rows: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    m, k, n = shape
    a, b = numbers("float32", m, k), numbers("float32", k, n)
    return a, b, oracle.matmul(a, b, rows)


@pytest.mark.parametrize("rows", [False, True])
@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("shape", SHAPES)
def test_large_contractions(
    shape: tuple[int, int, int], turn: tuple[bool, bool], rows: bool
) -> None:
    a, b, wanted = problem(shape, rows)
    args = {
        "a": np.ascontiguousarray(a.T) if turn[0] else a,
        "b": np.ascontiguousarray(b.T) if turn[1] else b,
    }

    def f(a: Any, b: Any) -> Any:
        return matmul_op(a.T if turn[0] else a, b.T if turn[1] else b, rows=rows)

    known = Plan(trace(f, *args.values()))
    sizes = {size: Dim(name) for size, name in zip(shape, "mkn", strict=True)}
    symbolic = [Type("float32", tuple(sizes[size] for size in x.shape)) for x in args.values()]
    open_plan = Plan(trace(f, *symbolic))
    small = tiled(runnable()[0], 5, 2, 1 << 14)
    with thresholds(threads=0):
        for target in runnable():
            (got,) = call(loops(known, target), args)
            assert not difference(wanted, got), target.name
        for name, plan, target, threads in (
            ("run-time sizes", open_plan, runnable()[0], 1),
            ("small panels", known, small, 1),
            ("threads", known, runnable()[0], 3),
            ("all of it", open_plan, small, 4),
        ):
            (got,) = call(loops(plan, target), args, threads=threads)
            assert not difference(wanted, got), name
