"""Several quantiles by one network, and labels that are probabilities or missing."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import d2_pinball_score, mean_pinball_loss, r2_score

import glassnet as gn
from glassnet import MLPClassifier, MLPRegressor

RNG = np.random.default_rng(0)
X = RNG.uniform(size=(400, 1))
Y = X[:, 0] + 0.3 * RNG.normal(size=400) * (0.5 + X[:, 0])
LEVELS = [0.9, 0.1, 0.5]
SETTINGS: dict[str, Any] = {"hidden_layer_sizes": (8,), "random_state": 0, "alpha": 0.0}


def regressor(**more: Any) -> MLPRegressor:
    settings = {**SETTINGS, "solver": "lbfgs", "max_iter": 200, "tol": 1e-3, **more}
    return MLPRegressor(loss="quantile", **settings)


def test_so_many_labels_lie_below_each() -> None:
    est = regressor(quantile=LEVELS).fit(X, Y)
    found = est.predict(X)
    assert found.shape == (400, 3)
    assert est.n_outputs_ == 3
    below = (Y[:, None] <= found).mean(0)
    np.testing.assert_allclose(below, LEVELS, atol=0.03)
    scores = [d2_pinball_score(Y, found[:, i], alpha=level) for i, level in enumerate(LEVELS)]
    assert est.score(X, Y) == pytest.approx(np.mean(scores))
    # the loss is the sum over the quantiles of their pinball losses, of the sorted ones no larger
    losses = [mean_pinball_loss(Y, found[:, i], alpha=level) for i, level in enumerate(LEVELS)]
    assert sum(losses) <= est.loss_ * (1 + 1e-9)
    copy = pickle.loads(pickle.dumps(est))
    assert (copy.predict(X) == found).all()
    assert clone(est).get_params()["quantile"] == LEVELS


def test_no_lower_quantile_is_above_a_higher_one() -> None:
    """Of a network that has learnt little they cross; the columns of `predict` do not."""
    est = MLPRegressor(loss="quantile", quantile=LEVELS, solver="sgd", max_iter=1, **SETTINGS)
    with pytest.warns(ConvergenceWarning, match="Maximum iterations"):
        est.fit(X, Y)
    raw = np.asarray(est.to_network()(X.astype("float64")))
    found = est.predict(X)
    assert (raw[:, 1] > raw[:, 0]).any()
    assert (found[:, 1] <= found[:, 2]).all()
    assert (found[:, 2] <= found[:, 0]).all()
    np.testing.assert_array_equal(np.sort(raw, 1), np.sort(found, 1))


def test_one_quantile() -> None:
    est = regressor(quantile=0.8).fit(X, Y)
    found = est.predict(X)
    assert found.shape == (400,)
    assert (found >= Y).mean() == pytest.approx(0.8, abs=0.03)
    assert est.score(X, Y) == pytest.approx(r2_score(Y, found))
    median, same = regressor().fit(X, Y), regressor(quantile=0.5).fit(X, Y)
    assert (median.predict(X) == same.predict(X)).all()
    listed = regressor(quantile=[0.8]).fit(X, Y)
    assert (listed.predict(X) == found).all()


def test_the_loss_and_gradient_of_a_network_by_hand() -> None:
    """ŷ = 2 for y = 3 and quantiles 0.1 and 0.9: 0.1·1 + 0.9·1; and with one label for each."""
    loss = gn.losses.Quantile((0.1, 0.9))
    p = np.array([[2.0, 2.0]])
    assert loss(p, np.array([[3.0]])) == pytest.approx(1.0)
    assert loss(p, np.array([[3.0, 3.0]])) == pytest.approx(1.0)


def test_early_stopping_validation_and_partial_fit() -> None:
    est = MLPRegressor(
        loss="quantile", quantile=[0.1, 0.9], max_iter=30, early_stopping=True, **SETTINGS
    )
    with pytest.warns(ConvergenceWarning, match="Maximum iterations"):
        est.fit(X, Y)
    held = MLPRegressor(loss="quantile", quantile=[0.1, 0.9], max_iter=5, **SETTINGS)
    with pytest.warns(ConvergenceWarning, match="Maximum iterations"):
        held.fit(X, Y, X_val=X[:50], y_val=Y[:50])
    assert held.validation_scores_[-1] == pytest.approx(held.score(X[:50], Y[:50]))
    online = MLPRegressor(loss="quantile", quantile=[0.1, 0.9], **SETTINGS)
    assert online.partial_fit(X, Y).partial_fit(X[:1], Y[:1]).predict(X[:2]).shape == (2, 2)


def test_recorded_and_opened(tmp_path: Path) -> None:
    run = tmp_path / "run.glass"
    est = MLPRegressor(loss="quantile", quantile=[0.1, 0.9], max_iter=3, record=run, **SETTINGS)
    with pytest.warns(ConvergenceWarning, match="Maximum iterations"):
        est.fit(X, Y)
    step = gn.open_step(run, epoch=2)
    np.testing.assert_array_equal(step.y, np.repeat(Y[step.rows, None], 2, 1))


def test_what_does_not_go_together() -> None:
    with pytest.raises(ValueError, match="goes with loss='quantile'; loss is 'squared_error'"):
        MLPRegressor(quantile=[0.1, 0.9]).fit(X, Y)
    with pytest.raises(ValueError, match="use numbers between 0 and 1"):
        regressor(quantile=[0.1, 1.5]).fit(X, Y)
    with pytest.raises(ValueError, match="MultiOutputRegressor"):
        regressor(quantile=[0.1, 0.9]).fit(X, np.column_stack([Y, Y]))


def test_labels_that_are_missing_are_an_error_that_names_the_way() -> None:
    gaps = np.column_stack([Y, np.where(np.arange(400) == 7, np.nan, Y)])
    with pytest.raises(ValueError, match=r'NaN, first in row 7 .*\n.*right: .*missing="skip"'):
        MLPRegressor().fit(X, gaps)
    with pytest.raises(ValueError, match="takes a loss of rows, whose labels are all there"):
        MLPRegressor(loss=gn.losses.MSE(missing="skip")).fit(X, Y)


def soft(classes: int) -> np.ndarray:
    """Probabilities that a network without hidden layers can give."""
    scores = np.column_stack([k * (X[:, 0] - 0.4) for k in range(classes)]) * 3
    p: np.ndarray = np.exp(scores)
    return p / p.sum(1, keepdims=True)


@pytest.mark.parametrize("classes", [2, 3])
def test_labels_that_are_probabilities(classes: int, tmp_path: Path) -> None:
    """The network that gives them has the least loss, their entropy; and each row once for every
    class, weighted by its probability, has the same least."""
    p = soft(classes)
    settings = {"hidden_layer_sizes": (), "solver": "lbfgs", "tol": 1e-9, "alpha": 0.0}
    est = MLPClassifier(max_iter=1000, random_state=0, **settings).fit(X, p)
    np.testing.assert_allclose(est.predict_proba(X), p, atol=1e-3)
    assert est.classes_.tolist() == list(range(classes))
    assert est.loss_ == pytest.approx(-np.mean(np.sum(p * np.log(p), 1)), rel=1e-4)
    assert (est.predict(X) == p.argmax(1)).mean() > 0.98
    assert est.score(X, p) == est.score(X, p.argmax(1))
    by_rows = MLPClassifier(max_iter=1000, random_state=0, **settings)
    by_rows.fit(
        np.repeat(X, classes, 0), np.tile(np.arange(classes), len(X)), sample_weight=p.ravel()
    )
    np.testing.assert_allclose(est.predict_proba(X), by_rows.predict_proba(X), atol=2e-3)
    again = pickle.loads(pickle.dumps(est))
    np.testing.assert_array_equal(again.predict_proba(X), est.predict_proba(X))


def test_probabilities_with_all_that_a_classifier_has(tmp_path: Path) -> None:
    p = soft(3)
    common = {**SETTINGS, "max_iter": 4}
    for more, given in (
        ({"early_stopping": True}, {}),
        ({}, {"X_val": X[:50], "y_val": p[:50]}),
        ({"class_weight": "balanced"}, {}),
        ({"class_weight": {0: 1.0, 1: 2.0, 2: 0.5}}, {"sample_weight": np.ones(400)}),
        ({"record": tmp_path / "run.glass", "solver": "sgd"}, {}),
    ):
        est = MLPClassifier(**common, **more)
        with pytest.warns(ConvergenceWarning):
            est.fit(X, p, **given)
        assert est.predict_proba(X).shape == (400, 3)
    assert set(gn.open_step(tmp_path / "run.glass").y.ravel()) <= set(p.ravel())
    weighted = MLPClassifier(**common, class_weight={1: 3.0})
    with pytest.warns(ConvergenceWarning):
        weighted.fit(X, p)
    same = MLPClassifier(**common)  # a row weighs the mean of the weights of its classes
    with pytest.warns(ConvergenceWarning):
        same.fit(X, p, sample_weight=1 + 2 * p[:, 1])
    np.testing.assert_allclose(weighted.predict_proba(X), same.predict_proba(X), atol=1e-12)
    online = MLPClassifier(**SETTINGS).partial_fit(X, p, classes=[0, 1, 2])
    online.partial_fit(X[:1], np.array([[0.0, 1.0, 0.0]])).partial_fit(X[:2], [0, 2])
    with pytest.raises(ValueError, match=r"probabilities of 2 classes.*are \[0, 1, 2\]"):
        online.partial_fit(X, soft(2))


def test_what_is_no_probability_is_as_scikit_learn_has_it() -> None:
    """Rows of 0 and 1 alone are several labels a row, whatever their type."""
    hard = np.eye(3)[soft(3).argmax(1)]
    est = MLPClassifier(solver="lbfgs", max_iter=20, **SETTINGS)
    with pytest.warns(ConvergenceWarning):
        est.fit(X, hard)
    assert est.out_activation_ == "logistic"
    assert est.predict(X).shape == (400, 3)
    for wrong in (soft(3) * 1.1, np.where(soft(3) < 0.1, -soft(3), soft(3))):
        with pytest.raises(ValueError, match=r"(?i)label"):
            MLPClassifier(**SETTINGS).fit(X, wrong)
