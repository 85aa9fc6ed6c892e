"""Two models on one table: figures of both, and differences whose errors are paired."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glassnet.errors import TableError
from glassnet.estimators.tabular.compare_models import compare_models
from glassnet.estimators.tabular.fit import fit_table
from glassnet.tables.read import read_table
from tests.cli.command import glassnet
from tests.estimators.tabular_rows import compiled_once
from tests.estimators.test_explain import RANDOM, model_of, table

__all__ = ["compiled_once"]  # a fixture


def shifted(model: Any, by: float) -> Any:
    """The model whose answers are larger by so much."""
    target = model.schema.target
    return replace(
        model, schema=replace(model.schema, target=replace(target, mean=target.mean + by))
    )


def test_by_hand() -> None:
    """Of y = ŷ + e the second model errs by e − 1 throughout: |e| and |e − 1| in each row."""
    model = model_of(2)
    x = RANDOM.normal(size=(300, 2)).astype(np.float32)
    noise = RANDOM.normal(size=300)
    opened = table(x, y=(model.predict(table(x)).values + noise).tolist())
    found = compare_models(model, shifted(model, 1.0), opened)
    assert (found.rows, found.main) == (300, "rmse")
    by_name = {own.metric: own for own in found.differences}
    one, two = np.abs(noise), np.abs(noise - 1)
    mae = by_name["mae"]
    assert mae.difference == pytest.approx((one - two).mean(), abs=1e-6)
    assert mae.error == pytest.approx((one - two).std(ddof=1) / math.sqrt(300), rel=1e-5)
    assert by_name["rmse"].better == 1
    assert found.verdict.startswith("by RMSE the first is better")
    again = compare_models(model, model, opened)
    assert all((own.difference, own.error, own.better) == (0, 0, 0) for own in again.differences)
    assert again.verdict == "by RMSE the two differ by less than two standard errors"


def test_models_of_other_targets_are_not_compared() -> None:
    opened = table(RANDOM.normal(size=(30, 2)), y=RANDOM.normal(size=30).tolist())
    with pytest.raises(TableError, match="the first model predicts numbers of 'y', the second cla"):
        compare_models(model_of(2), model_of(2, classes=True), opened)


def test_classes_go_by_their_names() -> None:
    one = model_of(2, classes=True)
    target = replace(one.schema.target, classes=("yes", "no"))
    two = replace(one, schema=replace(one.schema, target=target))  # says the opposite
    x = RANDOM.normal(size=(200, 2)).astype(np.float32)
    chosen = one.predict(table(x)).values
    found = compare_models(one, two, table(x, y=chosen.tolist()))
    accuracy = next(own for own in found.differences if own.metric == "accuracy")
    assert (accuracy.first, accuracy.second, accuracy.better) == (1.0, 0.0, 1)


def test_the_command(tmp_path: Path) -> None:
    x = RANDOM.normal(size=(120, 2)).round(3)
    lines = [f"{a},{b},{round(2 * a + b, 3)}" for a, b in x.tolist()]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,y", *lines]) + "\n")
    for name, epochs in (("short", 1), ("long", 12)):
        model = fit_table(read_table(tmp_path / "t.csv"), "y", epochs=epochs).model
        model.save(tmp_path / f"{name}.safetensors")
    asked = ("compare", "short.safetensors", "long.safetensors")
    result = glassnet(*asked, "t.csv", folder=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "by RMSE the second is better" in result.stdout
    assert "120 of 120 rows were in the training" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80
    found = json.loads(glassnet(*asked, "t.csv", "--json", folder=tmp_path).stdout)
    assert found["figures"]["rmse"]["better"] == 2
    without = glassnet(*asked, folder=tmp_path)
    assert without.returncode == 2
    assert "name the table to compare them on" in without.stderr
    wrong = glassnet("compare", "t.csv", "long.safetensors", "t.csv", folder=tmp_path)
    assert wrong.returncode == 2
    assert "t.csv is not a run file" in wrong.stderr
