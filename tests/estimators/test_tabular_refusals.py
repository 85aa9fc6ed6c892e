"""Every refusal of the estimators of tables says what was wrong, in the terms of Python."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import sparse
from sklearn.exceptions import DataConversionWarning

from glassnet import TabularClassifier, TabularRegressor
from glassnet.errors import TableError, TableWarning
from tests.estimators.tabular_rows import COLUMNS, ROWS, classifier, compiled_once, frame

__all__ = ["classifier", "compiled_once"]  # fixtures

A = np.arange(120.0).reshape(60, 2) % 7
AB = ["a", "b"] * 30


@pytest.mark.parametrize(
    ("x", "y", "given", "message"),
    [
        ({"a": [None] * 60}, AB, {}, "no column to predict 'y' from: all are empty"),
        ({"a": [1.0] * 60}, AB, {}, "no column to predict 'y' from.*set what they are with kinds"),
        (A, AB, {"kinds": {"x7": "drop"}}, "X has no column 'x7'; its columns are x0, x1, y"),
        (A, AB, {"kinds": {"x0": "float"}}, "cannot be of kind 'float'; choose number, category"),
        (A, AB, {"missing_values": [-1]}, r"missing_values=\[-1\] has -1; it is a list of texts"),
        (A, AB, {"n_jobs": 0}, "n_jobs=0 is not a number of threads"),
        (A, AB, {"max_epochs": 0}, "'max_epochs' parameter of TabularClassifier must be an int"),
        (A[:9], AB[:9], {}, "X has n_samples = 9, and 10 are the fewest"),
        (A, AB[:-1], {}, "inconsistent numbers of samples"),
        (A, ["a"] * 60, {}, "the target 'y' is 'a' in every row; at least two different classes"),
        (A, [None] * 60, {}, "the target 'y' has no value in any row"),
        (A, np.arange(60) + 0.5, {}, "Unknown label type: continuous"),
        ({"a": [1] * 3, "b": [1] * 4}, AB, {}, "column 'a' has 3 rows and 'b' has 4"),
        ({"a": A}, AB, {}, r"column 'a' has shape \(60, 2\); wanted a list of single values"),
        ({"a": [object()] * 60}, AB, {}, "column 'a' has type object, which is not a number, text"),
        ({}, AB, {}, "X has no columns; pass at least one"),
        (A[:, 0], AB, {}, "Expected 2D array, got 1D array"),
    ],
)
def test_what_cannot_be_learnt_from(x: Any, y: Any, given: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TabularClassifier(**given).fit(x, y)


def test_other_types_of_error() -> None:
    with pytest.raises(TypeError, match="y has strings and numbers among its labels, 'a' and 1"):
        TabularClassifier().fit(A, ["a", 1] * 30)
    with pytest.raises(TypeError, match="Sparse data was passed for X"):
        TabularClassifier().fit(sparse.csr_array(A), AB)
    with pytest.raises(TableError, match="row 1 of the target 'y' holds no number"):
        TabularRegressor().fit(A, AB)
    days = np.arange(60).astype("M8[D]")
    with pytest.raises(TableError, match=r"y has type datetime64\[D\], and a regressor predicts n"):
        TabularRegressor().fit(A, days)
    for kind in (TabularClassifier, TabularRegressor):
        with pytest.raises(
            TableError, match=r"y has type timedelta64\[D\], which is not a number, te"
        ):
            kind().fit(A, days - days[0])
    with pytest.warns(DataConversionWarning, match="column-vector y was passed"):
        TabularRegressor(max_epochs=1).fit(A, A[:, :1])
    twice = pytest.importorskip("pandas").DataFrame(A, columns=["a", "a"])
    with pytest.warns(TableWarning, match=r"column 2 is called 'a \(2\)' here"):
        TabularClassifier(max_epochs=1).fit(twice, AB)
    lazy = pytest.importorskip("polars").LazyFrame({"a": AB})
    with pytest.raises(TableError, match=r"pass frame.collect\(\)"):
        TabularClassifier().fit(lazy, AB)


def test_rows_that_cannot_be_predicted(classifier: TabularClassifier) -> None:
    less = {name: COLUMNS[name] for name in COLUMNS if name != "shade"}
    with pytest.raises(TableError, match="X lacks the column 'shade' that the model was trained"):
        classifier.predict(less)
    with pytest.raises(TableError, match="did you rename it to 'Shade'"):
        classifier.predict({**less, "Shade": COLUMNS["shade"]})
    with pytest.raises(ValueError, match="yet now missing:\n- shade"):
        classifier.predict(frame("pandas").drop(columns="shade"))
    with pytest.raises(TableError, match="row 2 of column 'size' holds no number"):
        classifier.predict({**COLUMNS, "size": ["1", "two", *["3"] * (ROWS - 2)]})
    with (
        pytest.raises(ValueError, match="X has 1 features, but TabularClassifier is expecting 6"),
        pytest.warns(UserWarning, match="X does not have valid feature names"),
    ):
        classifier.predict([["red"]])
    # a shade that training had not, and a gap where it had none, are taken
    with pytest.warns(TableWarning, match=r"a value that training had not, or too rarely \(shade"):
        assert len(classifier.predict({**COLUMNS, "shade": ["mauve", None] * (ROWS // 2)})) == ROWS


def test_frames_whose_names_are_numbers() -> None:
    table = pytest.importorskip("pandas").DataFrame(A)
    est = TabularClassifier(max_epochs=1).fit(table, AB)
    assert est.columns_ == {"0": "number", "1": "number"}
    assert np.array_equal(est.predict(table), est.predict(A))
