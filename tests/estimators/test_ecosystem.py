"""The MLP estimators in the company of scikit-learn: copies, searches, pipelines, metadata, sparse
rows, callbacks, plots, pictures, errors."""

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
from scipy import sparse
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingRegressor
from sklearn.exceptions import NotFittedError
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict, cross_val_score
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler, scale

import glassnet as gn
from glassnet import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, LABELS = load_iris(return_X_y=True)
X = scale(X)
NUMBERS = X[:, 0] * X[:, 1] + np.sin(X[:, 2])
QUICK: dict[str, Any] = {"random_state": 0, "max_iter": 15, "learning_rate_init": 0.02}


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


# -- validation -----------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_the_validation_loss_is_the_loss_of_those_rows(solver: str) -> None:
    train, val = slice(0, None, 2), slice(1, None, 2)
    weight = np.linspace(1.0, 2.0, 75)
    est = MLPClassifier((5,), solver=solver, alpha=3.0, **QUICK)
    est.fit(X[train], LABELS[train], X_val=X[val], y_val=LABELS[val], sample_weight_val=weight)
    p = est.predict_proba(X[val])[np.arange(75), LABELS[val]]
    assert est.validation_loss_curve_[-1] == pytest.approx(np.average(-np.log(p), weights=weight))
    assert len(est.validation_loss_curve_) == len(est.loss_curve_) == est.n_iter_
    right = est.predict(X[val]) == LABELS[val]
    assert est.validation_scores_[-1] == pytest.approx(np.average(right, weights=weight))
    assert est.best_validation_score_ == max(est.validation_scores_)


def test_the_validation_loss_of_numbers() -> None:
    y = np.stack([NUMBERS, -NUMBERS], 1)
    est = MLPRegressor(early_stopping=True, **QUICK).fit(X, y, X_val=X[:50], y_val=y[:50])
    best = int(np.argmax(est.validation_scores_))
    wanted = 0.5 * ((est.predict(X[:50]) - y[:50]) ** 2).sum(1).mean()
    assert est.validation_loss_curve_[best] == pytest.approx(wanted)
    assert MLPRegressor(**QUICK).fit(X, NUMBERS).validation_loss_curve_ is None


def test_a_scorer_sees_rows_weights_and_encoded_columns() -> None:
    holes = X.copy()
    holes[::5, 0] = np.nan
    est = MLPRegressor(
        scoring="neg_mean_absolute_error", missing="indicator", early_stopping=True, **QUICK
    ).fit(holes, NUMBERS)
    assert len(est.validation_scores_) == est.n_iter_
    weight = np.linspace(0.0, 1.0, 150)
    est.fit(holes, NUMBERS, X_val=holes, y_val=NUMBERS, sample_weight_val=weight)
    off = np.abs(est.predict(holes) - NUMBERS)
    assert est.best_validation_score_ == pytest.approx(-np.average(off, weights=weight))


# -- sparse rows ----------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_sparse_rows_are_made_dense_a_part_at_a_time(
    solver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    x = sparse.random(9000, 30, 0.1, format="csr", random_state=rng)
    y = np.asarray(x.sum(1)).ravel() > 1.5
    seen: list[tuple[int, ...]] = []
    for kind in (sparse.csr_matrix, sparse.csr_array, sparse.csc_matrix, sparse.csc_array):
        known = kind.toarray

        def toarray(self: Any, *args: Any, known: Any = known, **named: Any) -> Any:
            seen.append(self.shape)
            return known(self, *args, **named)

        monkeypatch.setattr(kind, "toarray", toarray)
    est = MLPClassifier((4,), solver=solver, early_stopping=True, random_state=0, max_iter=2)
    for rows in (x, sparse.csc_array(x)):
        est.fit(rows, y)
        est.predict_proba(rows)
        est.transform(rows)
    rows_at_a_time = [count for count, width in seen if width == x.shape[1]]  # others are labels
    assert rows_at_a_time
    assert max(rows_at_a_time) <= 4096


# -- callbacks ------------------------------------------------------------------------------------


class Noting:
    """A callback that notes what it hears, and stops after so many epochs."""

    def __init__(self, stop: int | None = None) -> None:
        self.heard: list[tuple[str, str, int]] = []
        self.scores: list[float] = []
        self.stop = stop

    def setup(self, estimator: Any, context: Any) -> None:
        self.heard.append(("setup", context.task_name, context.task_id))

    def teardown(self, estimator: Any, context: Any) -> None:
        self.heard.append(("teardown", context.task_name, context.task_id))

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        self.heard.append(("begin", context.task_name, context.task_id))

    def on_fit_task_end(
        self, estimator: Any, context: Any, *, X: Any = None, y: Any = None,
        fitted_estimator: Any = None,
    ) -> bool:  # fmt: skip
        self.heard.append(("end", context.task_name, context.task_id))
        if fitted_estimator is not None:
            self.scores.append(fitted_estimator.score(X, y))
        return self.stop is not None and context.task_id + 1 >= self.stop


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_callbacks_have_a_context_for_every_epoch(solver: str) -> None:
    noting = Noting(stop=3)
    est = MLPClassifier(solver=solver, random_state=0).set_callbacks(noting)
    est.fit(X, LABELS, X_val=X, y_val=LABELS)
    epochs = [(what, "epoch", i) for i in range(3) for what in ("begin", "end")]
    around = [("setup", "fit", 0), ("begin", "fit", 0), ("end", "fit", 0), ("teardown", "fit", 0)]
    assert noting.heard == [*around[:2], *epochs, *around[2:]]
    assert est.n_iter_ == 3
    # the estimator of an epoch answers as that epoch left it
    assert noting.scores[:3] == est.validation_scores_
    assert noting.scores[3] == est.score(X, LABELS)


def test_callbacks_change_no_number_and_are_torn_down_after_an_error() -> None:
    noting = Noting()
    quiet = MLPClassifier(**QUICK).fit(X, LABELS)
    heard = clone(MLPClassifier(**QUICK).set_callbacks(noting)).fit(X, LABELS)
    assert np.array_equal(quiet.coefs_[0], heard.coefs_[0])
    assert len(noting.heard) == 2 * (QUICK["max_iter"] + 2)

    class Failing(Noting):
        def on_fit_task_end(self, estimator: Any, context: Any) -> bool:  # type: ignore[override]
            raise ZeroDivisionError

    failing = Failing()
    with pytest.raises(ZeroDivisionError):
        MLPClassifier(**QUICK).set_callbacks(failing).fit(X, LABELS)
    assert failing.heard[-1][0] == "teardown"
    with pytest.raises(TypeError, match="FitCallback protocol"):
        MLPClassifier().set_callbacks(print)


def test_the_callbacks_of_scikit_learn() -> None:
    callback = pytest.importorskip("sklearn.callback")
    monitor = callback.ScoringMonitor(scoring="accuracy")
    pipe = make_pipeline(StandardScaler(), MLPClassifier(**QUICK).set_callbacks(monitor))
    pipe.fit(X, LABELS)
    scores = [row["accuracy"] for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert len(scores) == QUICK["max_iter"]
    assert scores[-1] == pipe.score(X, LABELS)


def test_the_hooks_without_scikit_learn_s_own() -> None:
    """Our contexts, for versions that have none, call the same hooks in the same order."""
    from glassnet.estimators import mlp_watch

    class Fitted(mlp_watch.OwnSupport):
        max_iter, coefs_, intercepts_ = 2, [np.ones(1)], [np.ones(1)]

        def score(self, X: Any, y: Any) -> float:
            return float(self.coefs_[0][0])

        @mlp_watch.own_with_callbacks
        def fit(self, X: Any, y: Any) -> None:
            watch = mlp_watch.Watch(self, X, y, None)
            watch.begin()
            for epoch in range(2):
                watch.epoch_begin()
                self.coefs_ = [np.full(1, epoch + 5.0)]
                watch.epoch_end()
            watch.end()

    noting = Noting()
    est = Fitted()
    est.set_callbacks(noting).fit(X, LABELS)
    reference = Noting()
    MLPClassifier(max_iter=2).set_callbacks(reference).fit(X, LABELS)
    assert noting.heard == reference.heard
    assert noting.scores == [5.0, 6.0, 6.0]
    with pytest.raises(TypeError, match="FitCallback protocol"):
        est.set_callbacks(Noting)


# -- pictures and plots ---------------------------------------------------------------------------


def test_the_picture_stands_below_scikit_learn_s_panel() -> None:
    est = MLPClassifier((6, 3), **QUICK)
    before = est._repr_html_()
    assert "sk-top-container" in before
    assert "<figure" not in before
    after = est.fit(X, LABELS)._repr_html_()
    assert "hidden_layer_sizes" in after
    assert "MLPClassifier: 4 - 6 - 3 - 3, 63 parameters" in after
    # a circle a neuron, a line a weight
    assert after.count("<circle") == 4 + 6 + 3 + 3
    assert after.count("<line ") == 4 * 6 + 6 * 3 + 3 * 3
    assert est._repr_mimebundle_()["text/html"].count("<figure") == 1
    with sklearn.config_context(display="text"):
        assert not hasattr(est, "_repr_html_")
        assert "text/html" not in est._repr_mimebundle_()


def test_the_loss_curve_is_drawn() -> None:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    est = MLPClassifier(early_stopping=True, **QUICK).fit(X, LABELS)
    display = gn.LossCurveDisplay.from_estimator(make_pipeline(est), name="iris", alpha=0.5)
    drawn = {own.get_label(): list(own.get_ydata()) for own in display.lines_}
    assert drawn["iris: training loss"] == est.loss_curve_
    assert drawn["iris: validation loss"] == est.validation_loss_curve_
    assert drawn["iris: validation score"] == est.validation_scores_
    best = 1 + est.validation_scores_.index(max(est.validation_scores_))
    assert display.best_epoch == best
    assert display.ax_.get_xlabel() == "epoch"
    assert display.figure_ is display.ax_.figure
    again = gn.LossCurveDisplay(est.loss_curve_).plot(ax=display.ax_)
    assert again.ax_ is display.ax_
    assert again.score_ax_ is None
    matplotlib.pyplot.close("all")


def test_a_history_is_drawn_and_what_has_no_curve_is_refused() -> None:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    history = type("History", (), {"loss": [2.0, 1.0], "validation_loss": [], "best_epoch": None})
    display = gn.LossCurveDisplay.from_history(history)
    assert [list(own.get_ydata()) for own in display.lines_] == [[2.0, 1.0]]
    with pytest.raises(NotFittedError):
        gn.LossCurveDisplay.from_estimator(MLPClassifier())
    with pytest.raises(ValueError, match="LogisticRegression has no loss curve"):
        gn.LossCurveDisplay.from_estimator(LogisticRegression().fit(X, LABELS))
    matplotlib.pyplot.close("all")


def test_matplotlib_is_loaded_for_a_plot_only() -> None:
    code = (
        "import sys, glassnet as gn\n"
        "gn.LossCurveDisplay([1.0]); gn.MLPClassifier()\n"
        "print('matplotlib' in sys.modules, 'polars' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"] * 2


# -- errors ---------------------------------------------------------------------------------------

ALLOWED = [
    ("hidden_layer_sizes", 0, "must be an array-like or an int in the range [1, inf). Got 0"),
    ("activation", "sinus", "must be a str among {"),
    ("solver", "newton", "must be a str among {"),
    ("alpha", -1.0, "must be a float in the range [0.0, inf). Got -1.0 instead"),
    ("batch_size", 0, "in the range [1, inf). Got 0 instead"),
    ("learning_rate", "fast", "must be a str among {"),
    ("learning_rate_init", 0.0, "must be a float in the range (0.0, inf). Got 0.0 instead"),
    ("power_t", -0.5, "[0.0, inf). Got -0.5 instead"),
    ("max_iter", 0, "must be an int in the range [1, inf). Got 0 instead"),
    ("shuffle", "yes", "Got 'yes' instead"),
    ("random_state", "x", "Got 'x' instead"),
    ("tol", -1.0, "[0.0, inf). Got -1.0 instead"),
    ("momentum", 2.0, "must be a float in the range [0.0, 1.0]. Got 2.0 instead"),
    ("validation_fraction", 1.0, "must be a float in the range [0.0, 1.0). Got 1.0 instead"),
    ("beta_1", 1.0, "[0.0, 1.0). Got 1.0 instead"),
    ("beta_2", 1.0, "[0.0, 1.0). Got 1.0 instead"),
    ("epsilon", 0.0, "(0.0, inf). Got 0.0 instead"),
    ("n_iter_no_change", 0, "Got 0 instead"),
    ("max_fun", 0, "must be an int in the range [1, inf). Got 0 instead"),
    ("dropout", 1.0, "must be a float in the range [0.0, 1.0). Got 1.0 instead"),
    ("scoring", 3, "must be an instance of 'str', a callable or None. Got 3 instead"),
    ("time_limit", 0.0, "must be a float in the range (0.0, inf) or None. Got 0.0 instead"),
    ("threads", 0, "must be an int in the range [1, inf) or None. Got 0 instead"),
    ("n_jobs", 1.5, "Got 1.5 instead"),
    ("missing", "mean", "must be a str among {'indicator'} or None. Got 'mean' instead"),
    ("categorical_features", "all", "a str among {'from_dtype'} or None. Got 'all' instead"),
]


@pytest.mark.parametrize(("name", "value", "words"), ALLOWED)
def test_an_error_names_the_parameter_the_value_and_what_is_allowed(
    name: str, value: Any, words: str
) -> None:
    for kind, y in ((MLPClassifier, LABELS), (MLPRegressor, NUMBERS)):
        with pytest.raises(
            ValueError, match=f"The '{name}' parameter of {kind.__name__} must be"
        ) as e:
            kind(**{name: value}).fit(X, y)
        assert words in str(e.value)
        assert type(e.value).__name__ == "InvalidParameterError"


def test_every_parameter_has_its_error_tested() -> None:
    tested = {name for name, _, _ in ALLOWED}
    free = {"verbose", "warm_start", "early_stopping", "nesterovs_momentum"}  # as `shuffle`
    assert set(MLPClassifier().get_params()) - free - {"class_weight", "record"} == tested
    assert set(MLPRegressor().get_params()) - free - {"loss", "record"} == tested
    with pytest.raises(ValueError, match="The 'class_weight' parameter of MLPClassifier must be"):
        MLPClassifier(class_weight="even").fit(X, LABELS)
    with pytest.raises(ValueError, match=r"'loss' parameter of MLPRegressor must be .*Got 'l2'"):
        MLPRegressor(loss="l2").fit(X, NUMBERS)


MIXED: list[list[Any]] = [[1, "a"], ["b", 2.5], [None, "c"], ["d", np.nan]]


@pytest.mark.parametrize("labels", MIXED)
def test_labels_of_two_kinds(labels: list[Any]) -> None:
    for y in (labels, np.array(labels, object)):
        with pytest.raises(TypeError, match="y has strings and numbers among its labels") as e:
            MLPClassifier().fit([[0.0], [1.0]], y)
        assert all(repr(label) in str(e.value) for label in labels)
    with pytest.raises(TypeError, match="strings and numbers"):
        MLPClassifier().partial_fit([[0.0], [1.0]], labels, classes=[0, 1])


def test_errors_about_data() -> None:
    est = MLPClassifier(**QUICK).fit(X, LABELS)
    with pytest.raises(ValueError, match="X has 3 features, but MLPClassifier is expecting 4"):
        est.predict(X[:, :3])
    with pytest.raises(ValueError, match=r'contains NaN.*missing="indicator" takes them'):
        est.predict(np.full((1, 4), np.nan))
    with pytest.raises(
        ValueError, match=r"could not convert string to float.*categorical_features"
    ):
        est.fit([["a", 1.0], ["b", 2.0]], [0, 1])
    with pytest.raises(ValueError, match="y_val has the label 7, which y has not"):
        est.fit(X, LABELS, X_val=X[:1], y_val=[7])
    with pytest.raises(ValueError, match="go together; y_val is missing"):
        est.fit(X, LABELS, X_val=X)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        est.fit(X, LABELS, X_val=X, y_val=LABELS[:9])
    with pytest.raises(ValueError, match="threads=1 and n_jobs=2 say the same thing"):
        MLPClassifier(threads=1, n_jobs=2).fit(X, LABELS)
    with pytest.raises(ValueError, match=r"y_val has \(2,\) numbers a row, y has \(1,\)"):
        MLPRegressor(**QUICK).fit(X, NUMBERS, X_val=X, y_val=X[:, :2])


# -- the rest -------------------------------------------------------------------------------------


def test_n_jobs_counts_threads_and_changes_no_bit() -> None:
    x, y = load_diabetes(return_X_y=True)
    fits = [
        MLPRegressor(hidden_layer_sizes=64, n_jobs=n, random_state=0, max_iter=3).fit(x, y)
        for n in (1, 2, -1)
    ]
    assert fits[1]._threads == 2
    assert all(np.array_equal(fits[0].coefs_[0], own.coefs_[0]) for own in fits)


def test_a_time_limit_ends_lbfgs_too() -> None:
    est = MLPRegressor(solver="lbfgs", time_limit=1e-9, random_state=0).fit(X, NUMBERS)
    assert est.n_iter_ == len(est.loss_curve_) == 1


def test_a_quantile_of_ones_choice() -> None:
    """A network that sees a constant answers with the quantile: of 1 … 9, the 0.8-quantile is 8."""
    y = np.tile(np.arange(1.0, 10.0), 30)
    given = {"random_state": 0, "max_iter": 600, "learning_rate_init": 0.02, "alpha": 0.0}
    est = MLPRegressor(gn.losses.Quantile(0.8), tol=0.0, n_iter_no_change=np.inf, **given)
    assert est.fit(np.ones((len(y), 1)), y).predict([[1.0]])[0] == pytest.approx(8.0, abs=0.25)
