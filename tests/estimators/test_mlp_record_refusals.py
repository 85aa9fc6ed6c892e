"""What cannot be recorded, or gone on with, is refused, and the run file stays as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone

import glassnet as gn
from glassnet import MLPClassifier, MLPRegressor
from glassnet.errors import ModelFileError, OutputError, TrainingError
from tests.estimators.common import LABELS, NUMBERS, QUICK, X

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
WORDS = np.array(["setosa", "versicolor", "virginica"])[LABELS]
SHORT = {**QUICK, "max_iter": 3}
REFUSED: dict[str, tuple[dict[str, Any], Any, type[Exception], str]] = {
    "another solver": (
        {"solver": "lbfgs"},
        lambda est: est.resume(X, LABELS),
        ValueError,
        r"run.glass was recorded with solver='adam', and this estimator has solver='lbfgs'",
    ),
    "partial_fit": (
        {},
        lambda est: est.partial_fit(X, LABELS, classes=[0, 1, 2]),
        ValueError,
        "record=.*: partial_fit may see other rows at every call.*warm_start=True",
    ),
    "another parameter": (
        {"alpha": 0.5},
        lambda est: est.resume(X, LABELS),
        ValueError,
        r"run.glass was recorded with alpha=0.0001, and this estimator has alpha=0.5; .*max_iter",
    ),
    "other classes": (
        {},
        lambda est: est.resume(X, WORDS),
        ValueError,
        "recorded with other rows, labels",
    ),
    "other rows": (
        {},
        lambda est: est.resume(X[::-1], LABELS),
        ValueError,
        "recorded with other rows, labels",
    ),
    "nothing": (
        {"record": None},
        lambda est: est.resume(X, LABELS),
        ValueError,
        "resume goes on with the run file that record= names, and record=None",
    ),
    "no file": (
        {"record": "/nowhere/run.glass"},
        lambda est: est.resume(X, LABELS),
        ModelFileError,
        "/nowhere/run.glass does not exist",
    ),
    "no folder": (
        {"record": "/nowhere/run.glass"},
        lambda est: est.fit(X, LABELS),
        OutputError,
        "/nowhere/run.glass cannot be written",
    ),
    "a number": (
        {"record": 7},
        lambda est: est.fit(X, LABELS),
        ValueError,
        "The 'record' parameter of MLPClassifier must be an instance of 'str'",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_recorded_is_refused(name: str, tmp_path: Path) -> None:
    settings, call, error, message = REFUSED[name]
    whole = MLPClassifier(**SHORT, record=tmp_path / "run.glass").fit(X, LABELS)
    before = whole.record.read_bytes()
    with pytest.raises(error, match=message):
        call(clone(whole).set_params(**settings))
    assert whole.record.read_bytes() == before


def test_fits_and_other_runs_are_not_mistaken_for_each_other(tmp_path: Path) -> None:
    path = tmp_path / "run.glass"
    est = MLPClassifier(**SHORT, record=path).fit(X, LABELS)
    with pytest.raises(TrainingError, match=r"recorded by MLPClassifier; go on .*\.resume\(X, y\)"):
        gn.resume(path)
    with pytest.raises(ValueError, match=r"was recorded by MLPClassifier, not by MLPRegressor"):
        MLPRegressor(record=path).resume(X, NUMBERS)
    model = gn.nn.Sequential(gn.nn.Linear(4, 3))
    loss, rule = gn.losses.CrossEntropy(), gn.optim.SGD(0.1)
    more = {"epochs": 1, "record": path, "overwrite": True}
    gn.train(model, X, LABELS, loss=loss, optimizer=rule, **more)
    with pytest.raises(ValueError, match=r"was recorded by glassnet.train"):
        est.resume(X, LABELS)
    text = tmp_path / "notes.txt"
    text.write_text("not a run file")
    with pytest.raises(ModelFileError, match=r"is not a run file"):
        est.set_params(record=text).fit(X, LABELS)
    assert text.read_text() == "not a run file"
