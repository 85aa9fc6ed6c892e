"""Classes that have an order: which is answered, by what they are scored, and what a file says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error

from glassnet import TabularClassifier, model_file
from glassnet.errors import ModelFileError, TableError
from glassnet.estimators.tabular import table_model
from glassnet.estimators.tabular.answer_rules import Scoring
from glassnet.estimators.tabular.compare_models import compare_models
from glassnet.estimators.tabular.evaluation import Evaluation
from glassnet.estimators.tabular.examine import examine
from glassnet.estimators.tabular.explanation import explain
from glassnet.estimators.tabular.fit_table import fit_table
from glassnet.estimators.tabular.ordered_classes import central_class, with_central_constant
from glassnet.estimators.tabular.several_targets import TargetOptions, examine_targets
from glassnet.estimators.tabular.table_metrics import METRICS
from glassnet.estimators.tabular.table_model import TableModel
from glassnet.ops import philox
from glassnet.tables.decide import order_of
from glassnet.tables.frames import mapping_columns
from glassnet.tables.from_memory import table_of
from glassnet.tables.table import Table
from tests.cli.command import here, refused
from tests.estimators.tabular_rows import compiled_once

__all__ = ["compiled_once"]  # a fixture

ROWS = 120
X = philox.normal(ROWS * 2, 8).reshape(ROWS, 2)
NAMES = ("low", "medium", "high")
LEVELS = [NAMES[int(v > -0.5) + int(v > 0.8)] for v in X[:, 0] + 0.6 * X[:, 1]]
COLUMNS: dict[str, Any] = {"p": X[:, 0].tolist(), "q": X[:, 1].tolist()}
KIND = "ordered:low<medium<high"


def table(levels: Any = LEVELS, **more: Any) -> Table:
    return table_of(mapping_columns({**COLUMNS, **more, "level": levels}), "t")


@pytest.fixture(scope="module")
def model(compiled_once: None) -> TableModel:
    scoring = Scoring("mae_classes")
    return fit_table(table(), "level", kinds={"level": KIND}, epochs=3, scoring=scoring).model


# -- which class is answered -----------------------------------------------------------------------


def test_the_answer_has_the_least_expected_cost() -> None:
    given = philox.uniform(400, 3).reshape(100, 4).astype(np.float32)
    given /= given.sum(axis=1, keepdims=True)
    places = np.arange(4)
    for central, power in (("median", 1), ("mean", 2)):
        away = np.abs(places[:, None] - places) ** power  # [true, answered]
        least = (given.astype(np.float64) @ away).argmin(axis=1)
        np.testing.assert_array_equal(central_class(central, given), least)  # type: ignore[arg-type]


def test_by_hand() -> None:
    given = np.array([[0.4, 0.25, 0.35], [0.5, 0.1, 0.4], [0.05, 0.05, 0.9]])
    assert central_class("median", given).tolist() == [1, 0, 2]
    assert central_class("mean", given).tolist() == [1, 1, 2]  # means 0.95, 0.9, 1.85
    truth = np.array([0, 0, 0, 1, 2, 2, -1])
    answers = Evaluation(truth, np.zeros((7, 3)), np.zeros(7, np.int64), ordered=True)
    # three of six are 0, so the median is 0; the mean place is 5/6
    assert with_central_constant("median", answers).constant.tolist() == [0] * 7
    assert with_central_constant("mean", answers).constant.tolist() == [1] * 7


def test_a_weight_counts_as_so_many_rows() -> None:
    given = philox.uniform(80, 4).reshape(20, 4)
    truth = (np.arange(20) * 7 % 4).astype(np.int64)
    times = np.arange(20) % 3
    whole = Evaluation(truth, given, np.ones(20, np.int64), ordered=True)
    weighted, repeated = (
        replace(whole, weight=times * 0.3),
        whole.of(np.repeat(np.arange(20), times)),
    )
    for name in ("mae_classes", "quadratic_kappa"):
        found = METRICS[name].measure(weighted), METRICS[name].measure(repeated)
        assert found[0] is not None
        assert found[1] is not None
        assert found[0].value == pytest.approx(found[1].value, rel=1e-12)
        assert found[0].influence.sum() == pytest.approx(0, abs=1e-12)
        assert found[0].influence[1] / 20 == pytest.approx(found[1].influence[0] / 19)
    one = with_central_constant("median", weighted), with_central_constant("median", repeated)
    assert one[0].constant[0] == one[1].constant[0]


# -- how an order is read --------------------------------------------------------------------------


def test_orders() -> None:
    assert order_of("ordered:a<b< c d") == ("a", "b", "c d")
    assert order_of("ordered:a, b<1") == ("a, b", "1")
    assert order_of("ordered:a,b") == ("a", "b")
    assert order_of('ordered:["a<b", "c,d"]') == ("a<b", "c,d")
    assert order_of("category") is None
    for wrong in ("a", "a<a", "a<", ""):
        with pytest.raises(TableError, match="is no order of classes; name two or more"):
            order_of(f"ordered:{wrong}")


def test_classes_stand_in_their_order() -> None:
    found = examine(table(), "level", kinds={"level": KIND}).target
    assert (found.classes, found.ordered) == (NAMES, True)
    spelt = [one.upper() if row % 9 == 0 else one for row, one in enumerate(LEVELS)]
    kind = {"level": "ordered:none<Low<MEDIUM<high"}  # none of the rows has "none"
    assert examine(table(spelt), "level", kinds=kind).target.classes == NAMES
    stars = [3 - NAMES.index(one) for one in LEVELS]
    kind = {"level": "ordered:3<2.0<1"}
    assert examine(table(stars), "level", kinds=kind).target.classes == ("3", "2", "1")
    with pytest.raises(TableError, match="has the class 'high', which is not in the order low < m"):
        examine(table(), "level", kinds={"level": "ordered:low<medium"})
    with pytest.raises(TableError, match="column 'p' cannot be of kind 'ordered:a<b'"):
        examine(table(), "level", kinds={"p": "ordered:a<b"})


def test_of_several_targets_the_one_with_these_classes_has_the_order() -> None:
    both = table(sort=["up", "down"] * 60)
    asked = TargetOptions(order="low<medium<high", scoring=Scoring("quadratic_kappa"))
    level, sort = examine_targets(both, ["level", "sort"], asked)
    assert (level.target.ordered, sort.target.ordered) == (True, False)
    with pytest.raises(TableError, match="none of the targets 'level', 'sort' has classes of 'a<b"):
        examine_targets(both, ["level", "sort"], TargetOptions(order="a<b"))


# -- scores and files ------------------------------------------------------------------------------


def test_the_median_is_answered_and_scored(model: TableModel) -> None:
    found, prediction = model.evaluate(table())
    cumulated = np.cumsum(prediction.probabilities, axis=1)  # type: ignore[arg-type]
    median = (cumulated < 0.5).sum(axis=1)
    assert prediction.values.tolist() == [NAMES[code] for code in median]
    truth = np.array([NAMES.index(one) for one in LEVELS])
    assert found.metric == "mae_classes"
    assert found.value == pytest.approx(mean_absolute_error(truth, median))
    middle = int(np.median(truth))
    assert found.constant == pytest.approx(np.abs(truth - middle).mean())
    assert found.constant_answer == NAMES[middle]
    assert np.array(found.confusion).sum(axis=1).tolist() == np.bincount(truth).tolist()
    assert explain(model, table(), metric="qwk").importances[0].column == "p"
    with pytest.raises(TableError, match="'qwk' is not a metric of classes without a known order;"):
        fit_table(table(), "level", scoring=Scoring("qwk"))  # type: ignore[arg-type]


def test_a_file_keeps_the_order(
    model: TableModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "m.safetensors"
    model.save(path)
    again = TableModel.load(path)
    assert again.schema.target == model.schema.target
    assert again.predict(table()).values.tolist() == model.predict(table()).values.tolist()
    assert again.recorded_score().constant_answer == "the middle class"
    assert TabularClassifier.load(path).class_order == list(NAMES)
    # a version without orders refuses it by its number
    monkeypatch.setattr(table_model, "FORMAT_VERSIONS", table_model.FORMAT_VERSIONS[:-2])
    with pytest.raises(ModelFileError, match="has format 7, this program reads 1 and 2"):
        TableModel.load(path)


def test_a_file_whose_rules_need_an_order(model: TableModel, tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    model.save(path)
    tensors, texts = model_file.load(path)
    schema = json.loads(texts["schema"])
    del schema["target"]["ordered"]
    texts = {**texts, "schema": json.dumps(schema)}
    del texts["sha256"]
    path.write_bytes(model_file.pack(tensors, texts))
    with pytest.raises(ModelFileError, match="a central class, and its classes have no order"):
        TableModel.load(path)


def test_a_target_without_an_order_is_written_as_before() -> None:
    plain = fit_table(table(), "level", epochs=1).model
    _, texts = plain.contents()
    assert texts["format_version"] == "2"
    assert "ordered" not in json.loads(texts["schema"])["target"]


def test_models_of_other_orders_are_compared_without_distances(model: TableModel) -> None:
    same = compare_models(model, model, table())
    assert "mae_classes" in {one.metric for one in same.differences}
    other = fit_table(table(), "level", kinds={"level": "ordered:high<low<medium"}, epochs=1).model
    found = compare_models(model, other, table())
    assert {one.metric for one in found.differences}.isdisjoint({"mae_classes", "quadratic_kappa"})
    assert found.rows == ROWS


# -- in Python and on the command line -------------------------------------------------------------


def test_ordered_categoricals_of_pandas_are_noticed() -> None:
    pandas = pytest.importorskip("pandas")
    y = pandas.Series(pandas.Categorical(LEVELS, [*NAMES, "never"], ordered=True), name="level")
    est = TabularClassifier(max_epochs=1).fit(X, y)
    assert est.model_.schema.target.classes == NAMES
    assert est.classes_.tolist() == sorted(NAMES)  # as scikit-learn has it
    assert "mae_classes" in est.score_.figures
    assert (
        not TabularClassifier(max_epochs=1, class_order=False)
        .fit(X, y)
        .model_.schema.target.ordered
    )


def test_labels_of_the_estimator() -> None:
    stars = np.array([NAMES.index(one) + 1 for one in LEVELS])
    est = TabularClassifier(max_epochs=3, class_order=[3, 2, 1], metric="mae_classes").fit(X, stars)
    assert est.model_.schema.target.classes == ("3", "2", "1")
    places = est.predict_proba(X)[:, [2, 1, 0]].cumsum(axis=1)  # classes_ are 1, 2, 3
    assert est.predict(X).tolist() == (3 - (places < 0.5).sum(axis=1)).tolist()
    with pytest.raises(ValueError, match="'class_order' parameter of TabularClassifier must be"):
        TabularClassifier(class_order="low<high").fit(X, stars)  # type: ignore[arg-type]
    with pytest.raises(TableError, match="class_order=True names no classes; pass them from the"):
        TabularClassifier(class_order=True).fit(X, stars)
    with pytest.raises(
        TableError, match=r"'mae_classes' is not a metric of .* say their order with c"
    ):
        TabularClassifier(metric="mae_classes").fit(X, stars)


def test_on_the_command_line(tmp_path: Path) -> None:
    lines = [f"{p:.4f},{q:.4f},{one}" for (p, q), one in zip(X, LEVELS, strict=True)]
    (tmp_path / "t.csv").write_text("\n".join(["p,q,level", *lines]) + "\n")
    fit = ("fit", "t.csv", "-t", "level", "--ordered", "low<medium<high")
    asked = (*fit, "--metric", "quadratic_kappa", "--epochs", "2")
    result = here(*asked, "--record", "r.glass", folder=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "has ordered classes, low < medium < high" in result.stdout
    assert "quadratic kappa" in result.stdout
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["true", "\\", "predicted", "low", "medium", "high"] in lines
    whole = here(*asked[:-1], "4", "-o", "w.safetensors", folder=tmp_path)
    assert whole.returncode == 0, whole.stderr
    resumed = here("resume", "r.glass", "--epochs", "4", folder=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    first, second = ((tmp_path / name).read_bytes() for name in ("t.safetensors", "w.safetensors"))
    assert first == second
    refused(here(*fit, "--target-scale", "log", folder=tmp_path), "--ordered is for classes, and -")
