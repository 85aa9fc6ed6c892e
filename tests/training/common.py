"""A small network and data for the tests of training."""

from __future__ import annotations

import numpy as np

import glassnet as gn
from glassnet.ops import philox

HALF = gn.losses.HalfMSE()
SGD = gn.optim.SGD(lr=0.1)


def network(inputs: int = 3, dtype: str = "float64", seed: int = 0) -> gn.nn.Sequential:
    return gn.nn.Sequential(
        gn.nn.Linear(inputs, 4), gn.nn.Tanh(), gn.nn.Linear(4, 2), dtype=dtype, seed=seed
    )


def data(rows: int = 23, inputs: int = 3) -> tuple[np.ndarray, np.ndarray]:
    x = philox.normal(rows * inputs, 1).reshape(rows, inputs)
    return x, np.stack([x[:, 0] * x[:, 1], x.sum(axis=1)], axis=1)
