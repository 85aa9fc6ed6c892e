"""MLP estimators watched: validation rows, callbacks, pictures and plots."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import glassnet as gn
from glassnet import MLPClassifier, MLPRegressor
from tests.estimators.common import LABELS, NUMBERS, QUICK, X

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


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


def test_a_search_without_callbacks_hears_of_no_epoch(taken: list[int]) -> None:
    """Its fits take many epochs at a time, as fits alone do."""
    epochs = 10
    settings = {"max_iter": epochs, "n_iter_no_change": epochs, "random_state": 0}
    search = GridSearchCV(MLPClassifier(**settings), {"alpha": [1e-4]}, cv=2).fit(X, LABELS)
    assert taken == [epochs] * 3
    alone = MLPClassifier(**settings).fit(X, LABELS)
    assert np.array_equal(search.best_estimator_.coefs_[0], alone.coefs_[0])
    taken.clear()
    noting = Noting()
    GridSearchCV(
        MLPClassifier(**settings).set_callbacks(noting), {"alpha": [1e-4]}, cv=2, refit=False
    ).fit(X, LABELS)
    assert taken == [1] * 2 * epochs
    assert noting.heard.count(("end", "epoch", epochs - 1)) == 2


def test_the_hooks_without_scikit_learn_s_own() -> None:
    """Our contexts, for versions that have none, call the same hooks in the same order."""
    from glassnet.estimators.mlp import fit_callbacks as mlp_watch

    class Fitted(mlp_watch.CallbackMixin):
        max_iter, coefs_, intercepts_ = 2, [np.ones(1)], [np.ones(1)]

        def score(self, X: Any, y: Any) -> float:
            return float(self.coefs_[0][0])

        @mlp_watch.with_teardown
        def fit(self, X: Any, y: Any) -> None:
            watch = mlp_watch.FitCallbacks(self, X, y, None)
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
