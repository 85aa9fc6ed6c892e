"""Metrics: one figure an epoch, of the rows that it is said of, against NumPy."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

import glassnet as gn
from glassnet import nn
from glassnet.errors import TrainingError

X = np.random.default_rng(0).standard_normal((30, 2)).astype("float32")
Y = (X @ np.array([[3.0], [-2.0]], "float32")).astype("float32")
CLASSES = (Y[:, 0] > 0).astype(int)
APART = np.random.default_rng(1).standard_normal((11, 2)).astype("float32")
SETTINGS: dict[str, Any] = {"optimizer": gn.optim.SGD(0.05), "batch_size": 10, "epochs": 3}
MSE = gn.losses.MSE()


def regression(**given: Any) -> tuple[Any, Any]:
    model = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
    return model, gn.train(model, X, Y, **(SETTINGS | {"loss": MSE} | given))


def test_figures_of_numbers_by_scikit_learn() -> None:
    states: list[np.ndarray] = []
    y = APART[:, :1] * 2
    weight = np.arange(1.0, 12.0)
    names = ["r2", "mae", "mse", "rmse"]
    for apart in ((APART, y), (APART, y, weight)):
        states.clear()
        model, history = regression(
            metrics=names, validation=apart,
            callbacks=[lambda run: states.append(run.model.W.copy())],
        )  # fmt: skip
        assert list(history.metrics) == names
        for epoch, state in enumerate(states):
            model.W = state
            given = {"sample_weight": weight} if len(apart) == 3 else {}
            own = y, model(APART)
            mse = sklearn_metrics.mean_squared_error(*own, **given)
            wanted = (
                sklearn_metrics.r2_score(*own, **given),
                sklearn_metrics.mean_absolute_error(*own, **given), mse, math.sqrt(mse),
            )  # fmt: skip
            found = [history.metrics[name][epoch] for name in names]
            np.testing.assert_allclose(found, wanted, rtol=1e-5)


@pytest.mark.parametrize(
    ("loss", "outputs", "y"),
    [
        (gn.losses.CrossEntropy(), 2, CLASSES),
        (gn.losses.CrossEntropy(soft_labels=True), 2, np.eye(2)[CLASSES] * 0.8 + 0.1),
        (gn.losses.Hinge(), 1, CLASSES),
        (gn.losses.BCEWithLogits(), 1, CLASSES),
        (gn.losses.CrossEntropy(missing="skip"), 2, np.where(X[:, 0] > 1, np.nan, CLASSES)),
    ],
)
def test_accuracy_of_the_training_rows(loss: Any, outputs: int, y: Any) -> None:
    model = nn.Sequential(nn.Linear(2, outputs))
    history = gn.train(model, X, y, loss=loss, metrics="accuracy", **SETTINGS)
    scores = model(X)
    classes = scores.argmax(1) if outputs > 1 else (scores[:, 0] > 0).astype(int)
    known = np.isfinite(np.asarray(y, float).reshape(30, -1)).all(1)
    assert history.metrics["accuracy"][-1] == pytest.approx((classes == CLASSES)[known].mean())
    assert len(history.metrics["accuracy"]) == 3


def test_functions_and_losses() -> None:
    def worst(y: Any, prediction: Any) -> Any:
        return np.abs(y - prediction).max()

    model, history = regression(
        metrics={"worst": worst, "huber": gn.losses.Huber(), "rows": lambda y, prediction: len(y)},
        validation=0.2,
    )
    assert history.metrics["rows"] == [6.0, 6.0, 6.0]
    model, history = regression(metrics=[worst, gn.losses.MAE()])
    assert history.metrics["worst"][-1] == pytest.approx(np.abs(Y - model(X)).max())
    assert history.metrics["mae"][-1] == pytest.approx(np.abs(Y - model(X)).mean(), rel=1e-6)


def test_callbacks_hear_of_the_figure_of_their_epoch() -> None:
    seen: list[int] = []
    regression(metrics=["r2"], callbacks=[lambda run: seen.append(len(run.history.metrics["r2"]))])
    assert seen == [1, 2, 3]


def test_weights_are_the_same_with_metrics_and_without() -> None:
    (one, a), (other, b) = regression(metrics="r2"), regression()
    np.testing.assert_array_equal(one.W, other.W)
    assert a.loss == b.loss
    assert b.metrics == {}


def test_a_longer_call_and_a_recorded_run_have_one_column_an_epoch(tmp_path: Path) -> None:
    _, whole = regression(metrics=["r2", "mae"], epochs=5)
    model, first = regression(metrics=["r2", "mae"], epochs=2)
    kept = copy.deepcopy(model)
    more = SETTINGS | {"loss": MSE, "epochs": 3}
    after = gn.train(model, X, Y, metrics=["r2", "mae"], after=first, **more)
    assert after.metrics == whole.metrics
    again = gn.train(kept, X, Y, metrics={"r2": "r2", "late": "mae"}, after=first, **more)
    assert again.metrics["r2"] == whole.metrics["r2"]
    assert np.isnan(again.metrics["late"][:2]).all()
    assert again.metrics["late"][2:] == whole.metrics["mae"][2:]
    regression(metrics=["r2", "mae"], epochs=2, record=tmp_path / "a.glass")
    _, resumed = gn.resume(tmp_path / "a.glass", epochs=5)
    assert resumed.metrics == whole.metrics
    _, over = gn.resume(tmp_path / "a.glass")
    assert over.metrics == whole.metrics
    _, rerun = gn.rerun(tmp_path / "a.glass", from_step=7, lr=0.05, record=tmp_path / "b.glass")
    assert rerun.metrics == whole.metrics


def test_code_of_a_recorded_run_is_passed_again(tmp_path: Path) -> None:
    def worst(y: Any, prediction: Any) -> Any:
        return np.abs(y - prediction).max()

    _, whole = regression(metrics={"worst": worst}, epochs=4)
    for name in ("a", "b"):
        regression(metrics={"worst": worst}, epochs=2, record=tmp_path / name)
    _, given = gn.resume(tmp_path / "a", epochs=4, metrics={"worst": worst})
    assert given.metrics == whole.metrics
    with pytest.warns(UserWarning, match=r"the run has 'worst', a function"):
        _, lost = gn.resume(tmp_path / "b", epochs=4)
    assert lost.metrics["worst"][:2] == whole.metrics["worst"][:2]
    assert np.isnan(lost.metrics["worst"][2:]).all()


def test_how_they_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    _, history = regression(metrics="r2", verbose=True)
    last = history.metrics["r2"][-1]
    assert f"r2 {last:.4g}" in capsys.readouterr().err
    assert f"r2: {history.metrics['r2'][0]:.6g} … {last:.6g}" in repr(history)
    assert history._repr_html_().count("<svg") == 2
    pytest.importorskip("matplotlib").use("Agg")
    axes = gn.plot.history(history)
    assert "r2" in [own.get_text() for own in axes.get_legend().get_texts()]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("auc", r"metrics='auc': wanted names, 'accuracy', 'mae', 'mse', 'rmse', 'r2', functions"),
        (["r2", "r2"], "'r2' is used twice"),
        ({"loss": "r2"}, "'loss' is used twice, or is the name of the loss"),
        (3, "metrics=3: wanted names"),
        ("accuracy", "'accuracy' does not fit MSE.*; use mae, mse, rmse, r2"),
        ({"a": lambda y, p: y - p}, r"'a' gave ndarray of shape \(30, 1\); wanted one number"),
    ],
)
def test_what_is_no_metric(given: Any, said: str) -> None:
    with pytest.raises(TrainingError, match=said):
        regression(metrics=given)


def test_numbers_of_classes_are_refused() -> None:
    model = nn.Sequential(nn.Linear(2, 2))
    with pytest.raises(TrainingError, match=r"'r2' does not fit CrossEntropy.*use accuracy"):
        gn.train(model, X, CLASSES, loss=gn.losses.CrossEntropy(), metrics="r2", **SETTINGS)


@pytest.mark.parametrize(
    ("name", "right"),
    [("history", "history.validation_loss"), ("val_loss", "history.validation_loss"),
     ("accuracy", 'metrics="accuracy"'), ("predict", r"model\(x\)")],
)  # fmt: skip
def test_names_of_other_libraries_are_answered(name: str, right: str) -> None:
    _, history = regression()
    with pytest.raises(
        AttributeError, match=rf"History has no attribute '{name}'\n  right: .*{right}"
    ):
        getattr(history, name)
    assert copy.deepcopy(history) == history
    with pytest.raises(AttributeError, match=r"right: gn.save\(model, path\)"):
        nn.Sequential(nn.Linear(2, 1)).save("a")  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match=r"optimizer=gn.optim.Adam\(lr=0.5\)"):
        regression(learning_rate=0.5)
