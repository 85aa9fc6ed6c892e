"""Opened steps of networks in which layers share their weights: what each row adds is the sum over
the places where they stand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet import nn
from glassnet.inspect.render import text

X = np.random.default_rng(0).standard_normal((6, 2))
Y = X[:, :1] - X[:, 1:]
SGD = gn.optim.SGD(0.1)


def tied() -> Any:
    layer = nn.Linear(2, 2)
    return nn.Sequential(layer, nn.Tanh(), layer, nn.Linear(2, 1), dtype="float64")


def opened(model: Any) -> Any:
    return gn.open_step(model, X, Y, loss=gn.losses.HalfMSE(), optimizer=SGD)


def test_a_weight_that_stands_in_two_places() -> None:
    """∂Lᵢ/∂w = x·∂L/∂z of the first place + a·∂L/∂z of the second."""
    step = opened(tied())
    first, _, again, _ = step.layers
    assert first.parameters == again.parameters == {
        "weight": "linear1.weight", "bias": "linear1.bias"
    }  # fmt: skip
    wanted = first.given[:, 1] * first.slope[:, 0] + again.given[:, 1] * again.slope[:, 0]
    from_rows = step.pulls.of_weight("linear1.weight", (1, 0))
    np.testing.assert_allclose(from_rows, wanted, rtol=1e-10)
    np.testing.assert_allclose(step.parameters["linear1.weight"].slope[1, 0], wanted.sum())
    told = text.weight(step, "linear1.weight[1,0]")
    assert "∂L/∂z·x" not in told  # one product would be half of it
    assert "per-example gradient ∂Lᵢ/∂w" in told
    assert "linear2" not in "".join(line for line in str(step).splitlines() if "linear1" in line)
    assert "of this row, in this layer" in text.neuron(step, "linear1[0]")


def test_runs_of_such_networks_open(tmp_path: Path) -> None:
    model = tied()
    gn.train(
        model, X, Y, loss=gn.losses.HalfMSE(), optimizer=SGD, epochs=2, batch_size=3,
        record=tmp_path / "run.glass",
    )  # fmt: skip
    step = gn.open_step(tmp_path / "run.glass", epoch=2, batch=2)
    assert str(step)
    assert step._repr_html_()
    after = np.concatenate([own.after.ravel() for own in step.parameters.values()])
    np.testing.assert_array_equal(after, np.asarray(model.W))
    ledger = gn.open_ledger(tmp_path / "run.glass", "linear1.weight[1,0]")
    assert str(ledger)


@pytest.mark.parametrize("residual", [False, True])
def test_a_layer_that_a_function_has_as_well(residual: bool) -> None:
    layer = nn.Linear(2, 2)
    function = lambda x: layer(x) * 0.5  # noqa: E731
    last: Any = nn.Residual(function) if residual else function
    model = nn.Sequential(layer, last, nn.Linear(2, 1), dtype="float64")
    step = opened(model)
    assert str(step)
    assert step._repr_html_()
    assert "∂L/∂z·x" not in text.weight(step, "linear1.weight[0,0]")
    alone = opened(nn.Sequential(nn.Residual(nn.Linear(2, 2)), nn.Linear(2, 1), dtype="float64"))
    assert "∂L/∂z·x" in text.weight(alone, "residual1.linear1.weight[0,0]")
