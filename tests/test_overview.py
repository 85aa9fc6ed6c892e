"""The examples of the overview run, and their numbers are those of arithmetic by hand."""

from __future__ import annotations

import math
import runpy
from typing import Any

import numpy as np
import pytest

from tests.data import ROOT

FOLDER = ROOT / "examples" / "overview"


def ran(number: int) -> dict[str, Any]:
    (path,) = FOLDER.glob(f"{number:02}_*.py")
    return runpy.run_path(str(path))


def test_every_example_is_tested() -> None:
    assert sorted(int(path.name[:2]) for path in FOLDER.glob("*.py")) == list(range(1, 11))


def test_activation() -> None:
    seen = ran(1)
    low, high = 1 / (1 + math.exp(2)), 1 / (1 + math.exp(-2))
    np.testing.assert_allclose(seen["a"], [low, 0.5, high], rtol=1e-15)
    np.testing.assert_allclose(seen["slope"], [high * (1 - high), 0.25, high * (1 - high)], 1e-14)


def test_parametric_sigmoid(capsys: pytest.CaptureFixture[str]) -> None:
    high = 1 / (1 + math.exp(-2))
    np.testing.assert_allclose(ran(2)["a"].ravel(), [1 - high, 0.5, high], rtol=1e-6)
    told = capsys.readouterr().out
    assert "parametricsigmoid1.shift" in told
    assert "parametricsigmoid1.slope" in told


def test_neuron() -> None:
    assert ran(3)["a"][0, 0] == pytest.approx(1 / (1 + math.exp(-1)), rel=1e-6)


def test_network() -> None:
    assert ran(4)["prediction"].ravel().tolist() == [123, 41]


def test_parameters() -> None:
    seen = ran(5)
    assert seen["count"] == 13
    assert seen["seen"] == 7


def test_haystack() -> None:
    seen = ran(6)
    assert seen["answers"].ravel().tolist() == [0, 1, 1, 0]
    assert seen["at_random"].evaluations == seen["downhill"].evaluations == 500
    assert seen["downhill"].loss[-1] < 1e-6 < seen["at_random"].loss[-1]


def test_loss() -> None:
    assert ran(7)["L"] == pytest.approx(13 / 6, rel=1e-15)


def test_gradient() -> None:
    seen = ran(8)
    assert seen["L"] == 0.125
    assert seen["dW"].tolist() == [-0.5, 0.0]
    assert seen["report"].ok
    told = {line.what: line for line in seen["report"].lines}
    assert told["linear1.weight' [0, 0]"].first == pytest.approx(-0.5, rel=1e-14)


def test_gradient_descent() -> None:
    assert ran(9)["path"] == [1 + 3 * 0.5**i for i in range(6)]


def test_training() -> None:
    seen = ran(10)
    assert seen["by_hand"].tobytes() == seen["w"].after.tobytes()
    losses = seen["history"].loss
    assert losses[-1] < losses[0] / 2
    assert ((seen["model"](seen["x"]).ravel() > 0.5) == (seen["y"] > 0.5)).all()
