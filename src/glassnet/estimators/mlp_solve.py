"""How the rows get to the compiled programs of an MLP estimator.

In: a network, its numbers in one flat vector, and rows, dense or sparse. Out: steps taken,
predictions. Sparse rows are made dense a batch or a part at a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from glassnet.estimators.mlp_graph import (
    Network,
    predict_program,
    step_program,
)
from glassnet.training.steps import Stepper

PART = 4096  # rows at a time where there are no batches


@dataclass(frozen=True)
class Rows:
    """x [n, columns], an array or a sparse matrix; y [n, outputs]; weight [n]."""

    x: Any
    y: np.ndarray
    weight: np.ndarray

    def __len__(self) -> int:
        return int(self.x.shape[0])


@dataclass
class Memory:
    """What an optimiser remembers between steps, flat like the parameters."""

    learning_rate: float
    t: int = 0
    slots: dict[str, np.ndarray] = field(default_factory=dict[str, np.ndarray])


def views(network: Network, block: np.ndarray) -> list[np.ndarray]:
    """A flat vector as weights of every layer, then biases of every layer."""
    parts: list[np.ndarray] = []
    start = 0
    for shape in network.shapes:
        size = int(np.prod(shape))
        parts.append(block[start : start + size].reshape(shape))
        start += size
    return parts


def dense(x: Any) -> np.ndarray:
    return x.toarray() if hasattr(x, "toarray") else x


class Steps:
    """Steps of training over batches of rows."""

    def __init__(
        self,
        network: Network,
        rule: str,
        block: np.ndarray,
        memory: Memory,
        rows: Rows,
        settings: Mapping[str, float],
        threads: int | None,
    ) -> None:
        self.network, self.rows, self.threads = network, rows, threads
        self.program = step_program(network, rule)
        named: dict[str, np.ndarray] = {
            name: np.array(value, network.dtype) for name, value in settings.items()
        }
        for prefix, flat in (("", block), *((f"{s}.", a) for s, a in memory.slots.items())):
            parts = zip(network.names, views(network, flat), strict=True)
            named |= {f"{prefix}{name}": part for name, part in parts}
        self.held = named
        self.sparse = hasattr(rows.x, "toarray")
        if not self.sparse:
            arrays = {"x": rows.x, "y": rows.y, "weight": rows.weight}
            self.stepper = Stepper(self.program, {**named, **arrays}, threads)
        self.buffers: dict[int, tuple[dict[str, np.ndarray], Any]] = {}

    def run(self, batches: np.ndarray, lr: np.ndarray, first: int) -> np.ndarray:
        """A step for every row of `batches` [steps, size]; their losses."""
        if not self.sparse:
            return self.stepper.run(batches, lr, first)
        pairs = enumerate(zip(batches, lr, strict=True), first)
        return np.array([self._step(batch, rate, i) for i, (batch, rate) in pairs])

    def _step(self, batch: np.ndarray, lr: float, step: int) -> float:
        size = len(batch)
        if size not in self.buffers:
            width, outputs = self.network.sizes[0], self.network.sizes[-1]
            dtype = self.network.dtype
            given = {
                "x": np.empty((size, width), dtype),
                "y": np.empty((size, outputs), dtype),
                "weight": np.empty(size, dtype),
                "rows": np.arange(size, dtype=np.int32)[None],
                "lr": np.empty(1, dtype),
                "step": np.empty(1, np.int64),
            }
            call = self.program.prepare({**self.held, **given}, 1, self.threads)
            self.buffers[size] = given, call
        given, call = self.buffers[size]
        given["x"][...] = self.rows.x[batch].toarray()
        given["y"][...], given["weight"][...] = self.rows.y[batch], self.rows.weight[batch]
        given["lr"][...], given["step"][...] = lr, step
        return float(call()[0][0])


def predicted(network: Network, parts: list[np.ndarray], x: Any, what: str) -> np.ndarray:
    """Outputs of rows, dense or sparse; `what` as in `predict_program`."""
    program = predict_program(network, what)
    held = dict(zip(network.names, parts, strict=True))
    found: list[np.ndarray] = []
    for i in range(0, x.shape[0], PART):
        piece = np.ascontiguousarray(dense(x[i : i + PART]), network.dtype)
        found.append(program.run({"x": piece, **held})[0])
    return found[0] if len(found) == 1 else np.concatenate(found)
