"""What the MLP estimators refuse, and in which words; sparse rows, threads, limits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_diabetes

import glassnet as gn
from glassnet import MLPClassifier, MLPRegressor
from tests.estimators.common import LABELS, NUMBERS, QUICK, X

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


# -- sparse rows ----------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_sparse_rows_are_made_dense_a_part_at_a_time(
    solver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    x = sparse.random(9000, 30, 0.1, format="csr", random_state=rng)
    y = np.asarray(x.sum(1)).ravel() > 1.5
    seen: list[tuple[int, ...]] = []
    for kind in (sparse.csr_matrix, sparse.csr_array, sparse.csc_matrix, sparse.csc_array):
        known = kind.toarray

        def toarray(self: Any, *args: Any, known: Any = known, **named: Any) -> Any:
            seen.append(self.shape)
            return known(self, *args, **named)

        monkeypatch.setattr(kind, "toarray", toarray)
    est = MLPClassifier((4,), solver=solver, early_stopping=True, random_state=0, max_iter=2)
    for rows in (x, sparse.csc_array(x)):
        est.fit(rows, y)
        est.predict_proba(rows)
        est.transform(rows)
    rows_at_a_time = [count for count, width in seen if width == x.shape[1]]  # others are labels
    assert rows_at_a_time
    assert max(rows_at_a_time) <= 4096


# -- errors ---------------------------------------------------------------------------------------

ALLOWED = [
    ("hidden_layer_sizes", 0, "must be an array-like or an int in the range [1, inf). Got 0"),
    ("activation", "sinus", "must be a str among {"),
    ("solver", "newton", "must be a str among {"),
    ("alpha", -1.0, "must be a float in the range [0.0, inf). Got -1.0 instead"),
    ("batch_size", 0, "in the range [1, inf). Got 0 instead"),
    ("learning_rate", "fast", "must be a str among {"),
    ("learning_rate_init", 0.0, "must be a float in the range (0.0, inf). Got 0.0 instead"),
    ("power_t", -0.5, "[0.0, inf). Got -0.5 instead"),
    ("max_iter", 0, "must be an int in the range [1, inf). Got 0 instead"),
    ("shuffle", "yes", "Got 'yes' instead"),
    ("random_state", "x", "Got 'x' instead"),
    ("tol", -1.0, "[0.0, inf). Got -1.0 instead"),
    ("momentum", 2.0, "must be a float in the range [0.0, 1.0]. Got 2.0 instead"),
    ("validation_fraction", 1.0, "must be a float in the range [0.0, 1.0). Got 1.0 instead"),
    ("beta_1", 1.0, "[0.0, 1.0). Got 1.0 instead"),
    ("beta_2", 1.0, "[0.0, 1.0). Got 1.0 instead"),
    ("epsilon", 0.0, "(0.0, inf). Got 0.0 instead"),
    ("n_iter_no_change", 0, "Got 0 instead"),
    ("max_fun", 0, "must be an int in the range [1, inf). Got 0 instead"),
    ("dropout", 1.0, "must be a float in the range [0.0, 1.0). Got 1.0 instead"),
    ("scoring", 3, "must be an instance of 'str', a callable or None. Got 3 instead"),
    ("time_limit", 0.0, "must be a float in the range (0.0, inf) or None. Got 0.0 instead"),
    ("threads", 0, "must be an int in the range [1, inf) or None. Got 0 instead"),
    ("n_jobs", 1.5, "Got 1.5 instead"),
    ("missing", "mean", "must be a str among {'indicator'} or None. Got 'mean' instead"),
    ("categorical_features", "all", "a str among {'from_dtype'} or None. Got 'all' instead"),
    ("record", 7, "instance of 'str', an instance of 'os.PathLike' or None. Got 7 instead"),
]


@pytest.mark.parametrize(("name", "value", "words"), ALLOWED)
def test_an_error_names_the_parameter_the_value_and_what_is_allowed(
    name: str, value: Any, words: str
) -> None:
    for kind, y in ((MLPClassifier, LABELS), (MLPRegressor, NUMBERS)):
        with pytest.raises(
            ValueError, match=f"The '{name}' parameter of {kind.__name__} must be"
        ) as e:
            kind(**{name: value}).fit(X, y)
        assert words in str(e.value)
        assert type(e.value).__name__ == "InvalidParameterError"


def test_every_parameter_has_its_error_tested() -> None:
    tested = {name for name, _, _ in ALLOWED}
    free = {"verbose", "warm_start", "early_stopping", "nesterovs_momentum"}  # as `shuffle`
    assert set(MLPClassifier().get_params()) - free - {"class_weight"} == tested
    own = {"loss", "quantile"}  # in other files
    assert set(MLPRegressor().get_params()) - free - own == tested
    with pytest.raises(ValueError, match="The 'class_weight' parameter of MLPClassifier must be"):
        MLPClassifier(class_weight="even").fit(X, LABELS)
    with pytest.raises(ValueError, match=r"'loss' parameter of MLPRegressor must be .*Got 'l2'"):
        MLPRegressor(loss="l2").fit(X, NUMBERS)


MIXED: list[tuple[list[Any], str]] = [
    ([1, "a"], "y has strings and numbers among its labels, 'a' and 1;"),
    (["b", 2.5], "y has strings and numbers among its labels, 'b' and 2.5;"),
    ([None, "c"], "y has None among its labels, in row 0"),
    (["d", np.nan], "y has nan among its labels, in row 1"),
    ([None, None], "y has None among its labels, in row 0"),
    ([3, None], "y has None among its labels, in row 1"),
]


@pytest.mark.parametrize(("labels", "message"), MIXED)
def test_labels_of_two_kinds(labels: list[Any], message: str) -> None:
    for y in (labels, np.array(labels, object)):
        with pytest.raises(TypeError, match=message):
            MLPClassifier().fit([[0.0], [1.0]], y)
    with pytest.raises(TypeError, match=message):
        MLPClassifier().partial_fit([[0.0], [1.0]], labels, classes=[0, 1])
    with pytest.raises(TypeError, match=message):
        MLPClassifier(max_iter=1).fit([[0.0], [1.0]], [0, 1]).score([[0.0], [1.0]], labels)


def test_labels_that_scikit_learn_tells_of() -> None:
    pd = pytest.importorskip("pandas")
    for y in ([0.0, np.nan], pd.Series([1, None], dtype="Int64")):
        with pytest.raises(ValueError, match="Input y contains NaN"):
            MLPClassifier().fit([[0.0], [1.0]], y)
    with pytest.raises(TypeError, match="y has nan among its labels, in row 1"):
        MLPClassifier().fit([[0.0], [1.0]], pd.Series(["a", None]))
    with pytest.raises(TypeError, match="y has <NA> among its labels, in row 1"):
        MLPClassifier().fit([[0.0], [1.0]], pd.Series([1, pd.NA], dtype=object))


DAYS = np.array(["2024-02-29", "2024-03-01"], "datetime64[D]")
NO_NUMBERS: list[tuple[Any, str]] = [
    ([None, 1.0], "y has None in row 0 .counted from 0.; drop the rows without a number"),
    ([[1.0, 2.0], [3.0, None]], "y has None in row 1"),
    (np.array([1, np.nan], object), "y has nan in row 1"),
    (["1.5", "b"], "y has 'b' in row 1 .counted from 0., and a regressor predicts numbers"),
    (np.array([1, DAYS[1].item()], object), r"y has datetime.date\(2024, 3, 1\) in row 1"),
    (DAYS, r"y has type datetime64\[D\], and a regressor predicts numbers; .* such as days"),
    (DAYS - DAYS[0], r"y has type timedelta64\[D\]"),
]


@pytest.mark.parametrize(("numbers", "message"), NO_NUMBERS)
def test_what_is_no_number_to_predict(numbers: Any, message: str) -> None:
    rows = [[0.0], [1.0]]
    with pytest.raises(ValueError, match=message):
        MLPRegressor().fit(rows, numbers)
    with pytest.raises(ValueError, match=message.replace("y has", "y_val has")):
        MLPRegressor(max_iter=1).fit(rows, [0.0, 1.0], X_val=rows, y_val=numbers)
    words = MLPRegressor(max_iter=1, random_state=0).fit(rows, ["0.5", "1"])  # as scikit-learn
    assert words.coefs_[0].tobytes() == (
        MLPRegressor(max_iter=1, random_state=0).fit(rows, [0.5, 1.0]).coefs_[0].tobytes()
    )


def dated(kind: str) -> Any:
    """Two rows with a date or a span of time among their columns."""
    if kind == "array":
        return np.stack([DAYS, DAYS], 1)
    if kind == "spans":
        return np.stack([DAYS, DAYS], 1) - DAYS[0]
    if kind == "objects":
        return np.array([[0.0, day.item()] for day in DAYS], object)
    if kind == "list":
        return [[0.0, day.item()] for day in DAYS]
    if kind in ("cells", "cells in a list", "gap", "cells of spans"):
        cells = [np.datetime64("NaT")] * 2 if kind == "gap" else list(DAYS)
        rows = [[0.0, day - DAYS[0] if kind == "cells of spans" else day] for day in cells]
        return rows if kind == "cells in a list" else np.array(rows, object)
    columns = {"x0": [0.0, 1.0], "x1": [day.item() for day in DAYS]}
    if kind == "polars":
        return pytest.importorskip("polars").DataFrame(columns)
    pd = pytest.importorskip("pandas")
    times = pd.Series(DAYS.astype("M8[s]"))
    series = {
        "pandas": times,
        "zone": times.dt.tz_localize("UTC"),
        "differences": times - times[0],
        "periods": times.dt.to_period("M"),
        "cells in pandas": pd.Series(list(DAYS), dtype=object),
    }[kind]
    return pd.DataFrame({**columns, "x1": series})


DATED = {
    "array": (ValueError, r"column 'x0' has type datetime64\[D\].*days since a first date"),
    "spans": (ValueError, r"column 'x0' has type timedelta64\[D\].*neither a number"),
    "objects": (TypeError, "float.. argument must be .*column 'x1' has type object.*days since"),
    "list": (TypeError, "float.. argument must be .*column 'x1' has type object.*days since"),
    "cells": (ValueError, r"column 'x1' has type object with datetime64\[D\].*days since"),
    "cells in a list": (ValueError, r"'x1' has type object with datetime64\[D\].*days since"),
    "cells in pandas": (ValueError, r"'x1' has type object with datetime64\[D\].*days since"),
    "cells of spans": (
        ValueError,
        r"'x1' has type object with timedelta64\[D\].* numbers or leave",
    ),
    "gap": (ValueError, r"column 'x1' has type object with datetime64.*days since"),
    "polars": (ValueError, "column 'x1' has type Date.*TabularClassifier and .* take dates"),
    "pandas": (ValueError, "column 'x1' has type Datetime.*days since a first date"),
    "zone": (ValueError, "column 'x1' has type Datetime.*days since a first date"),
    "differences": (ValueError, "column 'x1' has type Duration.*turn it into numbers or leave"),
    "periods": (TypeError, "float.. argument must be .*column 'x1' has type .*turn it into"),
}


@pytest.mark.filterwarnings("ignore:X has feature names")
@pytest.mark.parametrize("kind", DATED)
def test_dates_are_no_numbers(kind: str) -> None:
    rows, (error, message) = dated(kind), DATED[kind]
    for est in (MLPClassifier(), MLPRegressor()):
        with pytest.raises(error, match=message):
            est.fit(rows, [0, 1])
        with pytest.raises(ValueError, match=message.rpartition("column ")[2]):
            est.set_params(missing="indicator").fit(rows, [0, 1])
    fitted = MLPClassifier(max_iter=1).fit(np.eye(2), [0, 1])
    with pytest.raises(error, match="X_val: .*" + message):
        fitted.fit(np.eye(2), [0, 1], X_val=rows, y_val=[0, 1])
    with pytest.raises(error, match=message):
        fitted.predict(rows)


def test_errors_about_data() -> None:
    with pytest.raises(ValueError, match=r"Expected (a 2-dim|2D array)"):
        MLPClassifier().fit(pytest.importorskip("pandas").Series([0.0, 1.0]), [0, 1])
    est = MLPClassifier(**QUICK).fit(X, LABELS)
    with pytest.raises(ValueError, match="X has 3 features, but MLPClassifier is expecting 4"):
        est.predict(X[:, :3])
    with pytest.raises(ValueError, match=r'contains NaN.*missing="indicator" allows them'):
        est.predict(np.full((1, 4), np.nan))
    with pytest.raises(
        ValueError, match=r"could not convert string to float.*categorical_features"
    ):
        est.fit([["a", 1.0], ["b", 2.0]], [0, 1])
    with pytest.raises(ValueError, match="y_val has the label 7, which is not a class of y"):
        est.fit(X, LABELS, X_val=X[:1], y_val=[7])
    with pytest.raises(ValueError, match="go together; y_val is missing"):
        est.fit(X, LABELS, X_val=X)
    with pytest.raises(ValueError, match="X_val has 150 rows and y_val has 9; wanted"):
        est.fit(X, LABELS, X_val=X, y_val=LABELS[:9])
    with pytest.raises(ValueError, match="threads=1 and n_jobs=2 mean the same"):
        MLPClassifier(threads=1, n_jobs=2).fit(X, LABELS)
    with pytest.raises(ValueError, match=r"y_val has shape \(\d+, 2\); wanted 1 number"):
        MLPRegressor(**QUICK).fit(X, NUMBERS, X_val=X, y_val=X[:, :2])


# -- the rest -------------------------------------------------------------------------------------


def test_n_jobs_counts_threads_and_changes_no_bit() -> None:
    x, y = load_diabetes(return_X_y=True)
    fits = [
        MLPRegressor(hidden_layer_sizes=64, n_jobs=n, random_state=0, max_iter=3).fit(x, y)
        for n in (1, 2, -1)
    ]
    assert fits[1]._threads == 2
    assert all(np.array_equal(fits[0].coefs_[0], own.coefs_[0]) for own in fits)


def test_a_time_limit_ends_lbfgs_too() -> None:
    est = MLPRegressor(solver="lbfgs", time_limit=1e-9, random_state=0).fit(X, NUMBERS)
    assert est.n_iter_ == len(est.loss_curve_) == 1


def test_a_quantile_of_ones_choice() -> None:
    """A network that sees a constant answers with the quantile: of 1 … 9, the 0.8-quantile is 8."""
    y = np.tile(np.arange(1.0, 10.0), 30)
    given = {"random_state": 0, "max_iter": 600, "learning_rate_init": 0.02, "alpha": 0.0}
    est = MLPRegressor(gn.losses.Quantile(0.8), tol=0.0, n_iter_no_change=np.inf, **given)
    assert est.fit(np.ones((len(y), 1)), y).predict([[1.0]])[0] == pytest.approx(8.0, abs=0.25)
