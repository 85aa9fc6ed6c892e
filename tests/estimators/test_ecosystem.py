"""The MLP estimators in the company of scikit-learn: copies, searches, pipelines, metadata."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingRegressor
from sklearn.exceptions import NotFittedError
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict, cross_val_score
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import glassnet as gn
from glassnet import MLPClassifier, MLPRegressor
from tests.estimators.common import LABELS, NUMBERS, QUICK, X

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def line(z: Any) -> Any:
    return z * 0.5


def absolute(prediction: Any, y: Any) -> Any:
    return gn.ops.sum(gn.ops.abs(prediction - y), 1)


# -- copies ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("early", [False, True])
def test_copies_are_the_same_and_go_on_the_same(tmp_path: Path, early: bool) -> None:
    est = MLPClassifier(early_stopping=early, **QUICK).fit(X, LABELS)
    joblib.dump(est, tmp_path / "est")
    copies = [pickle.loads(pickle.dumps(est)), copy.deepcopy(est), joblib.load(tmp_path / "est")]
    known = est.predict_proba(X)
    est.set_params(early_stopping=False).partial_fit(X, LABELS)
    assert not np.array_equal(est.predict_proba(X), known)
    for other in copies:
        assert np.array_equal(other.predict_proba(X), known)
        assert other.loss_curve_ == est.loss_curve_[:-1]
        other.set_params(early_stopping=False).partial_fit(X, LABELS)
        assert all(np.array_equal(a, b) for a, b in zip(other.coefs_, est.coefs_, strict=True))


def test_a_pickle_is_read_by_another_process(tmp_path: Path) -> None:
    est = MLPRegressor(loss="huber", missing="indicator", **QUICK).fit(X, NUMBERS)
    (tmp_path / "est").write_bytes(pickle.dumps(est))
    code = (
        "import pickle, json, numpy as np\n"
        "est = pickle.load(open('est', 'rb'))\n"
        "print(json.dumps(est.predict([[0.5, float('nan'), 1.0, 2.0]]).tolist()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == est.predict([[0.5, np.nan, 1.0, 2.0]]).tolist()


def test_functions_and_layers_are_copied_with_the_estimator() -> None:
    given = {"hidden_layer_sizes": (4, 3), "activation": ["gelu", line], "loss": absolute}
    est = MLPRegressor(**given, **QUICK)
    other = clone(est)
    assert other.get_params() == est.get_params()
    fits = [est.fit(X, NUMBERS), other.fit(X, NUMBERS), pickle.loads(pickle.dumps(est))]
    assert all(np.array_equal(fits[0].predict(X), own.predict(X)) for own in fits)
    for given in ({"loss": gn.losses.Huber(0.5)}, {"activation": gn.nn.LeakyReLU(0.2)}):
        one = MLPRegressor(**given, **QUICK)
        two = clone(one).fit(X, NUMBERS)
        again = pickle.loads(pickle.dumps(two))
        assert np.array_equal(one.fit(X, NUMBERS).predict(X), again.predict(X))


def test_a_clone_has_the_parameters_and_nothing_learnt() -> None:
    given = {"missing": "indicator", "n_jobs": 1, "categorical_features": [0], "dropout": 0.1}
    other = clone(MLPClassifier(**given).fit(X.round(), LABELS))
    assert {name: other.get_params()[name] for name in given} == given
    assert [name for name in vars(other) if name.endswith("_")] == []
    with pytest.raises(NotFittedError):
        other.transform(X)


# -- other estimators around these ----------------------------------------------------------------


def test_a_search_over_processes() -> None:
    pipe = make_pipeline(StandardScaler(), MLPClassifier(**QUICK))
    grid = {"mlpclassifier__alpha": [1e-4, 10.0], "mlpclassifier__activation": ["tanh", line]}
    search = GridSearchCV(pipe, grid, cv=3, n_jobs=2).fit(X, LABELS)
    assert search.best_score_ > 0.85
    alone = GridSearchCV(pipe, grid, cv=3).fit(X, LABELS)
    # the very same numbers in other processes
    for name in ("mean_test_score", "std_test_score"):
        assert np.array_equal(search.cv_results_[name], alone.cv_results_[name])


def test_columns_are_prepared_each_in_its_way() -> None:
    x = np.column_stack([X[:, 0], LABELS == 0, X[:, 2]])
    columns = ColumnTransformer([("one", OneHotEncoder(), [1]), ("two", StandardScaler(), [0, 2])])
    pipe = make_pipeline(columns, MLPClassifier(**QUICK)).fit(x, LABELS)
    assert pipe.score(x, LABELS) > 0.85
    assert pipe[-1].n_features_in_ == 4


def test_calibration() -> None:
    x, y = load_breast_cancer(return_X_y=True)
    pipe = make_pipeline(StandardScaler(), MLPClassifier((8,), **QUICK))
    for method in ("sigmoid", "isotonic"):
        est = CalibratedClassifierCV(pipe, method=method, cv=3).fit(x, y)
        p = est.predict_proba(x)
        np.testing.assert_allclose(p.sum(1), 1.0)
        assert abs(p[:, 1].mean() - y.mean()) < 0.03  # what calibration is for
        assert est.score(x, y) > 0.95


def test_predictions_across_folds() -> None:
    est = MLPClassifier(**QUICK)
    for method in ("predict_proba", "predict_log_proba", "decision_function"):
        found = cross_val_predict(est, X, LABELS, method=method, cv=3)
        assert found.shape == (150, 3)
        assert (found.argmax(1) == LABELS).mean() > 0.85
    folds = KFold(3, shuffle=True, random_state=0)
    assert cross_val_score(MLPRegressor(**QUICK), X, NUMBERS, scoring="r2", cv=folds).min() > 0.3


def test_a_column_that_decides_all_is_the_important_one() -> None:
    x = np.column_stack([X[:, 1], LABELS == 1, X[:, 0] * 0])
    est = MLPClassifier(random_state=0, max_iter=100, learning_rate_init=0.02).fit(x, LABELS == 1)
    found = permutation_importance(est, x, LABELS == 1, n_repeats=3, random_state=0)
    assert found.importances_mean.argmax() == 1
    assert found.importances_mean[1] > 0.2
    assert found.importances_mean[2] == 0.0


def test_stacks_bags_votes_and_targets() -> None:
    small = MLPClassifier((6,), random_state=0, max_iter=80, learning_rate_init=0.02)
    base = [("a", small), ("b", LogisticRegression())]
    assert StackingClassifier(base, cv=3).fit(X, LABELS).score(X, LABELS) > 0.9
    assert StackingClassifier(base[1:], small, cv=3).fit(X, LABELS).score(X, LABELS) > 0.9
    bag = BaggingClassifier(small, 3, random_state=0).fit(X, LABELS)
    assert bag.score(X, LABELS) > 0.8
    vote = VotingRegressor([("a", MLPRegressor(**QUICK)), ("b", MLPRegressor(alpha=2.0, **QUICK))])
    one, two = (clone(own).fit(X, NUMBERS).predict(X) for _, own in vote.estimators)
    np.testing.assert_allclose(vote.fit(X, NUMBERS).predict(X), (one + two) / 2)
    logs = TransformedTargetRegressor(MLPRegressor(**QUICK), func=np.log, inverse_func=np.exp)
    assert logs.fit(X, np.exp(NUMBERS)).predict(X).min() > 0.0
    several = MultiOutputClassifier(small)
    assert several.fit(X, np.stack([LABELS, LABELS > 0], 1)).predict(X).shape == (150, 2)


# -- activations as features ----------------------------------------------------------------------


def test_hidden_layers_are_features() -> None:
    est = MLPClassifier((5, 4), activation="tanh", **QUICK).fit(X, LABELS)
    one = np.tanh(X @ est.coefs_[0] + est.intercepts_[0])
    two = np.tanh(one @ est.coefs_[1] + est.intercepts_[1])
    for layer, wanted in ((1, one), (-2, one), (2, two), (-1, two)):
        np.testing.assert_allclose(est.transform(X, layer=layer), wanted, rtol=1e-9)
    np.testing.assert_allclose(est.transform(X), two, rtol=1e-9)
    assert list(est.get_feature_names_out()) == [f"mlpclassifier{i}" for i in range(4)]
    for layer in (0, 3, -3):
        with pytest.raises(
            ValueError, match=f"layer={layer}; the network has hidden layers 1 to 2"
        ):
            est.transform(X, layer=layer)
    trained = MLPClassifier((5, 4), random_state=0, max_iter=100, learning_rate_init=0.02)
    pipe = make_pipeline(trained, LogisticRegression())
    assert pipe.fit(X, LABELS).score(X, LABELS) > 0.85


def test_transform_gives_the_frame_that_is_asked_for() -> None:
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    frame = pandas.DataFrame(X, columns=list("abcd"), index=range(1000, 1150))
    est = MLPRegressor(hidden_layer_sizes=(5, 4), **QUICK).fit(frame, NUMBERS)
    found = est.set_output(transform="pandas").transform(frame)
    assert list(found.columns) == [f"mlpregressor{i}" for i in range(4)]
    assert (found.index == frame.index).all()
    wide = est.set_output(transform="polars").transform(frame, layer=1)
    assert isinstance(wide, polars.DataFrame)
    assert wide.columns == [f"mlpregressor{i}" for i in range(5)]
    assert est.fit_transform(frame, NUMBERS).shape == (150, 4)


# -- metadata -------------------------------------------------------------------------------------


def test_weights_are_routed() -> None:
    weight = np.where(LABELS == 2, 0.0, 1.0)
    with sklearn.config_context(enable_metadata_routing=True):
        est = MLPClassifier(**QUICK).set_fit_request(sample_weight=True)
        est.set_score_request(sample_weight=True)
        search = GridSearchCV(est, {"alpha": [1e-4]}, cv=2)
        search.fit(X, LABELS, sample_weight=weight)
    assert 2 not in search.predict(X)  # rows that weigh nothing teach nothing
    direct = MLPClassifier(**QUICK).fit(X, LABELS, sample_weight=weight)
    assert np.array_equal(search.best_estimator_.coefs_[0], direct.coefs_[0])


def test_rows_to_validate_on_are_routed_through_a_pipeline() -> None:
    train, val = np.arange(0, 150, 2), np.arange(1, 150, 2)
    raw = X * 7.0 + 3.0
    with sklearn.config_context(enable_metadata_routing=True):
        est = MLPClassifier(**QUICK).set_fit_request(
            X_val=True, y_val=True, sample_weight_val=True, sample_weight=True
        )
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        scaler.set_transform_request(copy=False)
        pipe = make_pipeline(scaler, est, transform_input=["X_val"])
        pipe.fit(
            raw[train], LABELS[train], X_val=raw[val], y_val=LABELS[val],
            sample_weight_val=np.ones(75), sample_weight=np.ones(75),
        )  # fmt: skip
    assert pipe.score(raw[val], LABELS[val]) == pipe[-1].validation_scores_[-1]
