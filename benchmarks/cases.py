"""The networks that are measured, with made-up data.

In: a name. Out: sizes, batch, the first weights, and rows; the same numbers for every contender.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Run = Callable[[], object]
LR = {"sgd": 0.01, "adam": 0.001}


@dataclass(frozen=True)
class Case:
    """`task` is "sgd": sigmoid layers, squared error, gradient descent; or "adam": ReLU layers,
    cross-entropy, Adam. A turn of a measurement is `steps` steps through `batches`
    batches, `most` at most."""

    name: str
    sizes: tuple[int, ...]
    batch: int
    steps: int
    task: str = "sgd"
    most: int = 64

    @property
    def batches(self) -> int:
        return min(self.steps, self.most)

    @property
    def title(self) -> str:
        return f"{'-'.join(map(str, self.sizes))}, {self.batch}"

    @property
    def flops(self) -> int:
        """Floating-point operations of the contractions of a step: forward, gradients of the
        weights, gradients of the layers' inputs except for the first."""
        pairs = [a * b for a, b in zip(self.sizes, self.sizes[1:], strict=False)]
        return 6 * self.batch * sum(pairs) - 2 * self.batch * pairs[0]


@dataclass(frozen=True)
class Data:
    """Rows, labels, and first weights: a matrix [fan_in, fan_out] and a vector a layer."""

    x: np.ndarray
    y: np.ndarray
    layers: list[tuple[np.ndarray, np.ndarray]]


def cases(task: str) -> list[Case]:
    """All networks; a classifier has at least three classes."""
    found = [
        Case("tiny", (2, 3, 1), 4, 4096, task),
        Case("small", (10, 64, 64, 1), 32, 2048, task),
        Case("table", (32, 256, 256, 1), 256, 128, task),
        Case("images", (784, 128, 10), 64, 256, task),
        Case("large", (784, 1024, 1024, 10), 256, 16, task),
        Case("wide", (1024, 4096, 4096, 1024), 512, 2, task),
    ]
    if task == "sgd":
        return found
    return [
        Case(c.name, (*c.sizes[:-1], max(3, c.sizes[-1])), c.batch, c.steps, task) for c in found
    ]


def data(case: Case, seed: int = 0) -> Data:
    rng = np.random.default_rng(seed)
    rows = case.batch * case.batches
    x = rng.standard_normal((rows, case.sizes[0]), dtype=np.float32)
    if case.task == "sgd":
        y = rng.standard_normal((rows, case.sizes[-1]), dtype=np.float32)
    else:
        y = rng.integers(0, case.sizes[-1], rows).astype(np.int64)
        y[: case.sizes[-1]] = np.arange(case.sizes[-1])[:rows]
    pairs = zip(case.sizes, case.sizes[1:], strict=False)
    layers = [
        (
            (rng.standard_normal((a, b), dtype=np.float32) / np.float32(np.sqrt(a))),
            np.zeros(b, np.float32),
        )
        for a, b in pairs
    ]
    return Data(x, y, layers)
