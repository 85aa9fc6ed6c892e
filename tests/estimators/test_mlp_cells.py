"""Numbers of Python's own that float64 does not hold, in every place where an estimator reads."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from glassnet import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

ROWS = [[0.0, 1.0], [1.0, 2.0], [2.0, 3.0]]
GOALS: dict[type[Any], list[int]] = {MLPClassifier: [0, 1, 0], MLPRegressor: [3, 4, 5]}
LARGE = [
    10**400,
    -(10**400),
    Fraction(10**800, 10**400),
    10**5000,
]  # the last, Python will not print
SIZES = [r"1e\+400", r"-1e\+400", r"1e\+400", r"1e\+5000"]


def made(kind: Any, **given: Any) -> Any:
    return kind(**given, max_iter=1, random_state=0)


def forms(rows: list[Any]) -> list[Any]:
    frame = pytest.importorskip("pandas").DataFrame(rows, columns=["x0", "x1"], dtype=object)
    return [rows, tuple(rows), np.array(rows, object), frame]


@pytest.mark.filterwarnings("ignore:X has feature names")
@pytest.mark.parametrize("kind", GOALS)
@pytest.mark.parametrize(("cell", "size"), list(zip(LARGE, SIZES, strict=True)), ids=SIZES)
def test_rows(kind: Any, cell: Any, size: str) -> None:
    message = rf"X has a number of about {size} in column 'x1', row 2 .* ends at 1.8e\+308; scale"
    y = GOALS[kind]
    fitted = made(kind).fit(ROWS, y)
    for x in forms([*ROWS[:2], [2, cell]]):
        for own in ({}, {"missing": "indicator"}, {"categorical_features": [0]}):
            with pytest.raises(ValueError, match=message):
                made(kind, **own).fit(x, y)
        with pytest.raises(ValueError, match=message):
            made(kind, missing="indicator").fit(ROWS, y).predict(x)
        with pytest.raises(ValueError, match=message):
            fitted.predict(x)
        with pytest.raises(ValueError, match=message):
            fitted.partial_fit(x, y)
        with pytest.raises(ValueError, match=f"X_val: {message}"):
            made(kind).fit(ROWS, y, X_val=x, y_val=y)


@pytest.mark.parametrize(("cell", "size"), list(zip(LARGE, SIZES, strict=True)), ids=SIZES)
def test_numbers_to_predict(cell: Any, size: str) -> None:
    for y, row in (([0, cell, 2.5], 1), ([[0, 1], [2, 3], [4, cell]], 2)):
        message = rf"has a number of about {size} in row {row} .* ends at 1.8e\+308; scale"
        for given in (y, np.array(y, object)):
            with pytest.raises(ValueError, match=f"^y {message}"):
                made(MLPRegressor).fit(ROWS, given)
            with pytest.raises(ValueError, match=f"^y {message}"):
                made(MLPRegressor).partial_fit(ROWS, given)
            with pytest.raises(ValueError, match=f"^y_val {message}"):
                made(MLPRegressor).fit(ROWS, GOALS[MLPRegressor], X_val=ROWS, y_val=given)


@pytest.mark.parametrize("label", [10**400, -(10**400), 2**64, 10**5000], ids="abcd")
def test_classes(label: int) -> None:
    message = r"has a number of about .* among its labels, in row 1 .*number the classes: numpy"
    est = made(MLPClassifier).fit(ROWS, [0, 1, 0])
    for y in ([0, label, 0], np.array([0, label, 0], object), ["a", label, "b"]):
        with pytest.raises(ValueError, match=f"^y {message}"):
            made(MLPClassifier).fit(ROWS, y)
        with pytest.raises(ValueError, match=f"^y {message}"):
            made(MLPClassifier).partial_fit(ROWS, y, classes=[0, 1])
        with pytest.raises(ValueError, match=f"^y_val {message}"):
            made(MLPClassifier).fit(ROWS, [0, 1, 0], X_val=ROWS, y_val=y)
        with pytest.raises(ValueError, match=f"^y {message}"):
            est.score(ROWS, y)
    with pytest.raises(ValueError, match=f"^classes {message}"):
        made(MLPClassifier).partial_fit(ROWS, [0, 1, 0], classes=[0, label])
    y = np.unique(np.array([0, label, 0], object), return_inverse=True)[1]  # as the message says
    assert set(made(MLPClassifier).fit(ROWS, y).classes_) == {0, 1}


@pytest.mark.parametrize("kind", GOALS)
def test_weights(kind: Any) -> None:
    with pytest.raises(ValueError, match=r"^sample_weight has a number of about 1e\+400 in row 1"):
        made(kind).fit(ROWS, GOALS[kind], sample_weight=[1, 10**400, 1])


def test_the_largest_numbers_that_float64_takes_are_taken() -> None:
    """2¹⁰²⁴ − 2⁹⁷⁰ is halfway between the largest number and the one that would follow it."""
    half = 2**1024 - 2**970
    with pytest.raises(ValueError, match="X has a number of about"):
        made(MLPRegressor).fit([[half], [0]], [0, 1])
    est = made(MLPRegressor).fit([[0.0], [1.0]], [0, 1])
    with np.errstate(over="ignore", invalid="ignore"):
        found = est.predict([[half - 1], [0]])
        wanted = est.predict([[np.finfo(float).max], [0.0]])
    assert found.tobytes() == wanted.tobytes()
