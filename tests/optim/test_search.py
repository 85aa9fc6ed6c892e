"""Optimisers that look at all rows at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet.errors import TrainingError
from glassnet.training import Callback, EarlyStopping
from tests.optim.common import X, Y, model

HALF = gn.losses.HalfMSE()


def loss_of(w: np.ndarray) -> float:
    return float(((X @ w.reshape(3, 2) - Y) ** 2).sum() / 16)


def fit(optimizer: Any, epochs: int, **more: Any) -> tuple[Any, Any]:
    network = model()
    options = {"loss": HALF, "optimizer": optimizer, "epochs": epochs, **more}
    return network, gn.train(network, X, Y, **options)


def test_random_search_keeps_the_best() -> None:
    network, history = fit(gn.optim.RandomSearch(), 50)
    assert history.loss[0] == pytest.approx(loss_of(model().W), rel=1e-12)
    assert history.loss == sorted(history.loss, reverse=True)
    assert history.loss[-1] < history.loss[0]
    assert loss_of(network.W) == pytest.approx(history.loss[-1], rel=1e-12)
    assert history.evaluations == len(history.loss) == 50


def test_random_search_is_keyed_by_the_seed() -> None:
    first, again = fit(gn.optim.RandomSearch(), 20)[0], fit(gn.optim.RandomSearch(), 20)[0]
    other = fit(gn.optim.RandomSearch(), 20, seed=1)[0]
    np.testing.assert_array_equal(first.W, again.W)
    assert (first.W != other.W).any()


def test_random_search_near_the_best_gets_closer() -> None:
    far = fit(gn.optim.RandomSearch(), 300)[1].loss[-1]
    near = fit(gn.optim.RandomSearch(0.1, near=True), 300)[1].loss[-1]
    least = loss_of(np.linalg.lstsq(X, Y)[0].ravel())
    assert least < near < far


def test_random_search_moves_trained_parameters_only() -> None:
    network = gn.nn.Sequential(gn.nn.Linear(3, 2), gn.nn.BatchNorm(2))
    gn.train(network, X, Y, loss=HALF, optimizer=gn.optim.RandomSearch(), epochs=20)
    parts = network.parameters()
    np.testing.assert_array_equal(parts["batchnorm1.variance"], 1.0)
    assert (parts["batchnorm1.scale"] != 1.0).any()


def test_random_search_trains_steps() -> None:
    x, y = np.array([[0], [1], [2], [3]]), np.array([0, 0, 1, 1])
    network = gn.nn.Sequential(gn.nn.Linear(1, 1), gn.nn.Heaviside())
    history = gn.train(network, x, y, loss=HALF, optimizer=gn.optim.RandomSearch(3.0), epochs=300)
    assert history.loss[-1] == 0.0
    np.testing.assert_array_equal(network(x)[:, 0], y)


def test_lbfgs_solves_least_squares() -> None:
    network, history = fit(gn.optim.LBFGS(tolerance=1e-10), 100)
    assert history.stopped == "converged"
    solution = np.linalg.lstsq(X, Y)[0].ravel()
    np.testing.assert_allclose(network.W, solution, rtol=1e-7)
    assert history.evaluations >= len(history.loss)


def test_lbfgs_with_weight_decay_is_ridge_regression() -> None:
    network, _ = fit(gn.optim.LBFGS(tolerance=1e-10, weight_decay=0.5), 100)
    solution = np.linalg.solve(X.T @ X / 8 + 0.5 * np.eye(3), X.T @ Y / 8)
    np.testing.assert_allclose(network.W, solution.ravel(), rtol=1e-7)


def test_lbfgs_stops_when_told() -> None:
    assert len(fit(gn.optim.LBFGS(tolerance=0.0), 3)[1].loss) == 3

    class Stop(Callback):
        def epoch_end(self, run: Any) -> bool:
            return run.epoch == 2

    _, history = fit(gn.optim.LBFGS(tolerance=0.0), 50, callbacks=[Stop()])
    assert (history.stopped, len(history.loss)) == ("early", 2)


def test_early_stopping_works_with_all_of_them() -> None:
    for optimizer in (gn.optim.LBFGS(tolerance=0.0), gn.optim.RandomSearch()):
        network, history = fit(
            optimizer, 100, validation=(X, -Y), callbacks=[EarlyStopping(patience=1)]
        )
        least = min(history.validation_loss)
        assert history.best_epoch == history.validation_loss.index(least) + 1
        found = float(((network(X) + Y) ** 2).sum() / 16)
        assert found == pytest.approx(least, rel=1e-12)


def test_lbfgs_of_a_loss_out_of_range() -> None:
    network = model("float32")
    network.W = 1e30
    with pytest.raises(TrainingError, match="before training is inf"):
        gn.train(network, X, Y, loss=HALF, optimizer=gn.optim.LBFGS(), epochs=3)
    np.testing.assert_array_equal(network.W, np.float32(1e30))
