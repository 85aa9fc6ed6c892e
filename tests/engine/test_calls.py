"""A prepared call takes all its steps, or the part of them that is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from glassnet import ops
from glassnet.graph.types import Type
from glassnet.run.program import Interpreted, Plan, Program
from glassnet.tracing import trace
from tests.engine.variants import loops


def summing() -> Plan:
    """w grows by x at every step, and 2 w is written down, as is the sum of both."""
    one = Type("float32", (3,))

    def step(x: Any, w: Any) -> Any:
        return w + x, (w + x) * 2.0, ops.sum(w + x)

    graph = trace(step, one, one)
    return Plan(graph, {"w": 0}, frozenset({"x"}), frozenset({1, 2}))


@pytest.mark.parametrize("make", [loops, Interpreted])
def test_some_steps_of_a_call(make: Callable[[Plan], Program]) -> None:
    x = np.arange(15, dtype=np.float32).reshape(5, 3)
    w = np.zeros(3, np.float32)
    call = make(summing()).prepare({"x": x, "w": w}, 5)
    results = call(1, 3)
    assert w.tolist() == [9, 11, 13]  # the rows 3, 4, 5 and 6, 7, 8
    assert results[1][1:3].tolist() == [[6, 8, 10], [18, 22, 26]]
    assert results[2][1:3].tolist() == [12, 33]
    kept = results[1][1:3].copy()
    assert call(3)[1][4].tolist() == [60, 68, 76]  # and 9, 10, 11 and 12, 13, 14
    assert w.tolist() == [30, 34, 38]
    np.testing.assert_array_equal(results[1][1:3], kept)
    w[...] = 0
    assert call()[1][:, 0].tolist() == [0, 6, 18, 36, 60]


def test_steps_apart_on_more_threads_than_steps_are_left() -> None:
    one = Type("float32", (3,))
    plan = Plan(trace(ops.square, one), {}, frozenset({"x0"}), frozenset({0}))
    x = np.arange(15, dtype=np.float32).reshape(5, 3)
    call = loops(plan).prepare({"x0": x}, 5, threads=4)
    assert call(4)[0][4].tolist() == [144, 169, 196]
    np.testing.assert_array_equal(call()[0], x * x)
