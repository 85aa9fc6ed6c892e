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
from glassnet.run.program import Program

Arrays = Mapping[str, np.ndarray]

PART = 4096  # rows at a time where there are no batches


@dataclass(frozen=True)
class Rows:
    """x [n, columns], an array or a sparse matrix; y [n, outputs]; weight [n]. `picked` says which
    of the rows given these are, where some were held out."""

    x: Any
    y: np.ndarray
    weight: np.ndarray
    picked: np.ndarray | None = None

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


@dataclass(frozen=True)
class Optimizer:
    """A rule of `step_program`, its settings, the parameters that it changes, and its memory."""

    rule: str
    settings: Mapping[str, float]
    block: np.ndarray
    memory: Memory

    def arrays(self, network: Network) -> dict[str, np.ndarray]:
        """The arrays of a step's inputs, the data apart."""
        given = self.settings.items()
        held = {name: np.array(value, network.dtype) for name, value in given}
        flat = {"": self.block, **{f"{name}.": own for name, own in self.memory.slots.items()}}
        for prefix, own in flat.items():
            parts = zip(network.names, views(network, own), strict=True)
            held |= {f"{prefix}{name}": part for name, part in parts}
        return held


def dense(x: Any) -> np.ndarray:
    return x.toarray() if hasattr(x, "toarray") else x


class Dense:
    """All steps over batches [steps, size] of row numbers, which may change between runs."""

    def __init__(
        self, program: Program, held: Arrays, batches: np.ndarray, threads: int | None, ahead: int
    ) -> None:
        steps = len(batches)
        self.lr = np.zeros(steps, held["x"].dtype)
        self.step = np.zeros(steps, np.int64)
        arrays = {**held, "rows": batches, "lr": self.lr, "step": self.step}
        self.call = program.prepare(arrays, steps, threads, ahead)

    def run(self, lr: np.ndarray, first: int) -> np.ndarray:
        """All steps, the first of them being number `first`; their losses."""
        self.lr[...] = lr
        self.step[...] = np.arange(first, first + len(lr))
        return self.call()[0]


class Sparse:
    """As `Dense`; the rows of a batch are made dense when its turn comes."""

    def __init__(
        self, program: Program, held: Arrays, batches: np.ndarray, threads: int | None, rows: Rows
    ) -> None:
        size, dtype = batches.shape[1], rows.y.dtype
        self.batches, self.rows = batches, rows
        self.given = {
            "x": np.empty((size, rows.x.shape[1]), dtype),
            "y": np.empty((size, rows.y.shape[1]), dtype),
            "weight": np.empty(size, dtype),
            "rows": np.arange(size, dtype=np.int32)[None],
            "lr": np.empty(1, dtype),
            "step": np.empty(1, np.int64),
        }
        self.call = program.prepare({**held, **self.given}, 1, threads)

    def run(self, lr: np.ndarray, first: int) -> np.ndarray:
        pairs = zip(self.batches, lr, strict=True)
        return np.array([self._step(own, rate, i) for i, (own, rate) in enumerate(pairs, first)])

    def _step(self, batch: np.ndarray, lr: float, step: int) -> float:
        given, rows = self.given, self.rows
        given["x"][...] = rows.x[batch].toarray()
        given["y"][...], given["weight"][...] = rows.y[batch], rows.weight[batch]
        given["lr"][...], given["step"][...] = lr, step
        return float(self.call()[0][0])


class Steps:
    """Epochs of steps over batches of `size` rows, and one of those that are left over; `order`
    says in which order an epoch takes the rows, and may be changed between epochs."""

    def __init__(
        self,
        network: Network,
        optimizer: Optimizer,
        rows: Rows,
        size: int,
        threads: int | None,
        epochs: int,
    ) -> None:
        held = optimizer.arrays(network)
        self.order = np.arange(len(rows), dtype=np.int32)
        whole = len(rows) // size * size
        cuts = [self.order[:whole].reshape(-1, size), self.order[None, whole:]]
        self.batches = [batches for batches in cuts if batches.size]
        self.count = sum(map(len, self.batches))
        program = step_program(network, optimizer.rule)
        if hasattr(rows.x, "toarray"):
            self.parts = [Sparse(program, held, own, threads, rows) for own in self.batches]
        else:
            held |= {"x": rows.x, "y": rows.y, "weight": rows.weight}
            ahead = epochs * self.count
            self.parts = [Dense(program, held, own, threads, ahead) for own in self.batches]

    def epoch(self, lr: np.ndarray, first: int) -> float:
        """A step for every batch, the first of them being number `first`; the sum over the rows
        of the loss of their batch."""
        total, done = 0.0, 0
        for part, batches in zip(self.parts, self.batches, strict=True):
            steps, size = batches.shape
            losses = part.run(lr[done : done + steps], first + done)
            total += float(losses.astype(float, copy=False).sum()) * size
            done += steps
        return total


def predicted(network: Network, parts: list[np.ndarray], x: Any, what: str) -> np.ndarray:
    """Outputs of rows, dense or sparse; `what` as in `predict_program`."""
    program = predict_program(network, what)
    held = dict(zip(network.names, parts, strict=True))
    found: list[np.ndarray] = []
    for i in range(0, x.shape[0], PART):
        piece = np.ascontiguousarray(dense(x[i : i + PART]), network.dtype)
        found.append(program.run({"x": piece, **held})[0])
    return found[0] if len(found) == 1 else np.concatenate(found)
