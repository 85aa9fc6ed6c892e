"""Why a model answers so, by models whose importances and Shapley values have a closed form."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glassnet import TabularClassifier, TabularRegressor
from glassnet.errors import TableError
from glassnet.estimators.tabular.class_order import class_label
from glassnet.estimators.tabular.contributions import contributions
from glassnet.estimators.tabular.explanation import explain, explain_row
from glassnet.estimators.tabular.fit_table import fit_table
from glassnet.estimators.tabular.importance import importances
from glassnet.estimators.tabular.table_model import TableModel
from glassnet.estimators.tabular.table_network import Architecture, build
from glassnet.tables.encode import CategoryEncoder, NumberEncoder
from glassnet.tables.frames import mapping_columns
from glassnet.tables.from_memory import table_of
from glassnet.tables.read_table import read_table
from glassnet.tables.table_schema import Schema
from glassnet.tables.target_column import TargetSchema
from tests.cli.command import here

RANDOM = np.random.default_rng(0)
SCORE = {"metric": "rmse", "value": 1.0, "standard_error": 0.1, "constant": 2.0, "folds": 5}
TRAINING: dict[str, Any] = {"seed": 0, "rows": {"train": 9}, "score": SCORE}


def model_of(count: int, *, hidden: tuple[int, ...] = (), classes: bool = False) -> TableModel:
    """Columns x0, x1, … as they are, for |x| far below the clip; no column is left out."""
    columns = tuple(NumberEncoder(f"x{i}", 0.0, 1.0, False) for i in range(count))
    target = TargetSchema("y", ("no", "yes")) if classes else TargetSchema("y", mean=3.0, scale=2.0)
    network = Architecture(count, hidden, 2 if classes else 1)
    return TableModel(Schema(columns, target), network, build(network, seed=1), {})


def table(x: np.ndarray, **more: Any) -> Any:
    columns = {f"x{i}": x[:, i].tolist() for i in range(x.shape[1])}
    return table_of(mapping_columns({**columns, **more}), "T")


def test_explain_is_all_of_it_once_there_is_a_model() -> None:
    assert not hasattr(TabularRegressor(), "explain_")
    with pytest.raises(AttributeError, match="TabularRegressor is not fitted yet; call fit"):
        _ = TabularRegressor().explain_
    est: Any = TabularRegressor.from_model(replace(model_of(2), training=TRAINING))
    x = RANDOM.normal(size=(30, 2))
    y = est.predict(x)
    assert est.explain_(x, y, metric="mae").as_json() == est.explain(x, y, metric="mae").as_json()
    assert est.explain_.row(x, 3).as_json() == est.explain_row(x, 3).as_json()
    near = est.explain_.nearest(x, 3, x, y, count=2)
    assert near.as_json() == est.nearest_rows(x, 3, x, y, count=2).as_json()
    assert near.rows[0].row == 3


@pytest.mark.parametrize("count", [4, 14])  # all sets; orders and these backwards
def test_the_contributions_of_a_linear_model(count: int) -> None:
    """w·(x − mean of the others), in the unit of the target."""
    model = model_of(count)
    x = RANDOM.normal(size=(60, count)).astype(np.float32)
    found = contributions(model, x[7], x)
    assert found.exact is (count == 4)
    assert found.compared == 60
    weights = model.network.parameters()["linear1.weight"][:, 0].astype(float)
    wanted = 2.0 * weights * (x[7] - x.astype(float).mean(axis=0))
    np.testing.assert_allclose(found.values[:, 0], wanted, atol=2e-6)
    total = math.fsum([found.base[0], *found.values[:, 0]])
    assert total == pytest.approx(found.answer[0], abs=1e-12)


def test_the_contributions_by_the_definition() -> None:
    """Of a network with a hidden layer: the mean over all orders, worked out one by one."""
    model = model_of(3, hidden=(6,), classes=True)
    x = RANDOM.normal(size=(9, 3)).astype(np.float32)
    found = contributions(model, x[0], x)
    wanted = np.zeros((3, 2))
    for order in itertools.permutations(range(3)):
        rows = x.copy()
        before = model.outputs(rows).astype(float).mean(axis=0)
        for column in order:
            rows[:, column] = x[0, column]
            after = model.outputs(rows).astype(float).mean(axis=0)
            wanted[column] += (after - before) / 6
            before = after
    np.testing.assert_allclose(found.values, wanted, atol=1e-7)


def test_sampled_contributions_are_within_their_errors() -> None:
    model = model_of(11, hidden=(8,))
    x = RANDOM.normal(size=(50, 11)).astype(np.float32)
    many = [contributions(model, x[3], x, seed) for seed in range(12)]
    values = np.stack([own.values[:, 0] for own in many])
    told = np.mean([own.errors[:, 0] for own in many])
    assert values.std(axis=0, ddof=1).mean() < 1.5 * told
    for own in many:
        assert own.base[0] + own.values.sum() == pytest.approx(own.answer[0], abs=1e-9)


def test_the_importance_of_a_linear_model() -> None:
    """With y = 2·w·x exactly, shuffling a column costs √2 · |2·w| · its spread in RMSE."""
    model = model_of(3)
    x = RANDOM.normal(size=(2000, 3)).astype(np.float32)
    weights = model.network.parameters()["linear1.weight"]
    weights[:, 0] = [0.5, -0.25, 0.0]
    truth = model.outputs(x)
    found = importances(model, x, model.with_constant(truth, truth))
    assert [own.column for own in found] == ["x0", "x1", "x2"]
    spread = x.std(axis=0)
    for own, weight, sd in zip(found, (0.5, 0.25, 0.0), spread, strict=True):
        wanted = math.sqrt(2) * 2 * weight * sd
        assert own.value == pytest.approx(wanted, rel=0.02)
        assert abs(own.value - wanted) <= 4 * own.error + 1e-6


def test_the_error_of_an_importance_is_that_of_other_rows() -> None:
    model = model_of(2)
    weights = model.network.parameters()["linear1.weight"]
    weights[:, 0] = [0.5, 0.1]
    found: list[Any] = []
    for _ in range(60):
        x = RANDOM.normal(size=(300, 2)).astype(np.float32)
        truth = model.outputs(x) + RANDOM.normal(size=300)
        found.append(importances(model, x, model.with_constant(truth, model.outputs(x)))[0])
    spread = np.std([own.value for own in found])
    assert np.mean([own.error for own in found]) == pytest.approx(spread, rel=0.35)


def test_curves_of_a_linear_model() -> None:
    model = model_of(2)
    x = RANDOM.normal(size=(500, 2)) * 0.2
    x[:, 1] = RANDOM.integers(0, 3, 500) / 2
    found = explain(model, table(x, y=model.outputs(x.astype(np.float32)).tolist()))
    assert found.metric == "rmse"
    weights = model.network.parameters()["linear1.weight"][:, 0]
    by_name = {own.column: own for own in found.curves}
    slope = np.polyfit(by_name["x0"].at, by_name["x0"].answers[:, 0], 1)[0]
    assert slope == pytest.approx(2 * weights[0], rel=0.02)  # the clip bends it a little
    assert by_name["x1"].at == (0.0, 0.5, 1.0)
    counts = [int((x[:, 1] == value).sum()) for value in (0, 0.5, 1)]
    assert list(by_name["x1"].counts) == counts
    text = str(found)
    assert "importance: by how much RMSE grows when a column is shuffled" in text
    assert f"{counts[1]} rows" in text
    assert max(map(len, text.splitlines())) <= 120
    assert found.as_json()["curves"][0]["change"]


def test_a_row_and_a_class() -> None:
    encoder = CategoryEncoder("colour", ("blue", "red"), False, False, (0.5, 0.5))
    base = model_of(1, classes=True)
    network = Architecture(3, (), 2)
    schema = replace(base.schema, columns=(*base.schema.columns, encoder))
    model = TableModel(schema, network, build(network, seed=3), {})
    opened = table(RANDOM.normal(size=(40, 1)), colour=["red", "blue"] * 20)
    found = explain_row(model, opened, 3)
    chances = model.outputs(schema.encode(schema.load(opened)).x)[3]
    assert found.answer == pytest.approx(chances.max())
    assert found.cells["colour"] == "blue"
    other = explain_row(model, opened, 3, of="no")
    assert other.classes[other.of] == "no"
    assert other.answer == pytest.approx(float(chances[0]))
    total = sum(value for _, value, _ in other.ranked())
    assert other.base + total == pytest.approx(other.answer, abs=1e-12)
    assert "row 3: probability of 'no' is" in str(other)
    assert found.as_json()["contributions"][1]["cell"] == "blue"
    with pytest.raises(TableError, match="T has no row 40; its 40 rows have the numbers 0 to 39"):
        explain_row(model, opened, 40)
    with pytest.raises(TableError, match="there is no class 'maybe'; the classes are no, yes"):
        explain_row(model, opened, 3, of="maybe")


def test_classes_are_named_by_the_labels_of_the_estimator() -> None:
    x = {"a": [float(n) for n in range(40)]}
    y = [n % 3 > 0 for n in range(40)]
    est = TabularClassifier(max_epochs=1, class_weight={True: 2.0}).fit(x, y)
    for place, label in enumerate(est.classes_):
        found = est.explain_row(x, 3, of=label)
        assert found.answer == pytest.approx(float(est.predict_proba(x)[3, place]))
    labels = (True, np.False_, 1.0, np.int64(2), 0.5, "True", "1.0")
    assert [*map(class_label, labels)] == ["true", "false", "1", "2", "0.5", "True", "1.0"]


def test_the_nearest_rows_by_hand(tmp_path: Path) -> None:
    """Of a column from 0 to 39 the nearest of 10.2 are 10, 11, 9, …"""
    y = [float(2 * n) for n in range(40)]
    est = TabularRegressor(max_epochs=2).fit({"a": [float(n) for n in range(40)]}, y)
    found = est.nearest_rows(
        {"a": [3.0, 10.2]}, 1, {"a": [float(n) for n in range(40)]}, y, count=3
    )
    assert [one.row for one in found.rows] == [10, 11, 9]
    distances = np.array([one.distance for one in found.rows])
    np.testing.assert_allclose(distances / distances[0], [1.0, 4.0, 6.0], rtol=0.1)
    assert [float(one.target) for one in found.rows] == [20.0, 22.0, 18.0]
    with pytest.raises(TableError, match="has no row 2"):
        est.nearest_rows({"a": [3.0, 10.2]}, 2, {"a": [1.0]}, [1.0])
    with pytest.raises(TableError, match="count=-1 asks for no rows; pass 1 or more"):
        est.nearest_rows({"a": [3.0, 10.2]}, 1, {"a": [1.0]}, [1.0], count=-1)


def test_the_command_shows_the_nearest_rows(tmp_path: Path) -> None:
    rows = "".join(f"{n},{'uvw'[n % 3]},{n % 3}\n" for n in range(60))
    (tmp_path / "t.csv").write_text("a,k,y\n" + rows)
    fit_table(read_table(tmp_path / "t.csv"), "y", epochs=1).model.save(tmp_path / "m")
    asked = ("explain", "m", "t.csv", "--row", "7", "--train", "t.csv")
    shown = here(*asked, folder=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert "nearest rows of training to row 7, their distance and y:" in shown.stdout
    near = json.loads(here(*asked, "--json", folder=tmp_path).stdout)["nearest"]
    assert near[0] == {"row": 7, "distance": 0.0, "target": "1", "cells": {"a": "7", "k": "v"}}
    assert [one["cells"]["k"] for one in near] == ["v"] * 5
    refused = here("explain", "m", "t.csv", "--train", "t.csv", folder=tmp_path)
    assert refused.returncode == 2
    assert "--train needs --row" in refused.stderr
