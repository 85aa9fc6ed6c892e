"""Calls that an MLP estimator keeps ready for few rows: the same answers as for many rows, after
every change that a user can make, and scikit-learn's own refusals."""

from __future__ import annotations

import copy
import pickle
import re
from typing import Any

import numpy as np
import pytest
import sklearn.neural_network as theirs

from glassnet import MLPClassifier, MLPRegressor
from glassnet.estimators.mlp.call_cache import FEW, MOST_CALLS

pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer")

X = np.random.default_rng(0).standard_normal((200, 4))
LABELS = np.array(["a", "b", "c"])[(X[:, 0] > 0) + (X[:, 1] > 0).astype(int)]
SHORT: dict[str, Any] = {"max_iter": 5, "random_state": 0, "hidden_layer_sizes": (6,)}


def by_hand(est: Any, x: np.ndarray) -> np.ndarray:
    """The output before its activation, by NumPy."""
    return (
        np.maximum(x @ est.coefs_[0] + est.intercepts_[0], 0) @ est.coefs_[1] + est.intercepts_[1]
    )


@pytest.mark.parametrize("y", [LABELS, LABELS == "a", np.stack([LABELS == "a", X[:, 2] > 0], 1)])
def test_one_row_gets_the_answer_that_it_gets_among_many(y: np.ndarray) -> None:
    est = MLPClassifier(**SHORT).fit(X, y)
    for method in (est.predict, est.predict_proba):
        among = method(X)
        assert len(among) > FEW
        for i in (0, 1, 7):
            np.testing.assert_array_equal(method(X[i : i + 1])[0], among[i])
            np.testing.assert_array_equal(method(X[i : i + 2]), among[i : i + 2])


def test_results_are_arrays_of_their_own() -> None:
    est = MLPRegressor(**SHORT).fit(X, X[:, 0])
    first = est.predict(X[:1])
    kept = first.copy()
    est.predict(X[1:2])
    assert first == kept


def test_changed_weights_and_settings_count() -> None:
    est = MLPRegressor(**SHORT).fit(X, X[:, 0])
    one = X[:1]
    est.predict(one)
    est.intercepts_[1][...] += 1.0  # in place
    np.testing.assert_allclose(est.predict(one), by_hand(est, one)[0])
    est.coefs_[1] = est.coefs_[1] * 2  # another array
    np.testing.assert_allclose(est.predict(one), by_hand(est, one)[0])
    est.set_params(activation="identity")
    z = (one @ est.coefs_[0] + est.intercepts_[0]) @ est.coefs_[1] + est.intercepts_[1]
    np.testing.assert_allclose(est.predict(one), z[0])
    est.set_params(activation="relu").partial_fit(X, X[:, 0])
    np.testing.assert_allclose(est.predict(one), by_hand(est, one)[0])


def test_copies_and_pickles_answer_by_their_own_weights() -> None:
    est = MLPRegressor(**SHORT).fit(X, X[:, 0])
    before = est.predict(X[:1])
    for other in (pickle.loads(pickle.dumps(est)), copy.deepcopy(est), copy.copy(est)):
        other.coefs_ = [w * 0 for w in other.coefs_]
        np.testing.assert_array_equal(other.predict(X[:1]), other.intercepts_[1])
        np.testing.assert_array_equal(est.predict(X[:1]), before)


def test_few_and_many_numbers_of_rows() -> None:
    """More than are kept at a time."""
    est = MLPRegressor(**SHORT).fit(X, X[:, 0])
    for count in [*range(1, MOST_CALLS + 4), 1, FEW, FEW + 1]:
        np.testing.assert_allclose(est.predict(X[:count]), by_hand(est, X[:count])[:, 0])


@pytest.mark.parametrize("layout", ["F", "strided", "float32", "int", "list", "matrix"])
def test_any_layout_of_rows(layout: str) -> None:
    est = MLPRegressor(**SHORT).fit(X, X[:, 0])
    rows = np.round(X[:4] * 4)
    given: Any = {
        "F": lambda: np.asfortranarray(rows),
        "strided": lambda: np.repeat(rows, 2, 1)[:, ::2],
        "float32": lambda: rows.astype(np.float32),
        "int": lambda: rows.astype(int),
        "list": rows.tolist,
        "matrix": lambda: np.ma.masked_array(rows),
    }[layout]()
    est.predict(rows)
    np.testing.assert_allclose(est.predict(given), by_hand(est, rows)[:, 0], rtol=1e-6)


@pytest.mark.parametrize(
    "wrong",
    [
        np.full((1, 4), np.nan), np.full((1, 4), np.inf), X[:1, :3], X[0], X[:0],
        np.array([["a"] * 4]), X[None, :1],
    ],
)  # fmt: skip
def test_refusals_are_those_of_scikit_learn(wrong: np.ndarray) -> None:
    ours = MLPRegressor(**SHORT).fit(X, X[:, 0])
    other = theirs.MLPRegressor(**SHORT).fit(X, X[:, 0])
    ours.predict(X[:1])
    with pytest.raises(ValueError, match=r".") as known:
        other.predict(wrong)
    # ours may add which parameter would take such rows
    head = str(known.value).partition("\n")[0].rstrip(".")
    with pytest.raises(ValueError, match=re.escape(head)):
        ours.predict(wrong)


def test_names_of_columns_are_still_compared() -> None:
    pytest.importorskip("pandas")
    import pandas as pd

    frame = pd.DataFrame(X, columns=list("abcd"))
    est = MLPRegressor(**SHORT).fit(frame, X[:, 0])
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        est.predict(X[:1])
    with pytest.raises(ValueError, match="feature names should match"):
        est.predict(frame.iloc[:1, ::-1])
