"""Training done again by hand from what `glassnet step --json` prints: no bit is missing."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet.cli import main
from tests.inspect.test_step import recorded
from tests.record.common import data, often, train

STEPS = 5  # of an epoch of 70 rows in batches of 16


def printed(path: Path, batch: int, capsys: pytest.CaptureFixture[str], epoch: int = 1) -> Any:
    with pytest.raises(SystemExit) as left:
        main(["step", str(path), "--epoch", str(epoch), "--batch", str(batch), "--json"])
    assert left.value.code == 0
    return json.loads(capsys.readouterr().out)


def arrays(told: Any, kind: str) -> dict[str, np.ndarray]:
    return {n: np.array(own[kind], np.float32) for n, own in told["parameters"].items()}


def flat(parameters: dict[str, np.ndarray]) -> bytes:
    return np.concatenate([own.ravel() for own in parameters.values()]).tobytes()


def test_gradient_descent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """W ← W − η·dL/dW, five times over, from the first printed W to the recorded one."""
    often(monkeypatch)
    path = tmp_path / "run.glass"
    train(path, epochs=2, optimizer=gn.optim.SGD(0.1), batch_size=16)
    for epoch in (1, 2):
        w = arrays(printed(path, 1, capsys, epoch), "before")
        assert flat(w) == recorded(path, epoch - 1).tobytes()
        for batch in range(1, STEPS + 1):
            told = printed(path, batch, capsys, epoch)
            assert flat(arrays(told, "before")) == flat(w)
            lr, slopes = np.float32(told["lr"]), arrays(told, "slope")
            w = {name: own - lr * slopes[name] for name, own in w.items()}
            assert flat(arrays(told, "after")) == flat(w)
        assert flat(w) == recorded(path, epoch).tobytes()


def test_adam(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Adam's formulas in float32, from W and the printed gradients alone: m, v and W to the bit.
    1 − βᵗ is −(eˢ − 1) with s = t·ln β, as the optimiser documents."""
    often(monkeypatch)
    path = tmp_path / "run.glass"
    train(path, epochs=1, optimizer=gn.optim.Adam(0.01), batch_size=16)
    w = arrays(printed(path, 1, capsys), "before")
    m = {name: np.zeros_like(own) for name, own in w.items()}
    v = {name: np.zeros_like(own) for name, own in w.items()}
    b1, b2, c1, c2, eps = (np.float32(x) for x in (0.9, 0.999, 1 - 0.9, 1 - 0.999, 1e-8))
    for t in range(1, STEPS + 1):
        told = printed(path, t, capsys)
        g, lr = arrays(told, "slope"), np.float32(told["lr"])
        powers = (np.float32(t) * np.float32(math.log(beta)) for beta in (0.9, 0.999))
        left1, left2 = (np.float32(-math.expm1(own)) for own in powers)
        spread = np.sqrt(left2)
        size = lr * spread / left1
        for n in w:
            m[n] = b1 * m[n] + c1 * g[n]
            v[n] = b2 * v[n] + c2 * (g[n] * g[n])
            w[n] = w[n] - size * (m[n] / (np.sqrt(v[n]) + eps * spread))
            for slot, own in (("m", m), ("v", v)):
                seen = np.array(told["memory"][f"{slot}.{n}"]["after"], np.float32)
                assert seen.tobytes() == own[n].tobytes()
        assert flat(arrays(told, "after")) == flat(w)
    assert flat(w) == recorded(path, 1).tobytes()


def test_every_number_is_printed_in_full(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """float64 too: what JSON says is read back to the bit."""
    x, y = data(16)
    model = gn.nn.Sequential(gn.nn.Linear(3, 2), gn.nn.Tanh(), seed=1, dtype="float64")
    path = tmp_path / "run.glass"
    loss, adam = gn.losses.HalfMSE(), gn.optim.Adam(0.1)
    gn.train(model, x, y, loss=loss, optimizer=adam, epochs=2, batch_size=8, record=path)
    told, step = printed(path, 2, capsys, 2), gn.open_step(path, epoch=2, batch=2)
    pairs = [(told["x"], step.x), (told["y"], step.y), (told["prediction"], step.prediction)]
    for own, layer in zip(told["layers"], step.layers, strict=True):
        pairs += [(own[kind], getattr(layer, kind)) for kind in ("given", "result", "slope")]
    for name, own in told["parameters"].items():
        weights = step.parameters[name]
        kinds = ("before", "slope", "update", "after")
        pairs += [(own[kind], getattr(weights, kind)) for kind in kinds]
    assert all(np.array(a).tobytes() == b.tobytes() for a, b in pairs)
    assert (told["L"], told["lr"]) == (step.L, float(step.lr))
