"""Recorded fits by L-BFGS: gone on with to the same bits, or refused."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.base import clone

import glassnet as gn
from glassnet import MLPClassifier, MLPRegressor
from glassnet.errors import TrainingError
from glassnet.inspect.proofs import check_run
from glassnet.runs.file import RunFile, put_values
from tests.cli.command import glassnet, refused
from tests.estimators.common import LABELS, NUMBERS, X
from tests.estimators.test_mlp_record import Ends, bits, recorded, told
from tests.estimators.test_mlp_record import often as often

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
BY: dict[str, Any] = {"solver": "lbfgs", "random_state": 0, "max_iter": 12}
WEIGHTS = 0.5 + np.arange(len(X)) % 3
FITS: dict[str, tuple[Any, Any, Any]] = {  # estimator without a record, X, y
    "classes": (MLPClassifier(**BY), X, LABELS),
    "float32": (MLPClassifier(**BY, hidden_layer_sizes=(7, 5)), X.astype("float32"), LABELS),
    "sparse": (MLPClassifier(**BY), csr_array(np.where(X > 0, X, 0.0)), LABELS),
    "numbers": (MLPRegressor("huber", **BY, alpha=0.1), X, NUMBERS),
    "converged": (MLPRegressor(**{**BY, "tol": 3.0, "max_iter": 50}), X, NUMBERS),
    "at the start": (MLPRegressor(**{**BY, "tol": 1e9}), X, NUMBERS),
    "few evaluations": (MLPClassifier(**BY, max_fun=7), X, LABELS),
}


@pytest.mark.parametrize("name", FITS)
def test_a_record_changes_nothing_and_has_all(name: str, tmp_path: Path) -> None:
    est, x, y = FITS[name]
    plain = clone(est).fit(x, y)
    ours = recorded(est, tmp_path / "run.glass").fit(x, y)
    assert bits(ours) == bits(plain)
    assert told(ours) == told(plain)
    stopped = {"converged": "converged", "at the start": "converged", "few evaluations": "early"}
    with RunFile.read(ours.record) as file:
        assert file.history()[0] == plain.loss_curve_
        assert file.values()["ended"]["stopped"] == stopped.get(name, "epochs")
        result = file.result()
    layered = [w for pair in zip(plain.coefs_, plain.intercepts_, strict=True) for w in pair]
    wanted = np.concatenate([w.ravel() for w in layered])
    assert result is not None
    assert np.array_equal(result.view(float).astype(wanted.dtype), wanted)
    again = recorded(est, tmp_path / "run.glass").resume(x, y)  # nothing is left to do
    assert bits(again) == bits(plain)
    assert told(again) == told(plain)


@pytest.mark.parametrize("name", ["classes", "float32", "sparse", "numbers"])
@pytest.mark.parametrize("cut", [1, 4])
def test_a_fit_that_was_cut_off_goes_on_to_the_same_bits(
    cut: int, name: str, tmp_path: Path, often: None
) -> None:
    est, x, y = FITS[name]
    plain = clone(est).fit(x, y)
    first = recorded(est, tmp_path / "run.glass").set_callbacks(Ends(cut, RuntimeError("cut")))
    with pytest.raises(RuntimeError, match=r"cut"):
        first.fit(x, y)
    # the weights to start from are in the file too
    ours = recorded(est, tmp_path / "run.glass").resume(x, y)
    assert bits(ours) == bits(plain)
    assert told(ours) == told(plain)
    with RunFile.read(ours.record) as file:
        assert file.history()[0] == plain.loss_curve_


def test_more_iterations_a_warm_start_and_validation_rows(tmp_path: Path, often: None) -> None:
    path, given = tmp_path / "run.glass", {"X_val": X[::5], "y_val": LABELS[::5]}
    plain = MLPClassifier(**BY, warm_start=True).fit(X, LABELS, WEIGHTS, **given)
    half = copy.deepcopy(plain).set_params(record=path, max_iter=5)
    plain.fit(X, LABELS, WEIGHTS, **given)
    half.fit(X, LABELS, WEIGHTS, **given)
    ours = MLPClassifier(**BY, record=path).resume(X, LABELS, WEIGHTS, **given)
    assert bits(ours) == bits(plain)
    assert told(ours) == told(plain)
    assert len(ours.loss_curve_) == len(ours.validation_scores_) == 24
    fewer = MLPClassifier(**{**BY, "max_iter": 5}, record=path)
    with pytest.raises(ValueError, match=r"max_iter=5 is less than the 12 epochs"):
        fewer.resume(X, LABELS, WEIGHTS, **given)
    with pytest.raises(ValueError, match=r"recorded with other rows, labels"):
        ours.resume(X[::-1], LABELS, WEIGHTS, **given)


def test_iterations_that_are_not_those_recorded_are_refused(tmp_path: Path) -> None:
    """As on a machine whose SciPy computes other bits."""
    est = MLPClassifier(**{**BY, "max_iter": 3}, record=tmp_path / "run.glass").fit(X, LABELS)
    with RunFile.append(est.record) as file, file.change() as database:
        database.execute("UPDATE history SET loss = loss * 1.5 WHERE epoch = 2")
        put_values(database, {"ended": None})
    before = est.record.read_bytes()
    with pytest.raises(TrainingError, match=r"epoch 2, done again, has loss .*resume there"):
        est.set_params(max_iter=5).resume(X, LABELS)
    assert est.record.read_bytes() == before


MANY = np.random.default_rng(0).normal(size=(4500, 4))  # more than are computed at a time
TWO = {"hidden_layer_sizes": (9, 5), "activation": ["tanh", "relu"], "dropout": 0.2}
CHECKED: dict[str, tuple[Any, Any, Any]] = {
    **FITS,
    "in two parts": (MLPClassifier(**BY, **TWO, alpha=9.0), MANY, MANY[:, 0] * MANY[:, 1] > 0),
    "classes of a row": (MLPClassifier(**BY), X, np.stack([LABELS == 0, LABELS > 1], 1)),
    "counts": (MLPRegressor("poisson", **BY), X, LABELS),
    "converged later": (MLPRegressor(**{**BY, "tol": 0.3, "max_iter": 500}), X, NUMBERS),
}


@pytest.mark.parametrize("name", CHECKED)
def test_the_check_does_all_iterations_again(name: str, tmp_path: Path) -> None:
    est, x, y = CHECKED[name]
    est = recorded(est, tmp_path / "run.glass").fit(x, y)
    *others, last = check_run(est.record)
    assert len(others) > 5
    assert all(own.ok for own in [*others, last])
    assert last.compared == est.n_iter_ + sum(w.size for w in [*est.coefs_, *est.intercepts_])
    start = name in ("converged", "at the start")
    done = "weights before epoch 1" if start else f"epochs 1 to {est.n_iter_}"
    assert last.what == f"{done} against the record"
    if name == "converged later":
        assert 1 < est.n_iter_ < 500


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ("UPDATE history SET loss = loss * (1 + 1e-15) WHERE epoch = 2", "loss"),
        ("DELETE FROM checkpoint WHERE epoch > 0", None),
        ("UPDATE run SET value = json_set(value, '$.alpha', 0.01) WHERE key = 'loss'", "W, loss"),
    ],
)
def test_and_finds_what_is_not_as_recorded(change: str, wrong: str | None, tmp_path: Path) -> None:
    est = MLPClassifier(**{**BY, "max_iter": 4}, record=tmp_path / "run.glass")
    est.fit(X, LABELS, WEIGHTS)
    with RunFile.append(est.record) as file, file.change() as database:
        if wrong is None:  # the result takes the place of the last checkpoint
            database.execute("UPDATE history SET loss = loss + 1 WHERE epoch = 4")
        database.execute(change)
    *others, last = check_run(est.record)
    assert all(own.ok for own in others)
    assert (last.checked, last.ok) == (True, False)
    assert last.detail.startswith(f"{wrong or 'loss'}; the iterations of L-BFGS are SciPy's")


def test_a_fit_that_was_ended_before_there_is_anything_to_compare(tmp_path: Path) -> None:
    est = MLPClassifier(**BY, record=tmp_path / "run.glass")
    with pytest.raises(RuntimeError, match=r"cut"):
        est.set_callbacks(Ends(2, RuntimeError("cut"))).fit(X, LABELS)
    *_, last = check_run(est.record)
    assert (last.verdict, last.ok) == ("not checked", False)
    assert "go on with it by MLPClassifier(record=…).resume(X, y)" in last.detail


def test_there_are_no_steps_to_open(tmp_path: Path) -> None:
    est = MLPClassifier(**BY, record=tmp_path / "run.glass").fit(X.astype("float32"), LABELS)
    with pytest.raises(TrainingError, match=r"no steps.*`glassnet check` repeats its epochs"):
        gn.open_step(est.record)
    assert (
        "epochs 1 to 12 against the record"
        in glassnet("check", "run.glass", folder=tmp_path).stdout
    )
    listed = glassnet("runs", folder=tmp_path).stdout
    first, second = listed.splitlines()
    assert first == f"run.glass  12/12 epochs  all epochs done  loss {est.loss_:.6g}"
    assert second.strip().startswith("LBFGS seed 0  Linear(4, 100)")
    refused(
        glassnet("resume", "run.glass", folder=tmp_path),
        "was recorded by MLPClassifier; go on with it by MLPClassifier(record='run.glass', …)",
        status=1,
    )
