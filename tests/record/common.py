"""Small runs to record."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet.ops import philox
from glassnet.runs import recorder

HALF = gn.losses.HalfMSE()


def data(rows: int = 70) -> tuple[np.ndarray, np.ndarray]:
    x = philox.normal(rows * 3, 1).reshape(rows, 3)
    return x, np.stack([x[:, 0] * x[:, 1], x.sum(axis=1)], axis=1)


def network(dtype: str = "float32") -> gn.nn.Sequential:
    return gn.nn.Sequential(
        gn.nn.Linear(3, 5),
        gn.nn.Tanh(),
        gn.nn.Dropout(0.2),
        gn.nn.Linear(5, 2),
        seed=3,
        dtype=dtype,
    )


def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint after every epoch, however short."""
    monkeypatch.setattr(recorder, "EVERY", 0.0)
    monkeypatch.setattr(recorder, "SHARE", 0.0)


def seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    """No checkpoint but the first and the last, however long it takes."""
    monkeypatch.setattr(recorder, "EVERY", float("inf"))


def train(path: Any = None, epochs: int = 6, **settings: Any) -> tuple[Any, Any]:
    model = network()
    x, y = data()
    settings = {"optimizer": gn.optim.Adam(lr=0.01), "seed": 5, **settings}
    history = gn.train(model, x, y, loss=HALF, epochs=epochs, record=path, **settings)
    return model, history


def sha(model: Any) -> str:
    return hashlib.sha256(model.W.tobytes()).hexdigest()
