"""BatchNorm in training: batches of one row, and frozen layers, against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet.errors import GlassnetError, TrainingError
from glassnet.ops import philox

nn, optim = gn.nn, gn.optim
HALF = gn.losses.HalfMSE()
X = philox.normal(33 * 2, 1).reshape(33, 2) * [3.0, 0.5] + [1.0, -2.0]
Y = X @ [[3.0], [-2.0]]
STILL = optim.SGD(lr=1e-12)
FROZEN = optim.Group("batchnorm1.*", lr=0)


def network(*layers: Any, seed: int = 0) -> Any:
    return nn.Sequential(nn.BatchNorm(2), *layers, nn.Linear(2, 1), seed=seed, dtype="float64")


def train(model: Any, x: Any = X, y: Any = Y, **settings: Any) -> Any:
    settings = {"optimizer": STILL, "epochs": 20, "batch_size": 16, "shuffle": False, **settings}
    return gn.train(model, x, y, loss=HALF, **settings)


def running(x: np.ndarray, size: int, epochs: int, momentum: float = 0.1) -> list[np.ndarray]:
    """As PyTorch does it, for batches of two rows and more."""
    mean, variance = np.zeros(2), np.ones(2)
    for _ in range(epochs):
        for start in range(0, len(x), size):
            part = x[start : start + size]
            if len(part) > 1:
                mean = (1 - momentum) * mean + momentum * part.mean(0)
                variance = (1 - momentum) * variance + momentum * part.var(0, ddof=1)
    return [mean, variance]


@pytest.mark.parametrize("rows", [33, 32, 17])
def test_a_last_batch_of_one_row_leaves_the_running_numbers(rows: int) -> None:
    model = network()
    train(model, X[:rows], Y[:rows])
    own = model.parameters()
    found = [own["batchnorm1.mean"], own["batchnorm1.variance"]]
    np.testing.assert_allclose(found, running(X[:rows], 16, 20), rtol=1e-9)
    if rows == 33:
        assert (own["batchnorm1.variance"] > 0.7 * X.var(0)).all()


def test_a_batch_of_one_row_is_normalised_by_the_running_numbers() -> None:
    model = network()
    step = gn.Step(model, loss=HALF, optimizer=STILL)
    step(X, Y)
    own = {name: value.copy() for name, value in model.parameters().items()}
    loss = step(X[:1], Y[:1])
    z = (X[:1] - own["batchnorm1.mean"]) / np.sqrt(own["batchnorm1.variance"] + 1e-5)
    wanted = z @ own["linear1.weight"] + own["linear1.bias"] - Y[:1]
    assert loss == pytest.approx(0.5 * wanted.item() ** 2, rel=1e-9)
    for name in ("batchnorm1.mean", "batchnorm1.variance"):
        np.testing.assert_array_equal(model.parameters()[name], own[name])


def test_batches_that_are_all_of_one_row_are_refused() -> None:
    text = r"a batch of one row has no variance(.|\n)*batch_size=16(.|\n)*batchnorm1"
    with pytest.raises(TrainingError, match=text):
        train(network(), X, Y, batch_size=1)
    step = gn.Step(network(), loss=HALF, optimizer=STILL)
    with pytest.raises(TrainingError, match=text):
        step(X[:1], Y[:1])
    inside = nn.Sequential(nn.Residual(nn.BatchNorm(2), nn.Tanh()), nn.Linear(2, 1))
    with pytest.raises(TrainingError, match=r'Group\("residual1.batchnorm1.\*", lr=0\)'):
        train(inside, X, Y, batch_size=1)


def test_a_frozen_layer_is_the_same_function_in_training_and_prediction() -> None:
    model, by_hand = network(nn.Tanh()), network(nn.Tanh())
    for own in (model, by_hand):
        own.parameters()["batchnorm1.mean"][:] = [1.0, -2.0]
        own.parameters()["batchnorm1.variance"][:] = [9.0, 0.25]
    before = {name: value.copy() for name, value in model.parameters().items()}
    rule = optim.SGD(lr=0.1, groups=[FROZEN])
    history = train(model, epochs=2, batch_size=1, optimizer=rule)
    for name, value in model.parameters().items():
        assert (value == before[name]).all() == name.startswith("batchnorm1.")
    losses = []
    for row in range(33):  # the gradient of the network as it predicts
        loss, gradient = gn.value_and_grad(HALF)(by_hand, X[row : row + 1], Y[row : row + 1])
        losses.append(loss)
        gradient[:8] = 0.0
        by_hand.W -= 0.1 * gradient
    assert history.loss[0] == pytest.approx(np.mean(losses), rel=1e-9)


def test_a_frozen_layer_opens_to_the_same_numbers(tmp_path: Any) -> None:
    model = network(nn.Tanh())
    rule = optim.SGD(lr=0.1, groups=[FROZEN])
    train(model, epochs=1, optimizer=rule, record=tmp_path / "a.glass")
    step = gn.open_step(tmp_path / "a.glass", batch=3)
    assert (step.batch, len(step.rows), step.pulls.coupled) == (3, 1, "")
    found = gn.open_step(tmp_path / "a.glass", batch=1)
    assert found.pulls.coupled == ""
    total = sum(found.pulls.of_weight("linear1.weight", (0, 0)))
    assert total == pytest.approx(found.parameters["linear1.weight"].slope[0, 0], rel=1e-9)


def test_the_running_numbers_alone_can_be_frozen() -> None:
    model = network()
    names = ("batchnorm1.mean", "batchnorm1.variance")
    train(model, optimizer=optim.SGD(0.01, groups=[optim.Group(name, lr=0) for name in names]))
    own = model.parameters()
    np.testing.assert_array_equal([own[name] for name in names], [[0, 0], [1, 1]])
    assert (own["batchnorm1.scale"] != 1).all()
    with pytest.raises(GlassnetError, match=r"batchnorm1.mean only.*lr=0 freezes"):
        train(model, optimizer=optim.SGD(0.1, groups=[optim.Group(names[0], lr=0.5)]))
    with pytest.raises(GlassnetError, match=r"matches no parameter.*batchnorm1.mean"):
        train(model, optimizer=optim.SGD(0.1, groups=[optim.Group("other", lr=0)]))
