"""Predictions of many rows: parts, the rest, and rows that have to be converted."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from glassnet import nn
from glassnet.nn import predictor as predict
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


@pytest.mark.parametrize(
    ("sizes", "part"),
    [
        ((5, 9, 2), 1024),  # 36 bytes a row
        ((10, 1000, 1), 128),  # 4000 bytes a row: 131 rows are half a mebibyte
        ((3, 64000, 1), 64),  # never fewer
        ((4096, 4096, 4096), 1024),  # 128 MB of weights are not read for every 32 rows
        ((784, 200, 200), 512),  # 788 800 bytes of weights, 800 a row: 986
    ],
)
def test_parts_stay_in_the_cache(sizes: tuple[int, ...], part: int) -> None:
    layers = [nn.Linear(a, b) for a, b in pairwise(sizes)]
    model = nn.Sequential(*layers)
    assert model._predictor._trace(sizes[0], "float32").part == part


def test_the_bits_of_parts_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(0).normal(size=(700, 5)).astype("float32")
    found: list[bytes] = []
    for cached in (1 << 10, 1 << 14, 1 << 20):
        monkeypatch.setattr(predict, "CACHED", cached)
        model = nn.Sequential(nn.Linear(5, 40), nn.Tanh(), nn.Linear(40, 2), seed=3)
        found.append(model(x).tobytes())
    assert found[0] == found[1] == found[2]
