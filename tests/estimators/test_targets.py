"""Several targets at once: each model is that of a fit with its target alone, in one file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.metrics import r2_score

from glassnet import TabularClassifier, TabularRegressor, model_file
from glassnet.errors import GlassnetError, ModelFileError, TableError
from glassnet.estimators.tabular.answer_rules import Scoring
from glassnet.estimators.tabular.fit_table import fit_table
from glassnet.estimators.tabular.several_targets import (
    TargetOptions,
    check_scorings,
    examine_targets,
    target_names,
)
from glassnet.estimators.tabular.table_model import TableModel
from glassnet.estimators.tabular.target_models import TargetModels, load_model
from glassnet.ops import philox
from glassnet.tables.divide import SplitOptions
from glassnet.tables.frames import mapping_columns
from glassnet.tables.from_memory import table_of
from glassnet.tables.table import Table
from glassnet.tables.weights import WeightOptions
from tests.estimators.tabular_rows import compiled_once

__all__ = ["compiled_once"]  # a fixture

ROWS, EPOCHS = 90, 2
X = philox.normal(ROWS * 2, 5).reshape(ROWS, 2)
COLUMNS: dict[str, Any] = {"p": X[:, 0].tolist(), "q": X[:, 1].tolist()}
# a has a gap in every seventh row
A = [None if row % 7 == 0 else float(3 * p + q) for row, (p, q) in enumerate(X)]
B = [float(10 - p) for p, _ in X]
WORDS = ["up" if p > q else "down" for p, q in X]
ALL = {**COLUMNS, "a": A, "b": B, "word": WORDS}


def table(columns: dict[str, Any]) -> Table:
    return table_of(mapping_columns(columns), "t")


def two(gaps: bool = False) -> np.ndarray:
    """The targets a and b as an array."""
    filled = np.array([np.nan if one is None else one for one in A])
    return np.column_stack([filled if gaps else np.nan_to_num(filled), B])


@pytest.fixture(scope="module")
def both(compiled_once: None) -> TabularRegressor:
    return TabularRegressor(max_epochs=EPOCHS, interval=0.8).fit(X, two())


# -- in a file -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def models(compiled_once: None) -> TargetModels:
    """Models of a number with gaps and of a class."""
    found = [
        fit_table(table(ALL), target, kinds={other: "drop", "b": "drop"}, epochs=EPOCHS).model
        for target, other in (("a", "word"), ("word", "a"))
    ]
    return TargetModels(tuple(found))


def test_a_file_holds_each_model_as_it_is(models: TargetModels, tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    assert models.save(path) == path.stat().st_size
    again = TargetModels.load(path)
    assert again.targets == ("a", "word")
    for one, other in zip(models.models, again.models, strict=True):
        (tensors, texts), (found, told) = one.contents(), other.contents()
        assert texts == told
        assert {name: own.tobytes() for name, own in tensors.items()} == {
            name: own.tobytes() for name, own in found.items()
        }
    assert load_model(path, "word").schema.target.classes == ("down", "up")
    TargetModels(models.models[:1]).save(path)
    models.models[0].save(tmp_path / "own")
    assert path.read_bytes() == (tmp_path / "own").read_bytes()
    assert load_model(path).schema.target.name == "a"


def test_what_reads_one_model_says_what_to_do(models: TargetModels, tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    models.save(path)
    with pytest.raises(ModelFileError, match="each of the targets a, word; name one as the target"):
        load_model(path)
    with pytest.raises(ModelFileError, match="predicts a, word, not 'b'; name one of these"):
        load_model(path, "b")
    # what every earlier version does with such a file
    with pytest.raises(ModelFileError, match="has format 6, this program reads 1 and 2 and 3 and "):
        TableModel.load(path)
    with pytest.raises(ModelFileError, match="each of the targets a, word; name one"):
        TabularClassifier.load(path)
    with pytest.raises(ModelFileError, match="predicts classes of 'word'; use TabularClassifier"):
        TabularRegressor.load(path)
    assert TabularClassifier.load(path, "word").classes_.tolist() == ["down", "up"]
    assert TabularRegressor.load(path, target="a").predict(COLUMNS).shape == (ROWS,)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tensors, texts: tensors.update(odd=np.zeros(1, np.float32)), "belong to no target"),
        (lambda tensors, texts: texts.update(targets='["a", "b"]'), "not of the targets that it"),
        (lambda tensors, texts: texts.update(targets='["a"]'), "targets is a list of 1"),
        (lambda tensors, texts: texts.update(targets="["), "cannot be used"),
        (lambda tensors, texts: texts.pop("targets"), "cannot be used"),
        (lambda tensors, texts: texts.pop("target2.schema"), "target2|schema"),
        (lambda tensors, texts: texts.update({"target1.format_version": "6"}), "has format 6"),
    ],
)
def test_a_file_that_does_not_fit_itself(
    models: TargetModels, change: Any, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "m.safetensors"
    models.save(path)
    tensors, texts = model_file.load(path)
    del texts["sha256"]
    change(tensors, texts)
    path.write_bytes(model_file.pack(tensors, texts))
    with pytest.raises(ModelFileError, match=message) as caught:
        TargetModels.load(path)
    assert str(caught.value).count("m.safetensors") == 1


def test_a_description_that_no_reader_takes_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_file, "_LONGEST_HEADER", 100)
    with pytest.raises(
        ModelFileError, match="and 100 are the most; train with fewer columns, or f"
    ):
        model_file.pack({}, {"text": "x" * 100})


# -- what each target takes of the options ---------------------------------------------------------


def test_names_of_targets() -> None:
    found = table({"a": [1.0], "b": [1.0], "a,b": [1.0], "c d": [1.0]})
    assert target_names(["a", "b"], found) == ("a", "b")
    assert target_names(["a,b"], found) == ("a,b",)  # a column of that name
    assert target_names(["a, c d"], found) == ("a", "c d")
    assert target_names(["b,a", "a"], found) == ("b", "a")
    with pytest.raises(TableError, match="has no column 'x'; its columns are a, b, a,b, c d"):
        target_names(["a,x"], found)
    with pytest.raises(TableError, match="has no column 'x,y'"):
        target_names(["x,y"], found)
    many = table({f"c{place}": [1.0] for place in range(101)})
    with pytest.raises(TableError, match="101 targets are more than the 100 that a model file"):
        target_names(list(many.names), many)


def test_an_option_goes_to_the_targets_that_can_have_it() -> None:
    weights = WeightOptions(classes={"up": 3.0})
    options = SplitOptions(weights=weights)
    asked = TargetOptions(scale="plain", options=options, scoring=Scoring("f1", None, 0.8))
    a, word, b = examine_targets(table(ALL), ["a", "word", "b"], asked)
    assert (len(a.rows), len(word.rows), len(b.rows)) == (77, 90, 90)  # 13 of 90 rows lack a
    assert {column.name: column.kind for column in a.columns} == {
        "p": "number", "q": "number", "b": "target", "word": "target"
    }  # fmt: skip
    assert a.weights is None
    assert word.weights is not None
    assert sorted(set(word.weights.tolist())) == [1.0, 3.0]
    of_a, of_word, _ = check_scorings(asked.scoring, [a, word, b])
    assert of_a == Scoring(None, None, 0.8)
    assert of_word == Scoring("f1", "auto", None)


@pytest.mark.parametrize(
    ("targets", "asked", "message"),
    [
        (["a", "b"], {"scoring": Scoring("auc")}, "'auc' is not a metric of numbers"),
        (["a", "b"], {"scoring": Scoring(threshold=0.3)}, "a threshold lies between two classes"),
        (["a", "b"], {"options": SplitOptions(weights=WeightOptions(classes="balanced"))},
         "the targets 'a', 'b' are numbers; leave the weights out"),
        (["a", "word"], {"options": SplitOptions(weights=WeightOptions(classes={"left": 2.0}))},
         "have the classes down, up; leave the weights out, or correct their names"),
        (["word", "sort"], {"scale": "log"}, "a scale is for numbers"),
        (["word", "sort"], {"scoring": Scoring(interval=0.9)}, "intervals are of numbers"),
    ],
)  # fmt: skip
def test_an_option_that_suits_no_target_is_refused(
    targets: list[str], asked: dict[str, Any], message: str
) -> None:
    columns = {**ALL, "sort": WORDS[::-1]}
    wanted = TargetOptions(**asked)
    with pytest.raises(TableError, match=message):
        check_scorings(wanted.scoring, examine_targets(table(columns), targets, wanted))


# -- the estimator ---------------------------------------------------------------------------------


def test_each_target_is_predicted_as_by_an_estimator_of_its_own(both: TabularRegressor) -> None:
    y = two()
    alone = [TabularRegressor(max_epochs=EPOCHS, interval=0.8).fit(X, one) for one in y.T]
    found = both.predict(X)
    assert found.shape == y.shape
    np.testing.assert_array_equal(found, np.column_stack([one.predict(X) for one in alone]))
    ends = both.predict_interval(X)
    assert ends.shape == (ROWS, 2, 2)
    np.testing.assert_array_equal(ends[:, 1], alone[1].predict_interval(X))
    each = [r2_score(y[:, place], found[:, place]) for place in (0, 1)]
    assert both.score(X, y) == pytest.approx(sum(each) / 2, rel=1e-12)  # scikit-learn's mean
    assert [one.score_.rows for one in both.estimators_] == [ROWS, ROWS]
    assert both.columns_ == {"x0": "number", "x1": "number"}
    assert both.__sklearn_tags__().target_tags.multi_output
    with pytest.raises(GlassnetError, match=r"2 targets, and explain is of one; call it of one of"):
        both.explain(X, y)
    with pytest.raises(AttributeError, match=r"several targets; .* estimators_\[0\].explain_"):
        both.explain_(X, y)
    assert both.estimators_[1].explain(X, y[:, 1]).importances[0].column == "x0"


def test_the_file_of_an_estimator(both: TabularRegressor, tmp_path: Path) -> None:
    both.save(tmp_path / "m.safetensors")
    again = TabularRegressor.load(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(again.predict(X), both.predict(X))
    assert again.interval == 0.8
    assert again.n_features_in_ == 2
    one = TabularRegressor.load(tmp_path / "m.safetensors", target="y1")
    np.testing.assert_array_equal(one.predict(X), both.predict(X)[:, 1])


def test_gaps_of_one_target_leave_its_rows_to_the_others() -> None:
    with pytest.warns(UserWarning, match="^y0: 13 of 90 rows have no value and are left out"):
        est = TabularRegressor(max_epochs=1).fit(X, two(gaps=True))
    rows = [one.model_.training["rows"] for one in est.estimators_]
    assert [one["train"] for one in rows] == [77, 90]
    assert np.isfinite(est.predict(X)).all()


def test_names_of_targets_are_free(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": X[:, 0], "y": X[:, 1]})
    goals = pandas.DataFrame({"a": B, "a_": B[::-1]})
    est = TabularRegressor(max_epochs=1).fit(frame, goals)
    est.save(tmp_path / "m.safetensors")
    assert TargetModels.load(tmp_path / "m.safetensors").targets == ("a_", "a__")
    assert clone(est).fit(frame, goals["a"]).predict(frame).shape == (ROWS,)


def test_fitted_anew_to_another_number_of_targets() -> None:
    est = TabularRegressor(max_epochs=1).fit(X, B)
    assert est.fit(X, two()).predict(X).shape == (ROWS, 2)
    assert not hasattr(est, "model_")
    assert est.fit(X, B).predict(X).shape == (ROWS,)
    assert not hasattr(est, "estimators_")


def test_the_score_of_each_target_is_of_the_test_rows() -> None:
    y = two()
    est = TabularRegressor(max_epochs=1).fit(X[:60], y[:60], test=(X[60:], y[60:]))
    assert [one.score_.rows for one in est.estimators_] == [30, 30]
    with pytest.raises(ValueError, match="y has 2 targets, and those of test have 1 column; give"):
        TabularRegressor().fit(X, y, test=(X, B))


def test_time_is_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[float | None] = []

    def fit_target(est: Any, *_: Any) -> None:
        limits.append(est.time_limit)
        est.columns_ = {}

    monkeypatch.setattr(TabularRegressor, "_fit_target", fit_target)
    TabularRegressor(time_limit=90.0).fit(X, np.column_stack([B, B, B]))
    TabularRegressor().fit(X, two())
    assert limits[:3] == pytest.approx([30.0, 45.0, 90.0], rel=0.01)  # nothing was used of it
    assert limits[3:] == [None, None]
