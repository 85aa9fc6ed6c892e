"""Graphs that once went wrong, shrunk: each is compiled in every way and compared again."""

from __future__ import annotations

import numpy as np
import pytest

from glassnet.graph.parse import parse
from glassnet.run.program import Plan
from tests.engine.check import numbers
from tests.fuzz.test_fuzz import check_plan

# text of the graph, which outputs replace which inputs
CORPUS: dict[str, tuple[str, dict[str, int]]] = {
    "an empty contraction": (
        """graph(%0 x: f32[0,3], %1 y: f32[3,4]) {
          %2 = matmul(%0, %1, rows=False) : f32[0,4]
          return %2
        }""",
        {},
    ),
    "an empty contraction in a chain": (
        """graph(%0 x: f32[2,0]) {
          %1 = transpose(%0, axes=(1, 0)) : f32[0,2]
          %2 = matmul(%1, %0, rows=False) : f32[0,0]
          %3 = matmul(%0, %2, rows=True) : f32[2,0]
          return %3, %2
        }""",
        {},
    ),
    "an empty sum of nothing": (
        """graph(%0 x: f32[0,0]) {
          %1 = sum(%0, axes=(1,), rows=False) : f32[0]
          return %1
        }""",
        {},
    ),
    "one gathered row, reduced": (
        """graph(%0 x: f32[5], %1 i: i64[1]) {
          %2 = take(%0, %1) : f32[1]
          %3 = max(%2, axes=(0,)) : f32[]
          return %3
        }""",
        {},
    ),
    "a repeated number, scattered": (
        """graph(%0 i: i64[3]) {
          %1 = constant(dtype='float32', value=1.0) : f32[]
          %2 = broadcast(%1, shape=(3, 2)) : f32[3,2]
          %3 = scatter_add(%0, %2, size=5) : f32[5,2]
          return %3
        }""",
        {},
    ),
    "a number, padded and read elsewhere": (
        """graph(%0 x: f32[3]) {
          %1 = constant(dtype='float32', value=7.0) : f32[]
          %2 = cos(%1) : f32[]
          %3 = pad(%1, high=(), low=(), steps=()) : f32[]
          return %2, %3
        }""",
        {},
    ),
    "one result twice, the second in place": (
        """graph(%0 x: f32[3]) {
          %1 = neg(%0) : f32[3]
          return %1, %1
        }""",
        {"x": 1},
    ),
    "a swap": (
        """graph(%0 x: f32[3], %1 y: f32[3]) {
          return %1, %0
        }""",
        {"x": 0, "y": 1},
    ),
    "a sum over two of three axes": (
        """graph(%0 x: f32[2,2,2,2]) {
          %1 = min(%0, axes=(0, 2)) : f32[2,2]
          %2 = sum(%0, axes=(1, 2), rows=False) : f32[2,2]
          return %1, %2
        }""",
        {},
    ),
    "a product of a repeated number": (
        """graph(%0 x: f64[]) {
          %1 = broadcast(%0, shape=(2, 1, 1, 2)) : f64[2,1,1,2]
          %2 = transpose(%1, axes=(0, 1, 3, 2)) : f64[2,1,2,1]
          %3 = matmul(%1, %2, rows=True) : f64[2,1,1,1]
          return %3
        }""",
        {},
    ),
    "a product with steps on both axes": (
        """graph(%0 x: f64[2], %1 y: f64[4,4]) {
          %2 = slice(%1, starts=(0, 0), steps=(2, 2), stops=(4, 4)) : f64[2,2]
          %3 = reshape(%0, shape=(1, 2)) : f64[1,2]
          %4 = matmul(%3, %2, rows=False) : f64[1,2]
          return %4
        }""",
        {},
    ),
}


@pytest.mark.parametrize("name", CORPUS)
@pytest.mark.parametrize("steps", [1, 3])
def test_what_once_went_wrong(name: str, steps: int) -> None:
    text, donate = CORPUS[name]
    plan = Plan(parse(text), donate)
    args = {
        name: np.arange(int(np.prod(type.shape))).reshape(type.shape) % 5
        if type.dtype == "int64"
        else numbers(type.dtype, *map(int, type.shape))  # type: ignore[arg-type]
        for name, type in plan.graph.input_types.items()
    }
    check_plan(plan, args, steps, {})
