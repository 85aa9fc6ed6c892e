"""The table in docs/losses.md of other libraries' numbers: both sides are computed.

PyTorch's side needs torch; scikit-learn's runs everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn import metrics
from sklearn.neural_network import MLPClassifier, MLPRegressor

import glassnet as gn
from glassnet.nn.classify import ClassLoss
from glassnet.ops import philox
from tests.oracles.test_special_values import table

try:
    import torch
except ImportError:
    torch = None

ROWS, WIDTH = 12, 3
TABLE = table("losses.md", "## The numbers of other libraries")
CELLS = [[cell.strip("`") for cell in row] for row in TABLE]
SCORES = philox.normal(ROWS * WIDTH, 1).reshape(ROWS, WIDTH)
WEIGHT = philox.uniform(ROWS, 2) + 0.1
Pair = tuple[np.ndarray, np.ndarray]


def data(name: str, one: bool) -> Pair:
    """Predictions, and labels that the loss takes, none of them 0 where they are counts."""
    outputs = 1 if one else 4 if name.startswith("Gauss") else WIDTH
    scores = np.resize(SCORES, (ROWS, outputs))
    kind = type(loss_of(name))
    if issubclass(kind, ClassLoss):
        return scores, np.arange(ROWS) % (2 if one else WIDTH)
    y = philox.normal(ROWS * outputs, 3).reshape(ROWS, outputs)
    if name.startswith("BCE"):
        y = (y > 0).astype(float)
    elif name.startswith("Poisson"):
        y = np.floor(y**2) + 1
    return scores, y[:, :2] if name.startswith("Gauss") else y


def loss_of(name: str) -> Any:
    return eval(name, dict(vars(gn.losses)))  # our own document


def ours(name: str, one: bool, weight: Any = None) -> float:
    (scores, y), loss = data(name, one), loss_of(name)
    return float(loss(scores, loss.labels(y, scores.shape[1], "float64"), weight))


def translated(cell: str, t: float, y: np.ndarray, weight: np.ndarray, outputs: int) -> float:
    """What the table says that ours is, given their number."""
    names = {"t": t, "C": outputs, "y": y, "ln": np.log}
    names["mean"] = lambda x: float(np.average(x[:, 0], weights=weight))
    return eval(cell.replace("·", "*").replace("−", "-"), names)


# -- scikit-learn -------------------------------------------------------------------------------

KNOWN: dict[str, Callable[..., Any]] = {
    "mean_squared_error": metrics.mean_squared_error,
    "mean_absolute_error": metrics.mean_absolute_error,
    "mean_pinball_loss(alpha=0.9)": lambda y, p, **w: metrics.mean_pinball_loss(
        y, p, alpha=0.9, **w
    ),
    "log_loss": lambda y, p, **w: metrics.log_loss(
        y, np.exp(p) / np.exp(p).sum(1, keepdims=True), **w
    ),
    "log_loss` of one output": lambda y, p, **w: metrics.log_loss(
        y[:, 0], 1 / (1 + np.exp(-p[:, 0])), **w
    ),
    "mean_poisson_deviance` of one output": lambda y, p, **w: metrics.mean_poisson_deviance(
        y[:, 0], np.exp(p[:, 0]), **w
    ),
    "hinge_loss` of one output": lambda y, p, **w: metrics.hinge_loss(y, p[:, 0], **w),
}


@pytest.mark.parametrize("row", [r for r in CELLS if r[3]], ids=lambda r: f"{r[0]}, {r[3]}")
@pytest.mark.parametrize("weight", [np.ones(ROWS), WEIGHT], ids=["", "sample_weight"])
def test_scikit_learn(row: list[str], weight: np.ndarray) -> None:
    one = row[3].endswith("one output")
    scores, y = data(row[0], one)
    t = KNOWN[row[3]](y, scores, sample_weight=weight)
    wanted = translated(row[4], t, y, weight, scores.shape[1])
    assert ours(row[0], one, weight) == pytest.approx(wanted, rel=1e-12)


def fitted(kind: Any, y: np.ndarray) -> Any:
    """One epoch on one batch with a learning rate of about nothing."""
    return kind(
        hidden_layer_sizes=(4,), random_state=0, max_iter=1, alpha=0.0, solver="sgd",
        batch_size=ROWS, learning_rate_init=1e-300,
    ).fit(SCORES, y)  # fmt: skip


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_the_loss_curves_of_scikit_learn() -> None:
    y = philox.normal(ROWS * 2, 5).reshape(ROWS, 2)
    regressor = fitted(MLPRegressor, y)
    own = float(gn.losses.HalfMSE()(regressor.predict(SCORES), y))
    assert own == pytest.approx(2 * regressor.loss_, rel=1e-12)
    classifier = fitted(MLPClassifier, np.arange(ROWS) % 3)
    scores = np.log(classifier.predict_proba(SCORES))
    own = float(gn.losses.CrossEntropy()(scores, (np.arange(ROWS) % 3).astype(np.int32)))
    assert own == pytest.approx(classifier.loss_, rel=1e-12)
    several = fitted(MLPClassifier, (y > 0).astype(int))
    p = several.predict_proba(SCORES)
    own = float(gn.losses.BCEWithLogits()(np.log(p / (1 - p)), (y > 0).astype(float)))
    assert own == pytest.approx(several.loss_, rel=1e-12)


# -- PyTorch ------------------------------------------------------------------------------------


def by_pytorch(cell: str, scores: np.ndarray, y: np.ndarray, reduction: str) -> Any:
    kind, _, settings = cell.partition("`")[0].removesuffix(")").partition("(")
    given = eval(f"dict({settings})")  # our own document
    given = {
        name: torch.tensor(value).double() if "weight" in name else value
        for name, value in given.items()
    }
    compute = getattr(torch.nn, kind)(reduction=reduction, **given)
    p, labels = torch.tensor(scores), torch.tensor(y)
    if kind == "GaussianNLLLoss":
        return compute(p[:, :2], labels, torch.exp(p[:, 2:])).numpy()
    return compute(p, labels).numpy()


@pytest.mark.skipif(torch is None, reason="needs torch")
@pytest.mark.parametrize("row", [r for r in CELLS if r[1]], ids=lambda r: f"{r[0]}, {r[1]}")
def test_pytorch(row: list[str]) -> None:
    scores, y = data(row[0], False)
    outputs = 2 if row[0].startswith("Gauss") else WIDTH
    t = float(by_pytorch(row[1], scores, y, "mean"))
    assert ours(row[0], False) == pytest.approx(
        translated(row[2], t, y, np.ones(ROWS), outputs), rel=1e-12
    )
    if "class_weight" not in row[0]:  # there the mean is by both weights
        each = by_pytorch(row[1], scores, y, "none").reshape(ROWS, -1).mean(1)
        t = float(np.average(each, weights=WEIGHT))
        wanted = translated(row[2], t, y, WEIGHT, outputs)
        assert ours(row[0], False, WEIGHT) == pytest.approx(wanted, rel=1e-12)


def test_the_table_has_every_loss() -> None:
    names = {re.match(r"\w+", row[0])[0] for row in CELLS}  # type: ignore[index]
    assert names == {name for name in gn.losses.__all__ if name[0].isupper()} - {
        "Loss", "FunctionLoss", "BatchLoss",
    }  # fmt: skip
    assert all(len(row) == 5 and (row[1] or row[3]) for row in CELLS)
