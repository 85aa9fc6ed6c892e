"""Predictions of many rows: parts, the rest, and rows that have to be converted."""

from __future__ import annotations

import numpy as np
import pytest

from glassnet import nn
from glassnet.nn import predict
from glassnet.run import compiled


@pytest.fixture
def model() -> nn.Sequential:
    return nn.Sequential(nn.Linear(5, 9), nn.Tanh(), nn.Linear(9, 2))


@pytest.mark.parametrize("extra", [-1, 0, 1, 2 * predict.PART - 1, 2 * predict.PART + 7])
def test_a_row_does_not_depend_on_the_rows_around_it(model: nn.Sequential, extra: int) -> None:
    count = predict.PART + extra
    x = np.random.default_rng(0).normal(size=(count, 5)).astype("float32")
    y = model(x)
    assert y.shape == (count, 2)
    for i in (0, predict.PART - 2, count // 2, count - 1):
        assert np.array_equal(y[i], model(x[i]))


def test_calls_are_short(model: nn.Sequential, monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits that cut the rows into several calls and pieces change nothing."""
    x = np.random.default_rng(0).normal(size=(2 * predict.PART + 3, 5)).astype("float32")
    whole = model(x)
    for module, limit in ((predict, "CALL_BYTES"), (compiled, "CALL_WORK")):
        with monkeypatch.context() as patched:
            patched.setattr(module, limit, 1)
            assert np.array_equal(model(x), whole)


@pytest.mark.parametrize("dtype", ["float64", "int32", "uint8", "bool"])
def test_rows_of_other_dtypes_and_orders(model: nn.Sequential, dtype: str) -> None:
    x = np.random.default_rng(0).integers(0, 2, size=(2 * predict.PART, 10)).astype(dtype)
    wanted = model(np.ascontiguousarray(x[:, ::2], "float32"))
    assert np.array_equal(model(x[:, ::2]), wanted)
    assert np.array_equal(model(np.asfortranarray(x[:, ::2])), wanted)


def test_threads_take_parts(model: nn.Sequential, monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(0).normal(size=(40 * predict.PART, 5)).astype("float32")
    found: list[np.ndarray] = []
    for threads in ("1", "2", "3", "7"):
        monkeypatch.setenv("GLASSNET_NUM_THREADS", threads)
        found.append(model(x))
    assert all(np.array_equal(found[0], other) for other in found[1:])
