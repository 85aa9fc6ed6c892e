"""Arguments and data that training refuses, each with the place and the way out."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet.errors import ShapeError, TrainingError
from tests.training.common import HALF, SGD, data, network

X, Y = data(6)
LABELS = np.array([0, 1, 0, 1, 1, 0])


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"x": X[0]}, ShapeError, r"x has shape \(3,\); the network takes \[rows, 3\]"),
        ({"x": X[:, :2]}, ShapeError, r"x has shape \(6, 2\)"),
        ({"x": X.astype(str)}, ShapeError, "numbers"),
        ({"x": np.ma.masked_less(X, X.max())}, TrainingError, "x has 17 masked entries.*filled"),
        ({"y": np.ma.array(Y, mask=True)}, TrainingError, "y has 12 masked entries"),
        ({"x": X[:0], "y": Y[:0]}, ShapeError, "0 rows"),
        ({"y": Y[:5]}, ShapeError, "x has 6 rows and y has 5"),
        ({"y": 3.0}, ShapeError, "y has none"),
        ({"y": Y[:, :1]}, ShapeError, r"labels have shape \(6, 1\).*\[rows, 2\]"),
        ({"x": X + np.where(X[4, 1] == X, np.nan, 0)}, TrainingError, "nan in row 4, column 1"),
        ({"y": Y + np.where(Y[3, 0] == Y, np.inf, 0)}, TrainingError, "inf in row 3, column 0"),
        ({"x": X * 1e300, "dtype": "float32"}, TrainingError, "too large for float32"),
        ({"batch_size": 0}, TrainingError, "batch_size=0"),
        ({"batch_size": 2.5}, TrainingError, "batch_size=2.5"),
        ({"epochs": 0}, TrainingError, "epochs=0"),
        ({"seed": 1.5}, TrainingError, "seed=1.5; wanted a whole number"),
        ({"seed": None}, TrainingError, "seed=None"),
        ({"optimizer": "adam"}, TrainingError, r"gn.optim.Adam\(lr=1e-3\)"),
        ({"loss": gn.losses.HalfMSE}, ShapeError, r"right: loss=gn.losses.HalfMSE\(\)"),
        ({"loss": "mse"}, ShapeError, "is not a loss"),
        ({"sample_weight": np.ones(5)}, ShapeError, r"wanted one number a row, \(6,\)"),
        ({"sample_weight": -np.ones(6)}, TrainingError, "0 or more"),
        ({"sample_weight": np.zeros(6)}, TrainingError, "not all 0"),
        ({"sample_weight": np.full(6, np.nan)}, TrainingError, "sample_weight has nan in row 0"),
        ({"validation": (X,)}, TrainingError, r"\(x_val, y_val\)"),
        ({"validation": (X[:, :1], Y)}, ShapeError, "validation x has shape"),
        ({"validation": 0.01}, TrainingError, "6 rows are 0 to hold out"),
        ({"threads": 0}, gn.errors.GlassnetError, "0 threads"),
    ],
)  # fmt: skip
def test_wrong_arguments(changes: dict[str, Any], error: type[Exception], text: str) -> None:
    changes = dict(changes)
    model = network(dtype=changes.pop("dtype", "float64"))
    arguments: dict[str, Any] = {
        "x": X, "y": Y, "loss": HALF, "optimizer": SGD, "epochs": 1, **changes
    }  # fmt: skip
    before = model.W.copy()
    with pytest.raises(error, match=text):
        gn.train(model, **arguments)
    np.testing.assert_array_equal(model.W, before)


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        (LABELS + 1, "class numbers 0 to 1.*labels run from 1 to 2"),
        (LABELS - 1, "labels run from -1 to 0"),
        (LABELS + 0.5, "not all whole"),
        (LABELS[:, None], r"one class number a row, \[rows\]"),
        (LABELS.astype(str), "return_inverse"),
    ],
)
def test_wrong_labels(labels: np.ndarray, text: str) -> None:
    with pytest.raises(ShapeError, match=text):
        gn.train(network(), X, labels, loss=gn.losses.CrossEntropy(), optimizer=SGD, epochs=1)


def test_labels_may_be_whole_floats_and_booleans() -> None:
    weights = []
    for labels in (LABELS, LABELS.astype(float), LABELS.astype(bool)):
        model = network()
        gn.train(model, X, labels, loss=gn.losses.CrossEntropy(), optimizer=SGD, epochs=1)
        weights.append(model.W)
    np.testing.assert_array_equal(weights[0], weights[1])
    np.testing.assert_array_equal(weights[0], weights[2])


@pytest.mark.parametrize(
    ("loss", "last", "y"),
    [
        (gn.losses.CrossEntropy(), gn.nn.Softmax(), np.array([0, 1, 0, 1])),
        (gn.losses.BCEWithLogits(), gn.nn.Sigmoid(), np.eye(2)[[0, 1, 0, 1]]),
    ],
    ids=["softmax", "sigmoid"],
)
def test_what_a_loss_applies_itself_is_warned_of(loss: Any, last: Any, y: Any) -> None:
    x = np.ones((4, 3), "float32")
    settings = {"loss": loss, "optimizer": gn.optim.SGD(0.1), "epochs": 1}
    inner = gn.nn.Sequential(gn.nn.Linear(3, 2), last)
    said = rf"leave the last {type(last).__name__}\(\) out"
    after = gn.nn.Sequential(gn.nn.Linear(3, 2), last, gn.nn.Dropout(0.1), gn.nn.Identity())
    for model in (gn.nn.Sequential(gn.nn.Linear(3, 2), last), gn.nn.Sequential(inner), after):
        with pytest.warns(UserWarning, match=said):
            gn.train(model, x, y, **settings)
        with pytest.warns(UserWarning, match=said):
            gn.Step(model, loss=loss, optimizer=gn.optim.SGD(0.1))
        pair = gn.value_and_grad(loss)
        with pytest.warns(UserWarning, match=said):
            pair(model, x, y)
        pair(model, x, y)  # once is enough
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gn.train(gn.nn.Sequential(gn.nn.Linear(3, 2)), x, y, **settings)
