"""Warnings of the MLP estimators: a training that diverges, and scikit-learn's own class."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

import glassnet as gn

X = np.random.default_rng(0).standard_normal((60, 3))
Y = (X[:, 0] > 0).astype(int)


def fitted(kind: Any, rate: float = 1e3, x: Any = X, **given: Any) -> tuple[Any, list[str]]:
    own = kind(
        hidden_layer_sizes=(5,), max_iter=6, solver="sgd", learning_rate_init=rate, random_state=0,
        early_stopping=True, **given,
    )  # fmt: skip
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        own.fit(x, Y)
    return own, [str(w.message) for w in found if issubclass(w.category, ConvergenceWarning)]


@pytest.mark.parametrize("kind", [gn.MLPClassifier, gn.MLPRegressor])
def test_early_stopping_that_keeps_weights_of_before_a_divergence_says_so(kind: Any) -> None:
    own, (said,) = fitted(kind)
    best = 1 + int(np.nanargmax(own.validation_scores_))
    assert all(np.isfinite(w).all() for w in own.coefs_)
    first = next(
        i for i, loss in enumerate(own.loss_curve_) if not loss <= 100 * own.loss_curve_[0]
    )
    assert said.startswith(
        f"the training diverged: the loss was {own.loss_curve_[0]:.4g} in epoch 1"
    )
    assert (
        f"{own.loss_curve_[first]:.4g} in epoch {first + 1}; the weights are those of epoch {best},"
        in said
    )
    assert "learning_rate_init=1e+02, or smaller" in said


def test_losses_that_fall_or_end_as_numbers_are_not_called_diverged() -> None:
    for kind in (gn.MLPClassifier, gn.MLPRegressor):
        _, said = fitted(kind, 0.01)
        assert not any("diverged" in own for own in said)
    _, said = fitted(gn.MLPRegressor, 1e-4, X * 1e-3)
    assert not any("diverged" in own for own in said)


def test_without_early_stopping_a_loss_that_grows_is_told() -> None:
    own = gn.MLPClassifier(solver="sgd", learning_rate_init=10.0, max_iter=6, random_state=0)
    with pytest.warns(ConvergenceWarning, match=r"the training diverged: .* in epoch \d\n"):
        own.fit(X * 1e3, Y)


def test_filters_by_scikit_learns_class_work() -> None:
    few = gn.MLPClassifier(hidden_layer_sizes=(2,), max_iter=1, random_state=0)
    lbfgs = gn.MLPRegressor(hidden_layer_sizes=(2,), max_iter=1, random_state=0, solver="lbfgs")
    for own in (few, lbfgs):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.filterwarnings("ignore", category=ConvergenceWarning)
            own.fit(X, Y)
        with warnings.catch_warnings():
            warnings.filterwarnings("error", category=ConvergenceWarning)
            with pytest.raises(ConvergenceWarning):
                own.fit(X, Y)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.filterwarnings("ignore", module="sklearn")
            warnings.filterwarnings("ignore", category=ConvergenceWarning, module=__name__)
            own.fit(X, Y)
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        few.fit(X, Y)
    assert [w.filename for w in found] == [__file__]
