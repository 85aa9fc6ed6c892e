"""The estimators of tables: the bits of `glassnet fit`, messy columns, model files, company."""

from __future__ import annotations

import datetime
import json
import pickle
import threading
import warnings
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from glassnet import TabularClassifier, TabularRegressor, model_file
from glassnet.errors import ModelFileError, TableError
from glassnet.estimators.tabular.fit_table import fit_table
from glassnet.tables.read_table import read_table
from tests.data import data_file
from tests.estimators.tabular_rows import (
    COLUMNS,
    EPOCHS,
    KINDS,
    NUMBERS,
    ROWS,
    Y,
    classifier,
    compiled_once,
    frame,
    written,
)

__all__ = ["classifier", "compiled_once"]  # fixtures

# -- the same model as that of the command line ----------------------------------------------------


@pytest.mark.parametrize("kind", ["dict", "pandas", "polars", "pyarrow"])
@pytest.mark.parametrize("classes", [True, False])
def test_the_file_is_that_of_the_command_line(kind: str, classes: bool, tmp_path: Path) -> None:
    y = Y if classes else NUMBERS
    table = written(tmp_path / "X", "y", y)  # the name of the table stands in the model file
    fit_table(read_table(table), "y", epochs=EPOCHS, seed=3).model.save(tmp_path / "cli")
    est: Any = (TabularClassifier if classes else TabularRegressor)(
        max_epochs=EPOCHS, random_state=3
    )
    est.fit(COLUMNS if kind == "dict" else frame(kind), y).save(tmp_path / "own")
    assert (tmp_path / "own").read_bytes() == (tmp_path / "cli").read_bytes()
    assert est.columns_ == KINDS


@pytest.mark.parametrize(
    ("name", "target", "classes"),
    [("penguins", "species", True), ("titanic", "Survived", True), ("concrete", "strength", False)],
)
def test_real_tables_give_the_bits_of_the_command_line(
    name: str, target: str, classes: bool
) -> None:
    polars = pytest.importorskip("polars")
    path = data_file(f"{name}.csv.gz")
    found = fit_table(read_table(path), target, epochs=2)
    x = polars.read_csv(path, infer_schema_length=None)
    kind: Any = TabularClassifier if classes else TabularRegressor
    est = kind(max_epochs=2).fit(x.drop(target), x[target])
    assert est.model_.network.W.tobytes() == found.model.network.W.tobytes()
    assert est.model_.schema == found.model.schema
    assert est.score_ == found.score
    prediction = found.model.predict(read_table(path))
    assert [str(one) for one in est.predict(x.drop(target))] == list(map(str, prediction.values))


def test_penguins_as_they_come() -> None:
    pandas = pytest.importorskip("pandas")
    table = pandas.read_csv(data_file("penguins.csv.gz"))
    est = TabularClassifier().fit(table.drop(columns="species"), table["species"])
    assert est.score_.rows == len(table)
    assert est.score_.value >= 0.97
    assert list(est.classes_) == ["Adelie", "Chinstrap", "Gentoo"]


# -- predictions -----------------------------------------------------------------------------------


def test_answers_are_in_the_terms_of_the_target(classifier: TabularClassifier) -> None:
    assert classifier.score(COLUMNS, Y) > 0.95
    assert classifier.classes_.tolist() == [0, 1, 2]
    assert classifier.classes_.dtype == np.asarray(Y).dtype
    p = classifier.predict_proba(COLUMNS)
    assert p.shape == (ROWS, 3)
    np.testing.assert_allclose(p.sum(axis=1), 1.0, rtol=1e-6)
    assert (classifier.predict(COLUMNS) == p.argmax(axis=1)).all()
    assert classifier.n_features_in_ == 6
    assert list(classifier.feature_names_in_) == list(COLUMNS)


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        # by number 9 comes before 10, by letter after; scikit-learn sorts texts by letter
        (["10", "9"], ["10", "9"]),
        ([True, False], [False, True]),
        (["b", None, "a"], ["a", "b"]),
        (np.array([1.0, np.nan, 0.0]), [0.0, 1.0]),
        ([3, 1, None], [1, 3]),
    ],
)
@pytest.mark.filterwarnings("ignore::glassnet.errors.TableWarning")  # of rows that were left out
def test_classes_of_every_type(labels: Any, classes: list[Any]) -> None:
    """The column holds the answer, or is missing where there is none; gaps are left out."""
    y = np.resize(
        np.array(labels) if isinstance(labels, np.ndarray) else np.array(labels, object), 90
    )
    gaps = np.array([one is None or one != one for one in y.tolist()])
    x = {"a": [f"is {one}" for one in y]}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        est = TabularClassifier(max_epochs=30).fit(x, y if y.dtype == float else y.tolist())
    told = [str(one.message) for one in caught]
    assert (
        told == []
        if not gaps.any()
        else "y: 30 of 90 rows have no value and are left out" in told[0]
    )
    assert est.classes_.tolist() == classes
    assert [type(one) for one in est.classes_.tolist()] == [type(one) for one in classes]
    assert est.predict(x)[~gaps].tolist() == y[~gaps].tolist()
    assert est.score_.rows == (~gaps).sum()


def test_columns_of_an_array_have_places() -> None:
    rows = np.array(list(zip(*COLUMNS.values(), strict=True)), object)
    est = TabularClassifier(max_epochs=EPOCHS, kinds={"x1": "drop"}).fit(rows, Y)
    assert list(est.columns_.values()) == ["number", "drop", *list(KINDS.values())[2:]]
    assert not hasattr(est, "feature_names_in_")
    kinds = {"size": "drop", "number": "number"}  # its name would leave it out
    named = TabularClassifier(max_epochs=EPOCHS, kinds=kinds).fit(COLUMNS, Y)
    assert np.array_equal(est.predict_proba(rows), named.predict_proba(COLUMNS))
    assert np.array_equal(est.predict_proba(rows.tolist()), est.predict_proba(rows))


def test_a_categorical_column_is_a_category() -> None:
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"a": pandas.Categorical([3, 1, 2] * 20), "b": [3, 1, 2] * 20})
    est = TabularClassifier(max_epochs=1).fit(table, [0, 1, 2] * 20)
    assert est.columns_ == {"a": "category", "b": "number"}
    est = TabularClassifier(max_epochs=1, kinds={"a": "number"}).fit(table, [0, 1, 2] * 20)
    assert est.columns_ == {"a": "number", "b": "number"}


def test_times_with_an_offset_are_those_of_the_clock_of_utc() -> None:
    moved = datetime.timezone(datetime.timedelta(hours=2))
    given = [datetime.datetime(2024, 1, 1 + row % 9, 1, tzinfo=moved) for row in range(40)]
    utc = [datetime.datetime(2023, 12, 31, 23) + datetime.timedelta(row % 9) for row in range(40)]
    y = np.arange(40.0) % 9
    one, two = (TabularRegressor(max_epochs=2).fit({"t": t}, y) for t in (given, utc))
    assert np.array_equal(one.predict({"t": given}), two.predict({"t": utc}))


# -- in the company of scikit-learn ----------------------------------------------------------------


def test_copies_predict_alike(classifier: TabularClassifier, tmp_path: Path) -> None:
    joblib.dump(classifier, tmp_path / "est")
    for other in (pickle.loads(pickle.dumps(classifier)), joblib.load(tmp_path / "est")):
        assert np.array_equal(other.predict_proba(COLUMNS), classifier.predict_proba(COLUMNS))
        assert other.score_ == classifier.score_
    fresh = clone(classifier)
    assert fresh.get_params() == classifier.get_params()
    with pytest.raises(NotFittedError):
        fresh.predict(COLUMNS)


def test_searches_folds_and_pipelines() -> None:
    x = frame("pandas")
    search = GridSearchCV(
        TabularClassifier(), {"max_epochs": [1, 30]}, cv=2, n_jobs=2, scoring="neg_log_loss"
    ).fit(x, Y)
    assert search.best_params_ == {"max_epochs": 30}
    chosen = FunctionTransformer(lambda table: table[["shade", "size"]])
    pipe = make_pipeline(chosen, TabularRegressor(max_epochs=30))
    assert np.corrcoef(cross_val_predict(pipe, x, Y, cv=3), Y)[0, 1] > 0.9
    assert list(pipe.fit(x, Y)[-1].columns_) == ["shade", "size"]


def test_fits_in_several_threads_give_the_same_bits() -> None:
    found: list[bytes] = []

    def work() -> None:
        est = TabularRegressor(max_epochs=2).fit(COLUMNS, NUMBERS)
        found.append(est.model_.network.W.tobytes() + est.predict(COLUMNS).tobytes())

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(found) == 4
    assert len(set(found)) == 1


def test_it_says_what_it_sees(capsys: pytest.CaptureFixture[str]) -> None:
    est = TabularClassifier(max_epochs=1, verbose=True).fit(COLUMNS, Y)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "number  identifier, left out: 1 … 120, all different"
    assert lines[1] == "size    number: 0.5 … 6.5, median 3.5, 11 missing"
    assert lines[6].startswith("1 epoch, loss ")
    assert lines[-1].startswith(f"accuracy {est.score_.value:.6g} ± ")
    assert repr(est) == "TabularClassifier(max_epochs=1, verbose=True)"


# -- model files -----------------------------------------------------------------------------------


def test_a_model_file_is_an_estimator_again(classifier: TabularClassifier, tmp_path: Path) -> None:
    classifier.save(tmp_path / "m")
    other = TabularClassifier.load(tmp_path / "m")
    assert np.array_equal(other.predict_proba(COLUMNS), classifier.predict_proba(COLUMNS))
    assert other.classes_.tolist() == [0, 1, 2]
    assert (other.score_.value, other.score_.error) == (
        classifier.score_.value, classifier.score_.error,
    )  # fmt: skip
    assert other.score_.rows == ROWS
    # it knows the columns that the network uses, by name
    assert list(other.feature_names_in_) == list(COLUMNS)[1:]
    mixed = {name: COLUMNS[name] for name in ("day", "fresh", "code", "shade", "size")}
    assert np.array_equal(other.predict(mixed), classifier.predict(COLUMNS))
    for kind in ("pandas", "polars"):
        table = frame(kind)
        assert np.array_equal(other.predict(table), classifier.predict(COLUMNS))
    rows = list(zip(*list(COLUMNS.values())[1:], strict=True))
    assert np.array_equal(other.predict(rows), classifier.predict(COLUMNS))
    with pytest.raises(TableError, match="X has 4 columns without names, and the model uses size"):
        other.predict([row[:4] for row in rows])
    with pytest.raises(ModelFileError, match="m predicts classes of 'y'; use TabularClassifier"):
        TabularRegressor.load(tmp_path / "m")


def test_a_file_of_the_command_line_is_an_estimator(tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", "price", NUMBERS)
    found = fit_table(read_table(path), "price", epochs=EPOCHS, seed=7)
    found.model.save(tmp_path / "m")
    est = TabularRegressor.load(tmp_path / "m")
    assert np.array_equal(est.predict(COLUMNS), found.model.predict(read_table(path)).values)
    assert est.get_params()["random_state"] == 7
    assert est.score_.constant == found.score.constant
    with pytest.raises(ModelFileError, match="m predicts the number 'price'; use TabularRegressor"):
        TabularClassifier.load(tmp_path / "m")


def test_a_model_of_an_array_takes_the_same_array_again(tmp_path: Path) -> None:
    rows = np.array([[1.0, row % 5, row % 3] for row in range(60)])  # the first is constant
    est = TabularRegressor(max_epochs=EPOCHS).fit(rows, rows[:, 1])
    est.save(tmp_path / "m")
    assert json.loads(model_file.load(tmp_path / "m")[1]["training"])["table"] == "X"
    other = TabularRegressor.load(tmp_path / "m")
    assert np.array_equal(other.predict(rows), est.predict(rows))
    assert np.array_equal(other.predict(rows[:, 1:]), est.predict(rows))
