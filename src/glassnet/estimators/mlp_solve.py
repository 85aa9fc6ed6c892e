"""How the rows get to the compiled programs of an MLP estimator.

In: a network, its numbers in one flat vector, and rows, dense or sparse. Out: steps taken,
predictions. Sparse rows are made dense a batch or a part at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np

from glassnet.estimators.mlp_graph import (
    Network,
    predict_program,
    step_program,
)
from glassnet.run.program import Program

Arrays = Mapping[str, np.ndarray]
Shuffle = Callable[[np.ndarray], None]

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
        size = prod(shape)
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


class Batches:
    """Row numbers [epochs, steps, size] of the steps over batches of one size, and each step's
    learning rate and number; all of them may change between runs."""

    def __init__(self, epochs: int, steps: int, size: int, dtype: np.dtype[Any]) -> None:
        self.rows = np.zeros((epochs, steps, size), np.int32)
        self.lr = np.zeros((epochs, steps), dtype)
        self.step = np.zeros((epochs, steps), np.int64)


class Dense:
    """Steps over rows that lie in an array."""

    def __init__(
        self, program: Program, held: Arrays, batches: Batches, threads: int | None, ahead: int
    ) -> None:
        epochs, self.steps, size = batches.rows.shape
        steps = epochs * self.steps
        given = {
            "rows": batches.rows.reshape(steps, size),
            "lr": batches.lr.reshape(steps),
            "step": batches.step.reshape(steps),
        }
        self.call = program.prepare({**held, **given}, steps, threads, ahead)
        self.losses = np.empty(0)

    def run(self, epoch: int) -> None:
        """All steps of an epoch; leaves their losses."""
        self.losses = self.call(epoch * self.steps, (epoch + 1) * self.steps)[0]


class Sparse:
    """As `Dense`; the rows of a batch are made dense when its turn comes."""

    def __init__(
        self,
        program: Program,
        held: Arrays,
        batches: Batches,
        threads: int | None,
        ahead: int,
        rows: Rows,
    ) -> None:
        size, dtype = batches.rows.shape[2], rows.y.dtype
        self.batches, self.rows = batches, rows
        self.given = {
            "x": np.array(dense(rows.x[:size]), dtype, order="C"),  # like those that follow
            "y": np.empty((size, rows.y.shape[1]), dtype),
            "weight": np.empty(size, dtype),
            "rows": np.arange(size, dtype=np.int32)[None],
            "lr": np.empty(1, dtype),
            "step": np.empty(1, np.int64),
        }
        self.call = program.prepare({**held, **self.given}, 1, threads, ahead)
        self.losses = np.zeros(batches.lr.shape, dtype)

    def run(self, epoch: int) -> None:
        """All steps of an epoch; leaves their losses."""
        given, rows, batches = self.given, self.rows, self.batches
        for i, batch in enumerate(batches.rows[epoch]):
            given["x"][...] = rows.x[batch].toarray()
            given["y"][...], given["weight"][...] = rows.y[batch], rows.weight[batch]
            given["lr"][...], given["step"][...] = batches.lr[epoch, i], batches.step[epoch, i]
            self.losses[epoch, i] = self.call()[0][0]


class Steps:
    """Epochs of steps over batches of `size` rows, and one of those that are left over: up to
    `most` epochs at a time of about `epochs` in all. `order` says in which order an epoch takes
    the rows, `done` how many epochs the last run finished."""

    def __init__(
        self,
        network: Network,
        optimizer: Optimizer,
        rows: Rows,
        size: int,
        threads: int | None,
        epochs: int,
        most: int = 1,
    ) -> None:
        held, count = optimizer.arrays(network), len(rows)
        self.order, self.done = np.arange(count), 0
        self.orders = np.empty((most, count), np.int32)
        self.count = -(-count // size)
        whole = count // size * size
        cuts = [slice(0, whole), slice(whole, count)]
        self.batches = [
            (cut, Batches(most, own // min(own, size), min(own, size), rows.y.dtype))
            for cut in cuts
            if (own := cut.stop - cut.start)
        ]
        program, ahead = step_program(network, optimizer.rule), epochs * self.count
        if hasattr(rows.x, "toarray"):
            parts = [(program, held, own, threads, ahead) for _, own in self.batches]
            self.parts = [Sparse(*part, rows) for part in parts]
        else:
            held |= {"x": rows.x, "y": rows.y, "weight": rows.weight}
            self.parts = [Dense(program, held, own, threads, ahead) for _, own in self.batches]

    def run(self, epochs: int, lr: np.ndarray, first: int, shuffle: Shuffle | None) -> list[float]:
        """A step for every batch, the first of them being number `first`; see `losses`."""
        self.done = 0
        self._set(epochs, lr, first)
        for order in self.orders[:epochs]:
            if shuffle is not None:
                shuffle(self.order)
            order[:] = self.order
        for cut, own in self.batches:
            own.rows[:epochs].reshape(epochs, -1)[...] = self.orders[:epochs, cut]
        for epoch in range(epochs):
            self.epoch(epoch)
            self.done = epoch + 1
        return self.losses()

    def epoch(self, epoch: int) -> None:
        """The steps of one epoch."""
        for part in self.parts:
            part.run(epoch)

    def _set(self, epochs: int, lr: np.ndarray, first: int) -> None:
        """Learning rates and numbers of the steps."""
        rates = lr.reshape(epochs, -1)
        numbers = np.arange(first, first + lr.size).reshape(epochs, -1)
        start = 0
        for _, own in self.batches:
            steps = slice(start, start + own.lr.shape[1])
            own.lr[:epochs], own.step[:epochs] = rates[:, steps], numbers[:, steps]
            start = steps.stop

    def losses(self) -> list[float]:
        """For each epoch done, the sum over the rows of the loss of their batch."""
        total = np.zeros(self.done)
        for part, (_, own) in zip(self.parts, self.batches, strict=True):
            steps, size = own.rows.shape[1:]
            losses = part.losses.reshape(-1, steps)[: self.done].astype(float, copy=False)
            total += losses.sum(axis=1) * size
        return total.tolist()


def predicted(network: Network, parts: list[np.ndarray], x: Any, what: str) -> np.ndarray:
    """Outputs of rows, dense or sparse; `what` as in `predict_program`."""
    program = predict_program(network, what)
    held = dict(zip(network.names, parts, strict=True))
    found: list[np.ndarray] = []
    for i in range(0, x.shape[0], PART):
        piece = np.ascontiguousarray(dense(x[i : i + PART]), network.dtype)
        found.append(program.run({"x": piece, **held})[0])
    return found[0] if len(found) == 1 else np.concatenate(found)
