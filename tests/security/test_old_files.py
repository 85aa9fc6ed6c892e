"""Files that earlier versions wrote still open, and say the same."""

from __future__ import annotations

import hashlib
import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet.estimators.fit_resume import recorded_fit, resume_fit
from glassnet.estimators.table_model import TableModel
from glassnet.tables.read import read_table
from tests.data import ROOT

OLD = ROOT / "tests" / "files" / "old"
EXPECTED: dict[str, Any] = json.loads((OLD / "expected.json").read_text())


def sha(array: Any) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for path in OLD.iterdir():
        shutil.copy(path, tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["classes", "numbers"])
def test_a_model_file_gives_the_answers_of_then(name: str, folder: Path) -> None:
    model = TableModel.load(folder / f"{name}.safetensors")
    found = model.predict(read_table(folder / "table.csv"))
    assert sha(model.network.W) == EXPECTED[name]["W"]
    assert sha(np.array([str(value) for value in found.values])) == EXPECTED[name]["values"]
    model.save(folder / "again.safetensors")
    again = (folder / "again.safetensors").read_bytes()
    assert again == (folder / f"{name}.safetensors").read_bytes()


def test_a_run_goes_on_to_where_it_was_and_further(folder: Path) -> None:
    model, history = gn.resume(folder / "train.glass")
    assert sha(model.W) == EXPECTED["train"]["W"]
    assert history.loss == EXPECTED["train"]["loss"]
    assert history.validation_loss == EXPECTED["train"]["validation_loss"]
    assert len(gn.resume(folder / "train.glass", epochs=8)[1].loss) == 8
    opened = gn.open_step(folder / "train.glass", epoch=3)
    assert np.isfinite(opened.L)


def test_a_run_of_an_estimator_goes_on(folder: Path) -> None:
    x = np.random.default_rng(1).normal(size=(24, 3)).astype("float32")
    est = gn.MLPClassifier(
        hidden_layer_sizes=(4,), max_iter=5, random_state=2, record=folder / "estimator.glass"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        est.resume(x.astype(float), (x.sum(1) > 0).astype(int))
    assert [sha(own) for own in est.coefs_] == EXPECTED["estimator"]["coefs"]
    assert est.loss_curve_ == EXPECTED["estimator"]["loss"]


def test_a_recorded_fit_goes_on(folder: Path) -> None:
    recorded = recorded_fit(folder / "fit.glass")
    assert recorded is not None
    fitted = resume_fit(recorded)
    assert sha(fitted.model.network.W) == EXPECTED["classes"]["W"]
