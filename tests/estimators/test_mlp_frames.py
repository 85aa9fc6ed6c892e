"""Data frames, gaps and categories: what the network of an MLP estimator reads of them."""

from __future__ import annotations

import copy
import datetime
import pickle
import warnings
from typing import Any

import numpy as np
import pytest
from scipy import sparse
from sklearn.model_selection import cross_val_score
from sklearn.utils.validation import _get_feature_names

from glassnet import MLPClassifier, MLPRegressor
from glassnet.errors import TableError
from glassnet.estimators.mlp.column_encoder import ColumnEncoder
from glassnet.tables.frames import collect_frame, frame_columns, is_frame
from tests.data import data_file

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

QUICK: dict[str, Any] = {"random_state": 0, "max_iter": 20, "hidden_layer_sizes": (5,)}
NAN = np.nan

# size has a gap, kind is a category with a gap, word a text, flag is true or false
COLUMNS: dict[str, list[Any]] = {
    "size": [1.0, None, 4.0, 7.0],
    "kind": ["b", "a", None, "b"],
    "word": ["x", "y", "x", "x"],
    "flag": [True, False, True, True],
}
NAMES = [
    "size", "missingindicator_size",
    "kind_a", "kind_b", "missingindicator_kind",
    "word_x", "word_y", "flag",
]  # fmt: skip
# the mean of 1, 4 and 7 is 4
ENCODED = [
    [1.0, 0, 0, 1, 0, 1, 0, 1],
    [4.0, 1, 1, 0, 0, 0, 1, 0],
    [4.0, 0, 0, 0, 1, 1, 0, 1],
    [7.0, 0, 0, 1, 0, 1, 0, 1],
]
KINDS = ("pandas", "polars", "pyarrow", "batch")  # the last is Arrow's, too


def frame(kind: str, columns: dict[str, list[Any]] = COLUMNS) -> Any:
    package = pytest.importorskip("pyarrow" if kind == "batch" else kind)
    if kind == "pandas":
        made = package.DataFrame(columns)
        return made.astype({"kind": "category"}) if "kind" in columns else made
    if kind == "polars":
        made = package.DataFrame(columns, strict=False)
        cast = [package.col("kind").cast(package.Categorical)] if "kind" in columns else []
        return made.with_columns(cast)
    arrays = {name: package.array(values) for name, values in columns.items()}
    if "kind" in arrays:
        arrays["kind"] = arrays["kind"].dictionary_encode()
    return package.record_batch(arrays) if kind == "batch" else package.table(arrays)


def known(x: Any) -> bool:
    """Whether scikit-learn sees the names of the columns; before 1.9 it asks by a protocol that
    newer versions of polars have given up."""
    return _get_feature_names(collect_frame(x)) is not None


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_frame_is_encoded_alike(kind: str) -> None:
    given = frame(kind)
    assert is_frame(given)
    encoder = ColumnEncoder.learn(given, "from_dtype", "indicator")
    assert encoder.names == NAMES
    found = encoder.encode(given)
    assert found.dtype == np.float64
    assert found.tolist() == ENCODED


@pytest.mark.parametrize("kind", KINDS)
def test_rows_that_training_did_not_see(kind: str) -> None:
    """Unknown values are 0 in all columns of theirs; a gap in a column that had none is filled."""
    encoder = ColumnEncoder.learn(frame(kind), "from_dtype", "indicator")
    new = {"size": [None], "kind": ["c"], "word": [None], "flag": [None]}
    new = {name: [*values, COLUMNS[name][0]] for name, values in new.items()}
    # the mean of flag is 3/4
    assert encoder.encode(frame(kind, new)).tolist() == [[4, 1, 0, 0, 0, 0, 0, 0.75], ENCODED[0]]


@pytest.mark.parametrize("kind", KINDS)
def test_an_estimator_of_frames(kind: str) -> None:
    columns = {name: values * 10 for name, values in COLUMNS.items()}
    x = frame(kind, columns)
    y = np.array([0, 1, 0, 1] * 10)
    est = MLPClassifier(missing="indicator", categorical_features="from_dtype", **QUICK)
    est.fit(x, y, X_val=x, y_val=y)
    if known(x):
        assert list(est.feature_names_in_) == list(COLUMNS)
    assert est.n_features_in_ == 4
    assert list(est.encoded_feature_names_) == NAMES
    assert est.coefs_[0].shape == (8, 5)
    plain = MLPClassifier(**QUICK).fit(ENCODED * 10, y)
    assert np.array_equal(est.predict_proba(x), plain.predict_proba(ENCODED * 10))
    assert est.validation_scores_[-1] == est.score(x, y)
    raw = est.to_network()(np.array(ENCODED)).ravel()
    assert np.array_equal(raw, est.decision_function(x)[:4])
    for other in (copy.deepcopy(est), pickle.loads(pickle.dumps(est))):
        assert np.array_equal(other.predict_proba(x), est.predict_proba(x))
    est.partial_fit(x, y)
    if known(x):
        with pytest.raises(ValueError, match="feature names should match"):
            est.predict(frame(kind, dict(reversed(columns.items()))))
    if known(frame("polars", columns)):
        assert np.array_equal(est.predict(frame("polars", columns)), est.predict(x))


def test_arrays_have_gaps_and_categories_too() -> None:
    x = np.array([[1.0, 5.0], [NAN, 3.0], [4.0, 5.0]], np.float32)
    encoder = ColumnEncoder.learn(x, [1], "indicator")
    assert encoder.names == ["x0", "missingindicator_x0", "x1_3.0", "x1_5.0"]
    found = encoder.encode(x)
    assert found.dtype == np.float32
    assert found.tolist() == [[1, 0, 0, 1], [2.5, 1, 1, 0], [4, 0, 0, 1]]
    for mask in ([False, True], np.array([1]), ["x1"]):
        assert ColumnEncoder.learn(x, mask, "indicator").names == encoder.names
    lists = [["a", 1.0], ["b", None], ["a", 3.0]]
    assert ColumnEncoder.learn(lists, [0], "indicator").encode(lists).tolist() == [
        [1, 0, 1, 0], [0, 1, 2, 1], [1, 0, 3, 0],
    ]  # fmt: skip


def test_a_column_of_gaps_only_is_zero() -> None:
    x = np.array([[NAN, 1.0], [NAN, 2.0]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encoder = ColumnEncoder.learn(x, None, "indicator")
    assert encoder.encode(x).tolist() == [[0, 1, 1], [0, 1, 2]]


def test_pandas_types_with_gaps_of_their_own() -> None:
    pandas = pytest.importorskip("pandas")
    made = pandas.DataFrame(
        {
            "whole": pandas.array([1, None, 3], dtype="Int64"),
            "truth": pandas.array([True, None, False], dtype="boolean"),
            "object": pandas.Series(["u", pandas.NA, "v"], dtype=object),
            "numbers": pandas.Series([1, 2.5, None], dtype=object),
        }
    )
    kinds = {column.name: column.kind for column in frame_columns(made)}
    assert kinds == {"whole": "number", "truth": "number", "object": "text", "numbers": "number"}
    encoder = ColumnEncoder.learn(made, "from_dtype", "indicator")
    assert encoder.encode(made).tolist() == [
        [1, 0, 1, 0, 1, 0, 0, 1, 0],
        [2, 1, 0.5, 1, 0, 0, 1, 2.5, 0],
        [3, 0, 0, 0, 0, 1, 0, 1.75, 1],
    ]


def test_without_the_parameters_a_frame_is_what_it_is_for_scikit_learn() -> None:
    for kind in KINDS:
        x = frame(kind, {"a": [0.5, 1.0, 2.0] * 5, "b": [1, 2, 3] * 5})
        est = MLPRegressor(**QUICK).fit(x, np.arange(15.0))
        if known(x):
            assert list(est.feature_names_in_) == ["a", "b"]
        array = np.column_stack([[0.5, 1.0, 2.0] * 5, [1, 2, 3] * 5])
        assert np.array_equal(est.predict(x), MLPRegressor(**QUICK).fit(
            array, np.arange(15.0)).predict(array))  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_errors_say_which_column_and_what_to_do(kind: str) -> None:
    x, y = frame(kind), [0, 1, 0, 1]
    for given, words in (
        ({}, "could not convert string to float: 'b' in column 'kind'. Columns of words are"),
        ({"missing": "indicator"}, "string to float: 'b' in column 'kind'. Columns of words are"),
        ({"categorical_features": "from_dtype"}, r"contains NaN: column 'size', row 1 .*missing="),
        ({"categorical_features": ["colour"]}, "has 'colour', which is not a column name of X"),
        ({"categorical_features": [7]}, r"has 7; as feature indices it must be in .*\[0, 3\]"),
        ({"categorical_features": [True]}, r"boolean mask should have shape \(4,\).*got: \(1,\)"),
        ({"categorical_features": [0.5]}, "array-like of bool, int or str, or 'from_dtype', got"),
    ):
        with pytest.raises(ValueError, match=words):
            MLPClassifier(**given).fit(x, y)


def test_columns_that_are_neither_numbers_nor_categories() -> None:
    given = MLPRegressor(missing="indicator", categorical_features="from_dtype")
    days = [datetime.date(2024, 1, day) for day in (1, 2, 3)]
    for kind in KINDS[:3]:
        package = pytest.importorskip(kind)
        made: Any = {"day": days}
        if kind == "pandas":
            made = {"day": package.to_datetime(package.Series(days))}
        x = package.table(made) if kind == "pyarrow" else package.DataFrame(made)
        with pytest.raises(ValueError, match=r"column 'day' has type Date.* turn it into numbers"):
            given.fit(x, [1.0, 2.0, 3.0])
    with pytest.raises(TypeError, match=r"X is sparse; pass X.toarray\(\)"):
        given.fit(sparse.eye_array(3, format="csr"), [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="contains infinity in column 'x1'"):
        given.fit([[1.0, 2.0], [2.0, np.inf]], [1.0, 2.0])
    with pytest.raises(ValueError, match="'x0' has 1,001 different values"):
        MLPRegressor(categorical_features=[0]).fit(np.arange(1001.0)[:, None], np.arange(1001.0))


def test_what_holds_no_rows_is_refused() -> None:
    lazy = pytest.importorskip("polars").LazyFrame({"a": [1.0, 2.0]})
    with pytest.raises(TableError, match=r"pass frame.collect\(\)"):
        frame_columns(lazy)
    est = MLPRegressor(max_iter=1)
    with pytest.raises(TableError, match=r"pass frame.collect\(\)"):
        est.fit(lazy, [1.0, 2.0])
    with pytest.raises(TypeError, match=r"mapping of columns; .*pandas.DataFrame\(X\)"):
        est.fit({"a": [1.0, 2.0]}, [1.0, 2.0])
    est.fit(sparse.dok_array(np.eye(3)), [1.0, 2.0, 3.0])  # a mapping, too, and rows all the same
    relation = pytest.importorskip("duckdb").sql("select 1.0 as a")
    with pytest.raises(TableError, match="as a frame of pandas, polars or Arrow"):
        est.fit(relation, [1.0])
    series = pytest.importorskip("polars").Series([1.0, 2.0])
    for kind in (None, [0]):
        with pytest.raises(ValueError, match="Expected 2D array"):
            est.set_params(categorical_features=kind).fit(series, [1.0, 2.0])


def test_penguins_as_they_come() -> None:
    """A table with words and gaps, cross-validated; the commonest species is 44 % of it."""
    pandas = pytest.importorskip("pandas")
    table = pandas.read_csv(data_file("penguins.csv.gz"))
    species = table.pop("species")
    numbers = table.select_dtypes("number").columns
    table[numbers] = (table[numbers] - table[numbers].mean()) / table[numbers].std()
    est = MLPClassifier(
        (20,), missing="indicator", categorical_features="from_dtype", random_state=0,
        learning_rate_init=0.01, max_iter=100,
    )  # fmt: skip
    assert cross_val_score(est, table, species, cv=5).mean() > 0.97
