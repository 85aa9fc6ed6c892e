"""Loss and gradient as scikit-learn's private method gives them, beside scikit-learn's own."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
import sklearn.neural_network as theirs
from scipy.sparse import csr_array

import glassnet as ours
from tests.estimators.common import LABELS, NUMBERS, X

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
ONE_HOT = np.eye(3)[LABELS]
WEIGHTS = 0.5 + np.arange(len(X)) % 3
SETTINGS: dict[str, Any] = {"hidden_layer_sizes": (5, 3), "alpha": 0.3, "activation": "tanh"}
WEIGHTED = "sample_weight" in inspect.signature(theirs.MLPClassifier.fit).parameters


def scratch(est: Any) -> list[list[np.ndarray]]:
    """activations, deltas, coef_grads, intercept_grads, as scikit-learn's method needs them."""
    widths = [w.shape[1] for w in est.coefs_]
    layers = [np.empty((len(X), width)) for width in widths]
    parts = [[np.empty_like(w) for w in own] for own in (est.coefs_, est.intercepts_)]
    return [[X, *layers], [own.copy() for own in layers], *parts]


@pytest.mark.parametrize("weight", [None, *([WEIGHTS] if WEIGHTED else [])])
@pytest.mark.parametrize(
    ("kind", "y", "target"),
    [
        ("MLPClassifier", LABELS, ONE_HOT),
        ("MLPClassifier", LABELS == 1, (LABELS == 1).astype(int)[:, None]),
        ("MLPRegressor", NUMBERS, NUMBERS[:, None]),
    ],
)
def test_loss_and_gradient_are_theirs(kind: str, y: Any, target: Any, weight: Any) -> None:
    pair = [
        getattr(own, kind)(**SETTINGS, solver="lbfgs", max_iter=2, random_state=0).fit(X, y)
        for own in (ours, theirs)
    ]
    count = sum(w.size for w in [*pair[0].coefs_, *pair[0].intercepts_])
    point = np.random.default_rng(0).normal(size=count)
    before = pair[0].coefs_[0].copy()
    given = [*([weight] if WEIGHTED else []), *scratch(pair[0])]
    loss, slope = pair[0]._loss_grad_lbfgs(point, X, target, *given)
    known_loss, known_slope = pair[1]._loss_grad_lbfgs(point, X, target, *given)
    assert loss == pytest.approx(known_loss, rel=1e-12)
    np.testing.assert_allclose(slope, known_slope, rtol=1e-9, atol=1e-12)
    assert np.array_equal(pair[0].coefs_[0], before)


def test_calls_with_and_without_weights_and_sparse_rows() -> None:
    est = ours.MLPRegressor(**SETTINGS, solver="lbfgs", max_iter=2, random_state=0)
    est.fit(X, NUMBERS)
    point = np.concatenate([w.ravel() for w in [*est.coefs_, *est.intercepts_]])
    without = est._loss_grad_lbfgs(point, X, NUMBERS, [], [], [], [])  # as scikit-learn 1.6 calls
    assert est._loss_grad_lbfgs(point, X, NUMBERS)[0] == without[0]
    for rows in (X, csr_array(X)):
        for weight in (None, np.ones(len(X))):
            loss, slope = est._loss_grad_lbfgs(point, rows, NUMBERS, weight, [], [], [], [])
            assert loss == without[0]
            assert np.array_equal(slope, without[1])
    heavy = est._loss_grad_lbfgs(point, X, NUMBERS, WEIGHTS, [], [], [], [])
    assert heavy[0] != without[0]
