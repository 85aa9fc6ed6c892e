"""Every refusal of an argument names it, what was given, and what is wanted."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet import MLPClassifier, MLPRegressor
from tests.estimators.common import LABELS, NUMBERS, X

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
GAP = np.where(X > 3.0, np.nan, X)

# parameter, value, what the message says besides the parameter's name; all are ValueErrors
SETTINGS: list[tuple[str, Any, str]] = [
    ("hidden_layer_sizes", (10, "a"), "(10, 'a') has 'a'; it takes whole numbers of 1 or more"),
    ("hidden_layer_sizes", (10, 0), "must be > 0, got [10, 0]."),
    ("hidden_layer_sizes", (3.5,), "has 3.5; it takes whole numbers"),
    ("hidden_layer_sizes", [[3], [4, 5]], "has [3]; it takes whole numbers"),
    ("hidden_layer_sizes", True, "has True; it takes whole numbers"),
    ("activation", [3], "=3 is not an activation; use one of ['elu', 'gelu', 'identity'"),
    ("activation", np.tanh, "a function written with glassnet.ops, such as ops.tanh"),
    ("activation", ["relo"], "='relo' is unknown; use one of ['elu', 'gelu'"),
    ("activation", ["relu", "tanh"], "has 2 entries and hidden_layer_sizes 1"),
    ("activation", gn.nn.PReLU(), "has parameters of its own"),
    ("validation_fraction", 0.0, "=0.0 holds out no rows, and early_stopping=True needs some"),
    ("n_jobs", 0, "=0 is not a number of threads; use 1 or more, or -1 for all"),
    ("scoring", "acc", "'acc' is not a valid scoring value"),
    ("class_weight", {0: "x"}, "gives class 0 the weight 'x'; weights are numbers of 0 or more"),
    ("class_weight", {0: -1.0}, "gives class 0 the weight -1.0"),
    ("class_weight", {9: 1.0}, "The classes, [0, 1, 2], are not in class_weight"),
    ("class_weight", 3, "must be a str among {'balanced'}, an instance of 'dict' or None. Got 3"),
    ("categorical_features", [9], "has 9; as feature indices it must be in the range [0, 3]"),
    ("record", 3, "must be an instance of 'str', an instance of 'os.PathLike' or None. Got 3"),
]


@pytest.mark.parametrize(("name", "value", "message"), SETTINGS)
def test_a_parameter(name: str, value: Any, message: str) -> None:
    given: dict[str, Any] = {"early_stopping": name in ("validation_fraction", "scoring")}
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        MLPClassifier(max_iter=2, **given, **{name: value}).fit(X, LABELS)
    assert name.partition("_")[0] in str(caught.value)


def classified(**given: Any) -> Callable[[], Any]:
    rows = {"X": X, "y": LABELS} | {n: own for n, own in given.items() if n in ("X", "y")}
    rest = {name: own for name, own in given.items() if name not in rows}
    return lambda: MLPClassifier(max_iter=2).fit(rows["X"], rows["y"], **rest)


def validated(**given: Any) -> Callable[[], Any]:
    return classified(**{"X_val": X, "y_val": LABELS, **given})


def predicted(y_val: Any, loss: str = "squared_error") -> Callable[[], Any]:
    return lambda: MLPRegressor(loss, max_iter=2).fit(X, abs(NUMBERS), X_val=X, y_val=y_val)


def started(**given: Any) -> Callable[[], Any]:
    return lambda: (
        MLPClassifier(max_iter=2, warm_start=True).fit(X, LABELS).set_params(**given).fit(X, LABELS)
    )


ONES = np.ones(len(X))
TWO = np.stack([LABELS, LABELS], 1)
MIXED = np.array(["a", 1, 2] * 50, object)
ARGUMENTS: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "X_val alone": (classified(X_val=X), ValueError, "go together; y_val is missing"),
    "y_val alone": (classified(y_val=LABELS), ValueError, "go together; X_val is missing"),
    "weights alone": (classified(sample_weight_val=ONES), ValueError, "X_val is missing"),
    "columns of X_val": (validated(X_val=X[:, :2]), ValueError, "X_val: X has 2 features, but"),
    "rows of X_val": (validated(X_val=X[:5]), ValueError, "X_val has 5 rows and y_val has 150"),
    "gaps in X_val": (validated(X_val=GAP), ValueError, "X_val: Input X contains NaN. missing="),
    "no X_val": (validated(X_val=X[:0], y_val=[]), ValueError, "X_val: Found array with 0 sample"),
    "a new label": (
        validated(y_val=LABELS + 1),
        ValueError,
        "y_val has the label 3, which is not a",
    ),
    "mixed y_val": (validated(y_val=MIXED), TypeError, "y_val has strings and numbers"),
    "two labels": (validated(y_val=TWO), ValueError, "y_val has shape (150, 2); wanted one label"),
    "weights of 2 columns": (
        validated(sample_weight_val=np.ones((150, 2))),
        ValueError,
        "sample_weight_val: Sample weights must be 1D array or scalar",
    ),
    "three weights": (
        validated(sample_weight_val=ONES[:3]),
        ValueError,
        "sample_weight_val.shape == (3,), expected (150,)",
    ),
    "negative weights": (
        validated(sample_weight_val=-ONES),
        ValueError,
        "Negative values in data passed to `sample_weight_val`",
    ),
    "weights in words": (
        validated(sample_weight_val=["a"] * 150),
        ValueError,
        "sample_weight_val: could not convert string to float: 'a'",
    ),
    "negative row weights": (
        classified(sample_weight=-ONES),
        ValueError,
        "Negative values in data passed to `sample_weight`",
    ),
    "mixed y": (classified(y=MIXED), TypeError, "y has strings and numbers among its labels"),
    "a missing label": (
        classified(y=np.array(["a", "b", None] * 50, object)),
        TypeError,
        "y has None among its labels, in row 2 (counted from 0); drop the rows",
    ),
    "a missing number": (
        predicted(np.where(LABELS == 1, np.nan, NUMBERS)),
        ValueError,
        "y_val is not finite in row 50 (counted from 0)",
    ),
    "words for numbers": (predicted(["a"] * 150), ValueError, "y_val has 'a' in row 0 (counted"),
    "two numbers": (predicted(TWO), ValueError, "y_val has shape (150, 2); wanted 1 number a row"),
    "negative counts": (
        predicted(LABELS - 1, "poisson"),
        ValueError,
        "loss='poisson' takes y_val >= 0; the smallest y_val is -1",
    ),
    "another network": (
        started(hidden_layer_sizes=(3, 2)),
        ValueError,
        "hidden_layer_sizes=(3, 2), but the network that is to be trained further has [100]",
    ),
    "a layer in words": (
        lambda: MLPClassifier(max_iter=2).fit(X, LABELS).transform(X, layer="last"),
        ValueError,
        "layer='last'; the network has hidden layers 1 to 1, or from the end -1 to -1",
    ),
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_an_argument_of_fit(name: str) -> None:
    call, error, message = ARGUMENTS[name]
    with pytest.raises(error, match=re.escape(message)):
        call()


def test_validation_rows_in_their_other_forms() -> None:
    est = MLPClassifier(max_iter=2, random_state=0)
    plain = est.fit(X, LABELS, X_val=X, y_val=LABELS).validation_scores_
    listed = est.fit(X, LABELS, X_val=X.tolist(), y_val=LABELS[:, None]).validation_scores_
    assert plain == listed
