"""Recorded fits of the MLP estimators: opened to the same bits, gone on with to the same bits."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.base import clone

import glassnet as gn
from glassnet import MLPClassifier, MLPRegressor, ops
from glassnet.errors import TrainingError
from glassnet.inspect.proofs import check_run
from glassnet.runs import recorder
from glassnet.runs.file import RunFile
from tests.cli.command import glassnet, refused
from tests.estimators.common import LABELS, NUMBERS, QUICK, X

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
WORDS = np.array(["setosa", "versicolor", "virginica"])[LABELS]
BOTH = np.stack([LABELS == 0, LABELS != 2], 1).astype(int)
WEIGHTS = 0.5 + np.arange(len(X)) % 3


def bent(x: Any) -> Any:
    return ops.tanh(x) + 0.1 * x


def cubic(prediction: Any, y: Any) -> Any:
    return ops.sum(ops.abs(prediction - y) ** 3.0, 1)


Fit = tuple[Any, Any, Any]  # estimator without a record, X, y
FITS: dict[str, Fit] = {
    "adam": (MLPClassifier(**QUICK), X, LABELS),
    "words": (MLPClassifier(**QUICK), X, WORDS),
    "float32": (MLPClassifier(**QUICK), X.astype("float32"), LABELS),
    "several labels": (MLPClassifier(**QUICK, hidden_layer_sizes=(7, 5)), X, BOTH),
    "two classes": (MLPClassifier(**QUICK, batch_size=37), X, LABELS == 1),
    "class weights": (MLPClassifier(**QUICK, class_weight={0: 3.0, 1: 1.0, 2: 0.5}), X, LABELS),
    "as they lie": (MLPClassifier(**QUICK, shuffle=False), X, LABELS),
    "early": (MLPClassifier(**QUICK, early_stopping=True, n_iter_no_change=3), X, LABELS),
    "dropout": (MLPClassifier(**QUICK, dropout=0.3, batch_size=64), X, LABELS),
    "plateaus": (
        MLPClassifier(
            **QUICK, solver="sgd", learning_rate="adaptive", tol=0.05, n_iter_no_change=1
        ),
        X,
        LABELS,
    ),
    "invscaling": (
        MLPClassifier(**QUICK, solver="sgd", learning_rate="invscaling", nesterovs_momentum=False),
        X,
        LABELS,
    ),
    "sparse": (MLPClassifier(**QUICK), csr_array(np.where(X > 0, X, 0.0)), LABELS),
    "linear": (MLPRegressor(**QUICK, hidden_layer_sizes=()), X, NUMBERS),
    "poisson": (MLPRegressor("poisson", **QUICK, activation="tanh"), X, LABELS),
    "huber": (MLPRegressor("huber", **QUICK, alpha=0.0), X, NUMBERS),
    "several numbers": (MLPRegressor(**QUICK), X, np.stack([NUMBERS, NUMBERS**2], 1)),
}


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint after every epoch."""
    monkeypatch.setattr(recorder, "EVERY", 0.0)
    monkeypatch.setattr(recorder, "SHARE", 0)


def recorded(est: Any, path: Path) -> Any:
    return clone(est).set_params(record=path)


def bits(est: Any) -> list[bytes]:
    return [w.tobytes() for w in [*est.coefs_, *est.intercepts_]]


def told(est: Any) -> Any:
    """What a fit leaves behind besides the weights."""
    names = (
        "n_iter_", "t_", "loss_", "loss_curve_", "best_loss_", "validation_scores_",
        "validation_loss_curve_", "best_validation_score_", "_no_improvement_count",
    )  # fmt: skip
    memory = getattr(est, "_optimizer", None)
    if memory is None:  # of L-BFGS, SciPy keeps it to itself
        return [getattr(est, name) for name in names], None
    slots = {name: flat.tobytes() for name, flat in memory.slots.items()}
    return [getattr(est, name) for name in names], memory.learning_rate, memory.t, slots


class Ends:
    """Ends a fit after so many epochs."""

    def __init__(self, epochs: int, how: BaseException) -> None:
        self.epochs, self.how = epochs, how

    def setup(self, estimator: Any, context: Any) -> None: ...
    def teardown(self, estimator: Any, context: Any) -> None: ...
    def on_fit_task_begin(self, estimator: Any, context: Any) -> None: ...

    def on_fit_task_end(self, estimator: Any, context: Any) -> None:
        if context.task_name == "epoch" and estimator.n_iter_ == self.epochs:
            raise self.how


@pytest.mark.parametrize("name", FITS)
def test_the_last_step_opened_ends_at_the_weights_of_the_fit(name: str, tmp_path: Path) -> None:
    est, x, y = FITS[name]
    plain = clone(est).fit(x, y)
    ours = recorded(est, tmp_path / "run.glass").fit(x, y)
    assert bits(ours) == bits(plain)
    assert told(ours) == told(plain)
    with RunFile.read(ours.record) as file:
        last = file.checkpoint(ours.n_iter_)
        steps = -(-file.values()["rows"] // file.values()["batch_size"])
    step = gn.open_step(ours.record, epoch=ours.n_iter_, batch=steps)
    after = np.concatenate([own.after.ravel() for own in step.parameters.values()])
    assert after.tobytes() == last.arrays["W"].tobytes()
    if not ours.early_stopping:  # there the best weights are taken
        assert step.parameters["linear1.weight"].after.tobytes() == ours.coefs_[0].tobytes()


def cut_off(name: str, epoch: int, path: Path) -> tuple[Any, Any]:
    """A fit that went on after it was cut off in an epoch, and one that was left alone: the same
    bits."""
    est, x, y = FITS[name]
    plain = clone(est).fit(x, y)
    first = recorded(est, path).set_callbacks(Ends(epoch, RuntimeError("cut")))
    with pytest.raises(RuntimeError, match=r"cut"):
        first.fit(x, y)
    ours = recorded(est, path).resume(x, y)
    assert bits(ours) == bits(plain)
    assert told(ours) == told(plain)
    return ours, plain


@pytest.mark.parametrize("name", FITS)
def test_a_fit_that_was_cut_off_goes_on_to_the_same_bits(
    name: str, tmp_path: Path, often: None
) -> None:
    est, x, y = FITS[name]
    ours, plain = cut_off(name, 4, tmp_path / "run.glass")
    assert np.array_equal(ours.predict(x), plain.predict(x))
    assert all(own.ok for own in check_run(ours.record))
    again = recorded(est, tmp_path / "run.glass").resume(x, y)  # nothing is left to do
    assert bits(again) == bits(plain)
    assert told(again)[0] == told(plain)[0]


def test_a_fit_with_held_out_rows_that_was_cut_off_before_its_first_epoch(tmp_path: Path) -> None:
    cut_off("early", 1, tmp_path / "run.glass")


def test_an_interrupt_and_more_epochs(tmp_path: Path, often: None) -> None:
    path = tmp_path / "run.glass"
    longer = MLPClassifier(**{**QUICK, "max_iter": 9}).fit(X, LABELS)
    first = MLPClassifier(**{**QUICK, "max_iter": 5}, record=path)
    with pytest.warns(UserWarning, match=r"interrupted by user"):
        first.set_callbacks(Ends(3, KeyboardInterrupt())).fit(X, LABELS)
    with RunFile.read(path) as file:
        assert file.values()["ended"]["stopped"] == "interrupted"
    again = MLPClassifier(**{**QUICK, "max_iter": 5}, record=path).resume(X, LABELS)
    assert again.n_iter_ == 5
    assert again.loss_curve_ == longer.loss_curve_[:5]
    more = MLPClassifier(**{**QUICK, "max_iter": 9}, record=path).resume(X, LABELS)
    assert bits(more) == bits(longer)
    assert told(more) == told(longer)
    with pytest.raises(ValueError, match=r"max_iter=5 is less than the 9 epochs that .*run.glass"):
        again.resume(X, LABELS)


def test_a_warm_start_and_validation_rows_go_on_too(tmp_path: Path, often: None) -> None:
    path = tmp_path / "run.glass"
    given: dict[str, Any] = {"X_val": X[::5], "y_val": LABELS[::5]}
    plain = MLPClassifier(**QUICK, warm_start=True).fit(X, LABELS, WEIGHTS, **given)
    half = copy.deepcopy(plain).set_params(record=path).set_callbacks(Ends(3, RuntimeError("cut")))
    plain.fit(X, LABELS, WEIGHTS, **given)
    with pytest.raises(RuntimeError, match=r"cut"):
        half.fit(X, LABELS, WEIGHTS, **given)
    ours = MLPClassifier(**QUICK, record=path).resume(X, LABELS, WEIGHTS, **given)
    assert bits(ours) == bits(plain)
    assert told(ours) == told(plain)
    assert len(ours.loss_curve_) == 2 * QUICK["max_iter"]
    other = MLPClassifier(**QUICK, record=path)
    with pytest.raises(
        ValueError, match=r"recorded with other rows, labels, weights or validation"
    ):
        other.resume(X, LABELS, WEIGHTS, X_val=X[::4], y_val=LABELS[::4])


@pytest.mark.parametrize("early", [False, True], ids=["by loss", "by score"])
def test_a_fit_that_stopped_early_goes_on_where_it_is_asked_for_more(
    tmp_path: Path, early: bool
) -> None:
    path = tmp_path / "run.glass"
    settings = {**QUICK, "max_iter": 40, "tol": 1.0, "n_iter_no_change": 3}
    est = MLPClassifier(**settings, early_stopping=early, record=path).fit(X, LABELS)
    done = est.n_iter_
    assert done < 10
    with pytest.raises(TrainingError, match=r"resume\(X, y\).* a larger max_iter trains on"):
        gn.resume(path, epochs=60)
    again = clone(est).resume(X, LABELS)  # as it was planned: it is over
    assert (again.n_iter_, bits(again)) == (done, bits(est))
    longer = clone(est).set_params(max_iter=60).resume(X, LABELS)
    # its patience begins anew: n_iter_no_change + 1 epochs without improvement by tol
    assert longer.n_iter_ == done + 4
    assert longer.loss_curve_[:done] == est.loss_curve_
    assert len(RunFile.read(path).history()[0]) == done + 4


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_fits_with_warm_start_drop_other_units_each(kind: Any, tmp_path: Path) -> None:
    settings = {**QUICK, "max_iter": 1, "learning_rate_init": 1e-12, "batch_size": 150}
    y = LABELS if kind is MLPClassifier else NUMBERS
    est = kind(**settings, warm_start=True, dropout=0.5).fit(X, y)
    for _ in range(4):
        est.fit(X, y)
    assert len(set(est.loss_curve_)) == 5  # the weights hardly move: the masks differ
    plain = kind(**settings, warm_start=True).fit(X, y)
    plain.fit(X, y), plain.fit(X, y)
    assert len({round(loss, 9) for loss in plain.loss_curve_}) == 1

    # a recorded one goes on by the masks that it began with, in another process too
    est.set_params(record=tmp_path / "run.glass", max_iter=2).fit(X, y)
    fresh = kind(**settings, dropout=0.5, record=est.record).set_params(max_iter=4).resume(X, y)
    assert fresh.loss_curve_[-4:-2] == est.loss_curve_[-2:]
    assert len(set(fresh.loss_curve_)) == len(fresh.loss_curve_)


def test_a_record_leaves_the_random_state_of_the_user_as_it_would_be(tmp_path: Path) -> None:
    states = [np.random.RandomState(5), np.random.RandomState(5)]
    settings = {**QUICK, "early_stopping": True, "dropout": 0.1}
    plain = MLPClassifier(**{**settings, "random_state": states[0]}).fit(X, LABELS)
    ours = MLPClassifier(**{**settings, "random_state": states[1]}, record=tmp_path / "run.glass")
    assert bits(ours.fit(X, LABELS)) == bits(plain)
    assert states[0].randint(1 << 30) == states[1].randint(1 << 30)


class Draws(Ends):
    """Draws from the RandomState of the fit."""

    def on_fit_task_end(self, estimator: Any, context: Any) -> None:
        estimator.random_state.rand()


def test_a_callback_that_draws_too_does_not_change_what_the_file_says(tmp_path: Path) -> None:
    settings = {**QUICK, "random_state": np.random.RandomState(5)}
    est = MLPClassifier(**settings, record=tmp_path / "run.glass")
    est.set_callbacks(Draws(0, RuntimeError())).fit(X, LABELS)
    step = gn.open_step(est.record, epoch=est.n_iter_)
    assert step.parameters["linear1.weight"].after.tobytes() == est.coefs_[0].tobytes()


def test_data_too_large_for_the_file_are_given_as_fit_took_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("glassnet.runs.recorder.SMALL", 100)
    est = MLPClassifier(**QUICK, early_stopping=True, record=tmp_path / "run.glass")
    est.fit(X, WORDS)
    with pytest.raises(TrainingError, match=r"does not hold the rows .* pass X as the network"):
        gn.open_step(est.record, epoch=2)
    step = gn.open_step(est.record, X, epoch=2)
    assert {tuple(row) for row in step.x} < {tuple(row) for row in X}
    with pytest.raises(TrainingError, match=r"150 rows, x has 149"):
        gn.open_step(est.record, X[1:], epoch=2)
    with pytest.raises(TrainingError, match=r"other training data"):
        gn.open_step(est.record, X[::-1], epoch=2)


def test_columns_that_are_encoded_are_given_as_the_network_reads_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("glassnet.runs.recorder.SMALL", 100)
    gaps = np.where(X > 2.0, np.nan, X)
    est = MLPClassifier(**QUICK, missing="indicator", record=tmp_path / "run.glass")
    x = est.fit(gaps, LABELS).network_inputs(gaps)
    assert x.shape == (len(X), len(est.encoded_feature_names_))
    step = gn.open_step(est.record, x, epoch=est.n_iter_)
    assert step.parameters["linear2.bias"].after.tobytes() == est.intercepts_[1].tobytes()


def test_code_is_passed_again(tmp_path: Path) -> None:
    path = tmp_path / "run.glass"
    est = MLPRegressor(cubic, activation=bent, **QUICK, record=path).fit(X, NUMBERS)
    with pytest.raises(TrainingError, match=r"model contains bent, .* pass it again: model="):
        gn.open_step(path, loss=cubic)
    with pytest.raises(TrainingError, match=r"loss contains cubic, .* pass it again: loss="):
        gn.open_step(path, model=est.to_network())
    with pytest.raises(TrainingError, match=r"is not the loss that was recorded"):
        gn.open_step(path, model=est.to_network(), loss=bent)
    step = gn.open_step(path, model=est.to_network(), loss=cubic, epoch=est.n_iter_)
    assert step.parameters["linear1.weight"].after.tobytes() == est.coefs_[0].tobytes()


def test_the_command_line_knows_fits(tmp_path: Path) -> None:
    est = MLPClassifier(**QUICK, record=tmp_path / "run.glass").fit(X, LABELS)
    listed = glassnet("runs", folder=tmp_path).stdout
    first, second = listed.splitlines()
    assert first == f"run.glass  15/15 epochs  all epochs done  loss {est.loss_:.6g}"
    assert second.split("  ")[-1] == "Linear(4, 100), ReLU, Linear(100, 3)"
    assert second.strip().startswith("Adam lr 0.02")
    place = ["--epoch", "15", "--weight", "linear1.weight[2,3]"]
    opened = glassnet("step", "run.glass", *place, folder=tmp_path).stdout
    assert f"w after  = {est.coefs_[0][2, 3]}" in opened
    refused(
        glassnet("resume", "run.glass", folder=tmp_path),
        "was recorded by MLPClassifier; go on with it by MLPClassifier(record='run.glass', …)",
        status=1,
    )


@pytest.mark.parametrize("frame", ["pandas", "polars"])
@pytest.mark.parametrize("early", [False, True])
def test_columns_of_frames_keep_their_names_in_the_file(
    tmp_path: Path, frame: str, early: bool
) -> None:
    frames = pytest.importorskip(frame)
    names = ["length", "width", "long petals", "∂"]
    table = frames.DataFrame(dict(zip(names, X.T, strict=True)))
    settings = {**QUICK, "max_iter": 2}
    path = tmp_path / "run.glass"
    est = MLPClassifier(**settings, early_stopping=early, record=path).fit(table, WORDS)
    step = gn.open_step(path)
    assert step.inputs == tuple(names)
    assert step.outputs == tuple(est.classes_)
    assert np.array_equal(step.x, X[step.rows])
    cells = table.to_pandas() if frame == "polars" else table
    cells["city"] = frames.Series(["Oslo", "Rome"] * 75) if frame == "pandas" else "Oslo"
    path = tmp_path / "other.glass"
    MLPClassifier(**settings, categorical_features=["city"], record=path).fit(cells, WORDS)
    assert gn.open_step(path).inputs[:5] == (*names, "city_Oslo")
