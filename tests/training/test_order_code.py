"""Orders of rows by machine code: those of NumPy, to the last number."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glassnet.llvm.machine_code import SETS, host, load, object_code
from glassnet.ops import philox
from glassnet.training import order_code
from glassnet.training.batch_order import SHUFFLE, Order

RUNNABLE = [each.name for each in SETS if each.family == host().family]


def function(name: str) -> Any:
    loaded = load(object_code(order_code.text(), name), name)
    found: Any = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 3)(loaded.run)
    found.loaded = loaded
    return found


@pytest.mark.parametrize("name", [name for name in RUNNABLE if host().name in (name, "avx512")])
def test_the_orders_of_numpy(name: str) -> None:
    code = function(name)
    for n in (1, 2, 3, 4, 5, 6, 7, 16, 17, 99, 100, 101, 255, 256, 257, 4099, 70001):
        for seed in (0, 7, (1 << 40) + 3, (1 << 64) - 1):
            for epochs in (range(1), range(4), range(1 << 20, (1 << 20) + 3)):
                for first, last in ((0, n), (n // 3, n // 2), (n - 1, n)):
                    got = order_code.run(code, n, seed, SHUFFLE, epochs, first, last)
                    wanted = philox.permutations(n, seed, SHUFFLE, epochs, first, last)
                    assert got.dtype == np.int32
                    assert got.tolist() == wanted.tolist(), (n, seed, epochs, first)


def test_code_is_made_when_it_pays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A short training makes none; one that has ordered so many rows reads what is kept, and a
    long one makes what is missing. The orders are the same."""
    monkeypatch.setenv("GLASSNET_CACHE_DIR", str(tmp_path))
    order_code._function.cache_clear()
    asked: list[bool] = []
    plain = order_code._function

    def seen(make: bool) -> Any:
        asked.append(make)
        return plain(make)

    monkeypatch.setattr(order_code, "_function", seen)
    order = Order(1000, 10, 3)
    for epoch, wanted in ((0, []), (131, []), (132, [False]), (1048, [False]), (1049, [True])):
        asked.clear()
        among = range(epoch, epoch + 2)
        got = order.orders(epoch, 2)
        assert asked == wanted
        assert got.tolist() == philox.permutations(1000, 3, SHUFFLE, among).tolist()
    assert len(list(tmp_path.iterdir())) == 1
    plain.cache_clear()
    assert plain(False) is not None
    plain.cache_clear()


def test_without_machine_code_numpy_gives_the_orders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order_code, "_function", lambda make: None)
    got = Order(100, 10, 5).orders(1 << 20, 2)
    among = range(1 << 20, (1 << 20) + 2)
    assert got.tolist() == philox.permutations(100, 5, SHUFFLE, among).tolist()
