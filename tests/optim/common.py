"""A least-squares problem that optimisers are followed on, step by step."""

from __future__ import annotations

from typing import Any

import numpy as np

import glassnet as gn
from glassnet.ops import philox

STEPS = 100
X = philox.normal(24, 1).reshape(8, 3)
Y = philox.normal(16, 2).reshape(8, 2)
START = philox.normal(6, 3)


def slope(w: np.ndarray) -> np.ndarray:
    """The gradient of 1/(2n) ‖X W − Y‖² by W, as a vector."""
    return (X.T @ (X @ w.reshape(3, 2) - Y) / 8).ravel()


def model(dtype: str = "float64") -> gn.nn.Sequential:
    network = gn.nn.Sequential(gn.nn.Linear(3, 2, bias=False), dtype=dtype)
    network.W = START
    return network


def trajectory(optimizer: Any, steps: int = STEPS, dtype: str = "float64") -> np.ndarray:
    """The weights after each step of `gn.train`."""
    network = model(dtype)
    seen: list[np.ndarray] = []

    class Watch(gn.callbacks.Callback):
        def epoch_end(self, run: Any) -> None:
            seen.append(network.W.copy())

    gn.train(
        network, X, Y, loss=gn.losses.HalfMSE(), optimizer=optimizer, epochs=steps, batch_size=8,
        shuffle=False, callbacks=[Watch()],
    )  # fmt: skip
    return np.array(seen)
