"""The MLP estimators: against scikit-learn's numbers, in scikit-learn's company, and the extras."""

from __future__ import annotations

import copy
import pickle
import warnings
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import sklearn.neural_network as theirs
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale

import glassnet as gn
from glassnet import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, LABELS = load_iris(return_X_y=True)
X = scale(X)
NUMBERS = X[:, 0] * X[:, 1] + np.sin(X[:, 2])

SETTINGS: list[dict[str, Any]] = [
    {"solver": "adam"},
    {"solver": "adam", "batch_size": 32, "early_stopping": True},
    {"solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 0.1},
    {"solver": "sgd", "nesterovs_momentum": False, "alpha": 0.5, "activation": "tanh"},
    {"solver": "sgd", "learning_rate": "adaptive", "shuffle": False, "activation": "logistic"},
    {"solver": "sgd", "momentum": 0, "activation": "identity", "hidden_layer_sizes": (5, 4)},
]


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
def test_the_path_of_scikit_learn(name: str, settings: dict[str, Any]) -> None:
    """The same first weights and orders, so after 30 epochs the same numbers up to rounding."""
    given = {"max_iter": 30, "random_state": 3, **settings}
    y = LABELS if name == "MLPClassifier" else NUMBERS
    ours = getattr(gn, name)(**given).fit(X, y)
    other = getattr(theirs, name)(**given).fit(X, y)
    for mine, known in zip(
        ours.coefs_ + ours.intercepts_, other.coefs_ + other.intercepts_, strict=True
    ):
        np.testing.assert_allclose(mine, known, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(ours.loss_curve_, other.loss_curve_, rtol=1e-9)
    assert (ours.n_iter_, ours.t_) == (other.n_iter_, other.t_)
    assert ours._optimizer.learning_rate == pytest.approx(other._optimizer.learning_rate)
    if settings.get("early_stopping"):
        np.testing.assert_allclose(ours.validation_scores_, other.validation_scores_)


@pytest.mark.skipif(
    "loss" not in theirs.MLPRegressor().get_params(), reason="scikit-learn has it from 1.7 on"
)
def test_poisson_follows_scikit_learn() -> None:
    y = np.round(np.exp(X[:, 0]))
    given = {"loss": "poisson", "random_state": 0, "max_iter": 20}
    ours = MLPRegressor(**given).fit(X, y)
    other = theirs.MLPRegressor(**given).fit(X, y)
    np.testing.assert_allclose(ours.predict(X), other.predict(X), rtol=1e-7)
    np.testing.assert_allclose(ours.loss_curve_, other.loss_curve_, rtol=1e-9)


def test_the_loss_of_several_outputs_is_what_the_gradient_is_of() -> None:
    y = np.stack([NUMBERS, -NUMBERS, X[:, 3]], 1)
    given = {"random_state": 0, "max_iter": 20, "alpha": 0.0}
    ours = MLPRegressor(**given).fit(X, y)
    other = theirs.MLPRegressor(**given).fit(X, y)
    np.testing.assert_allclose(ours.predict(X), other.predict(X), rtol=1e-6, atol=1e-9)
    # theirs shows the mean over the three outputs and descends along the gradient of the sum
    np.testing.assert_allclose(ours.loss_curve_, np.multiply(3, other.loss_curve_), rtol=1e-9)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_sparse_rows_give_the_same_bits(solver: str) -> None:
    given = {"solver": solver, "random_state": 0, "max_iter": 10, "batch_size": 40}
    dense = MLPClassifier(**given).fit(X, LABELS)
    for kind in (sparse.csr_array, sparse.csc_array):
        other = MLPClassifier(**given).fit(kind(X), LABELS)
        assert all(np.array_equal(a, b) for a, b in zip(dense.coefs_, other.coefs_, strict=True))
        assert np.array_equal(dense.predict_proba(X), other.predict_proba(kind(X)))


def test_a_weight_of_two_is_a_row_twice() -> None:
    weight = np.where(np.arange(len(X)) % 3, 1.0, 2.0)
    twice = np.repeat(np.arange(len(X)), weight.astype(int))
    given = {"solver": "lbfgs", "random_state": 0, "max_iter": 20, "hidden_layer_sizes": (4,)}
    one = MLPRegressor(**given).fit(X, NUMBERS, sample_weight=weight)
    two = MLPRegressor(**given).fit(X[twice], NUMBERS[twice])
    np.testing.assert_allclose(one.predict(X), two.predict(X), rtol=1e-5)


def test_copies_predict_and_train_alike(tmp_path: Path) -> None:
    est = MLPClassifier(random_state=0, max_iter=5).fit(X, LABELS)
    joblib.dump(est, tmp_path / "est")
    copies = [pickle.loads(pickle.dumps(est)), copy.deepcopy(est), joblib.load(tmp_path / "est")]
    known = est.predict_proba(X)
    est.partial_fit(X, LABELS)
    for other in copies:
        assert np.array_equal(other.predict_proba(X), known)
        other.partial_fit(X, LABELS)
        assert np.array_equal(other.coefs_[0], est.coefs_[0])
    assert not hasattr(clone(est), "coefs_")


def test_in_the_company_of_scikit_learn() -> None:
    pipe = make_pipeline(StandardScaler(), MLPClassifier(random_state=0, learning_rate_init=0.02))
    grid = {"mlpclassifier__alpha": [1e-4, 10.0], "mlpclassifier__hidden_layer_sizes": [(4,), 20]}
    search = GridSearchCV(pipe, grid, cv=3, n_jobs=2).fit(X, LABELS)
    assert search.best_score_ > 0.9
    assert (cross_val_predict(pipe, X, LABELS) == LABELS).mean() > 0.85


def test_class_weights_multiply_the_rows_weights() -> None:
    own = np.linspace(0.5, 1.5, len(X))
    weights = {0: 1.0, 1: 3.0, 2: 0.5}
    given = {"random_state": 0, "max_iter": 10}
    one = MLPClassifier(class_weight=weights, **given).fit(X, LABELS, own)
    each = own * np.array([weights[label] for label in LABELS])
    two = MLPClassifier(**given).fit(X, LABELS, each)
    assert np.array_equal(one.predict_proba(X), two.predict_proba(X))


def test_rows_to_validate_on() -> None:
    part = slice(None, None, 2), slice(1, None, 2)
    est = MLPClassifier(random_state=0, early_stopping=True, max_iter=30)
    est.fit(X[part[0]], LABELS[part[0]], X_val=X[part[1]], y_val=LABELS[part[1]])
    assert est.score(X[part[1]], LABELS[part[1]]) == est.best_validation_score_
    assert len(est.validation_scores_) == est.n_iter_
    with pytest.raises(ValueError, match="X_val and y_val go together"):
        est.fit(X, LABELS, X_val=X)


def test_a_scorer_judges_the_held_out_rows() -> None:
    est = MLPRegressor(random_state=0, max_iter=9, scoring="neg_mean_absolute_error")
    est.fit(X, NUMBERS, X_val=X, y_val=NUMBERS)
    wanted = -np.abs(est.predict(X) - NUMBERS).mean()
    assert est.validation_scores_[-1] == pytest.approx(wanted)


def test_the_median_and_the_mean() -> None:
    """A network that sees one constant column answers with a constant: mean, median."""
    y = np.array([0.0, 0.0, 0.0, 1.0, 10.0] * 40)
    x = np.ones((len(y), 1))
    given = {"random_state": 0, "max_iter": 400, "learning_rate_init": 0.02, "alpha": 0.0}
    given |= {"tol": 0.0, "n_iter_no_change": np.inf}
    assert MLPRegressor(**given).fit(x, y).predict(x[:1])[0] == pytest.approx(2.2, abs=0.1)
    for loss in ("absolute_error", "quantile"):
        found = MLPRegressor(loss=loss, **given).fit(x, y).predict(x[:1])[0]
        assert found == pytest.approx(0.0, abs=0.1)


def test_a_loss_and_activations_of_ones_own() -> None:
    def half_square(prediction: Any, y: Any) -> Any:
        return gn.ops.sum(gn.ops.square(prediction - y), 1) * 0.5

    def line(z: Any) -> Any:
        return z * 1.0

    given = {"random_state": 0, "max_iter": 10, "hidden_layer_sizes": (6, 5)}
    one = MLPRegressor(loss=half_square, activation=["tanh", line], **given).fit(X, NUMBERS)
    two = MLPRegressor(activation=["tanh", "identity"], **given).fit(X, NUMBERS)
    np.testing.assert_allclose(one.predict(X), two.predict(X), rtol=1e-12)
    with pytest.raises(ValueError, match="has 1 entries and hidden_layer_sizes 2"):
        MLPRegressor(activation=["tanh"], **given).fit(X, NUMBERS)


def test_dropout_trains_and_predicts_without_chance() -> None:
    est = MLPClassifier(dropout=0.2, random_state=0).fit(X, LABELS)
    assert est.score(X, LABELS) > 0.9
    assert np.array_equal(est.predict_proba(X), est.predict_proba(X))
    other = MLPClassifier(random_state=0).fit(X, LABELS)
    assert not np.allclose(est.coefs_[0], other.coefs_[0])


def test_a_time_limit_ends_the_training() -> None:
    est = MLPClassifier(time_limit=1e-9, max_iter=1000).fit(X, LABELS)
    assert est.n_iter_ == 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_network_of_an_estimator(dtype: str) -> None:
    rows = X.astype(dtype)
    est = MLPClassifier(random_state=0, max_iter=5, hidden_layer_sizes=(7, 3)).fit(rows, LABELS)
    model = est.to_network()
    np.testing.assert_array_equal(model(rows), est.decision_function(rows))
    hidden = np.maximum(rows @ est.coefs_[0] + est.intercepts_[0], 0)
    np.testing.assert_allclose(est.hidden_activations(rows, 1), hidden, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_a_fitted_estimator_of_scikit_learn_is_taken_over(solver: str) -> None:
    other = theirs.MLPClassifier(random_state=0, max_iter=15, solver=solver).fit(X, LABELS)
    ours = MLPClassifier.from_sklearn(other)
    np.testing.assert_allclose(ours.predict_proba(X), other.predict_proba(X), rtol=1e-9)
    if solver != "lbfgs":
        ours.partial_fit(X, LABELS)
        other.partial_fit(X, LABELS)
        np.testing.assert_allclose(ours.coefs_[0], other.coefs_[0], rtol=1e-9, atol=1e-12)


def test_any_number_of_threads_gives_the_same_bits() -> None:
    x, y = load_breast_cancer(return_X_y=True)
    fits = [
        MLPClassifier((200, 200), random_state=0, max_iter=3, threads=n).fit(scale(x), y)
        for n in (1, 2)
    ]
    assert np.array_equal(fits[0].coefs_[1], fits[1].coefs_[1])


@pytest.mark.parametrize(
    ("settings", "kind", "words"),
    [
        ({"hidden_layer_sizes": (3, 0)}, ValueError, "hidden_layer_sizes must be > 0"),
        ({"solver": "newton"}, ValueError, "The 'solver' parameter of MLPClassifier must be"),
        ({"dropout": 1.0}, ValueError, "The 'dropout' parameter of MLPClassifier must be"),
        ({"activation": "sinus"}, ValueError, "The 'activation' parameter of MLPClassifier"),
    ],
)
def test_wrong_parameters(settings: dict[str, Any], kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        MLPClassifier(**settings).fit(X, LABELS)


def test_wrong_labels() -> None:
    with pytest.raises(TypeError, match="strings and numbers among its labels, 'a' and 1"):
        MLPClassifier().fit([[0.0], [1.0]], [1, "a"])
    with pytest.raises(ValueError, match="loss='poisson' takes y >= 0; the smallest y is -1"):
        MLPRegressor(loss="poisson").fit([[0.0], [1.0]], [-1.0, 2.0])
    with pytest.raises(ValueError, match="class_weight='balanced' needs all rows at once"):
        MLPClassifier(class_weight="balanced").partial_fit(X, LABELS, classes=[0, 1, 2])


def test_lbfgs_finds_what_scikit_learn_finds() -> None:
    x, y = load_diabetes(return_X_y=True)
    x, y = scale(x), scale(y)
    given = {"solver": "lbfgs", "random_state": 0, "alpha": 1.0, "hidden_layer_sizes": (3,)}
    given |= {"max_iter": 25}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        ours = MLPRegressor(**given).fit(x, y)
        other = theirs.MLPRegressor(**given).fit(x, y)
    assert ours.loss_ == pytest.approx(other.loss_, rel=1e-4)
