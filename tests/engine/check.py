"""Compiled code against the float64 interpreter.

In: a graph and arrays. Out: an assertion that fails where they are further apart than rounding.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from glassnet.graph.graph import Graph
from glassnet.graph.interpret import interpret
from glassnet.run.program import Plan
from tests.engine.variants import call, difference, loops, thresholds

TOLERANCE = {"float32": 1e-5, "float64": 1e-13}


def numbers(dtype: str, *shape: int, seed: int = 0) -> np.ndarray:
    """Ordinary numbers of a dtype."""
    random = np.random.default_rng((seed, *shape))
    if dtype == "bool":
        return np.asarray(random.random(shape) < 0.5)
    if dtype in ("int32", "int64"):
        return np.asarray(random.integers(-100, 100, shape)).astype(dtype)
    return np.asarray(random.uniform(-2, 2, shape)).astype(dtype)


def agree(graph: Graph, args: Mapping[str, np.ndarray], scale: float = 1.0) -> None:
    """Run machine code with loops; floats agree to rounding, other dtypes exactly."""
    with thresholds():
        results = call(loops(Plan(graph)), args)
    for got, wanted in zip(results, interpret(graph, args, wide=True), strict=True):
        close(got, wanted, scale)


def close(got: np.ndarray, wanted: np.ndarray, scale: float = 1.0) -> None:
    assert got.shape == wanted.shape
    if got.dtype.kind != "f":
        found = difference(wanted, got)
        assert not found, found
    elif got.size:
        finite = np.isfinite(wanted)
        assert np.array_equal(got[~finite], wanted[~finite], equal_nan=True)
        limit = TOLERANCE[got.dtype.name] * scale * float(np.abs(wanted[finite]).max(initial=1.0))
        error = np.abs(np.where(finite, got, 0).astype(np.float64) - np.where(finite, wanted, 0))
        place = np.unravel_index(error.argmax(), got.shape)
        assert error.max() <= limit, f"{error.max()} at {place}"


def reference(
    plan: Plan, args: Mapping[str, np.ndarray], steps: int, wide: bool
) -> list[np.ndarray]:
    """What a plan means, step by step."""
    now = dict(args)
    history: list[list[np.ndarray]] = []
    for step in range(steps):
        here = {n: a[step] if n in plan.stepped else a for n, a in now.items()}
        history.append(interpret(plan.graph, here, wide))
        now |= {name: history[-1][output] for name, output in plan.donate.items()}
    return [
        np.stack([outputs[i] for outputs in history]) if i in plan.collect else last
        for i, last in enumerate(history[-1])
    ]
