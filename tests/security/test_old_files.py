"""Files that earlier versions wrote still open, and say the same."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet.errors import TrainingError
from glassnet.estimators.tabular.fit_resume import recorded_fit, resume_fit
from glassnet.estimators.tabular.table_model import TableModel
from glassnet.tables.read_table import read_table
from glassnet.version import computes_alike, numerics_version
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


def changed(path: Path, key: str, value: str) -> Path:
    """A run file that says something else."""
    database = sqlite3.connect(path)
    with database:
        database.execute("UPDATE run SET value = ? WHERE key = ?", (value, key))
    database.close()
    return path


@pytest.mark.parametrize(
    ("version", "layers", "alike"),
    [
        (numerics_version, "Sequential(BatchNorm(3))", True),
        (4, "Sequential(Linear(2, 3), Tanh())", True),
        (4, "Sequential(Linear(2, 3), BatchNorm(3))", False),
        (3, "Sequential(Linear(2, 3))", False),
        (numerics_version + 1, "Sequential(Linear(2, 3))", False),
    ],
)
def test_which_networks_compute_the_same_bits(version: int, layers: str, alike: bool) -> None:
    """Version 5 changed BatchNorm alone, version 4 the sigmoid."""
    assert computes_alike(version, layers) is alike


@pytest.mark.parametrize("name", ["classes", "numbers"])
def test_a_model_file_gives_the_answers_of_then(name: str, folder: Path) -> None:
    model = TableModel.load(folder / f"{name}.safetensors")
    found = [str(value) for value in model.predict(read_table(folder / "table.csv")).values[:5]]
    assert sha(model.network.W) == EXPECTED[name]["W"]
    if name == "classes":
        assert found == EXPECTED[name]["first"]
    else:
        np.testing.assert_allclose(np.array(found, float), np.array(EXPECTED[name]["first"], float))
    model.save(folder / "again.safetensors")
    again = (folder / "again.safetensors").read_bytes()
    assert again == (folder / f"{name}.safetensors").read_bytes()


def test_a_run_of_other_arithmetic_is_not_gone_on_with(folder: Path) -> None:
    with pytest.raises(TrainingError, match="numerics version 3"):
        gn.resume(changed(folder / "train.glass", "numerics_version", "3"))


def test_a_run_of_arithmetic_that_is_still_the_same_opens(folder: Path) -> None:
    path = folder / "train.glass"
    model, history = gn.resume(path)
    assert sha(model.W) == EXPECTED["train"]["W"]  # of a run that has ended, as they lie there
    assert history.loss == EXPECTED["train"]["loss"]
    assert history.validation_loss == EXPECTED["train"]["validation_loss"]
    assert len(gn.resume(path, epochs=8)[1].loss) == 8
    np.testing.assert_allclose(
        gn.open_step(path, epoch=3).L, EXPECTED["train"]["loss"][2], rtol=0.5
    )


def test_a_run_of_an_estimator_opens(folder: Path) -> None:
    x = np.random.default_rng(1).normal(size=(24, 3)).astype("float32")
    path = folder / "estimator.glass"
    est = gn.MLPClassifier(hidden_layer_sizes=(4,), max_iter=5, random_state=2, record=path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        est.resume(x.astype(float), (x.sum(1) > 0).astype(int))
    assert [sha(own) for own in est.coefs_] == EXPECTED["estimator"]["coefs"]
    assert est.loss_curve_ == EXPECTED["estimator"]["loss"]
    assert (
        pytest.approx(EXPECTED["estimator"]["loss"][4], rel=1e-3) == gn.open_step(path, epoch=5).L
    )


def test_a_recorded_fit_goes_on(folder: Path) -> None:
    recorded = recorded_fit(folder / "fit.glass")
    assert recorded is not None
    fitted = resume_fit(recorded)
    assert sha(fitted.model.network.W) == EXPECTED["classes"]["W"]
