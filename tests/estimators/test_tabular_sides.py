"""Groups, order and a test set of the estimators of tables."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from glassnet import TabularClassifier, TabularRegressor
from glassnet.errors import TableWarning

pd = pytest.importorskip("pandas")


def people() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """50 persons with 8 nearly equal rows each, and a coin a person for a label."""
    random = np.random.default_rng(3)
    who = random.permutation(np.repeat(np.arange(50), 8))
    x = random.normal(size=(50, 5))[who] + 0.01 * random.normal(size=(400, 5))
    return x, (random.permutation(50) % 2)[who], who


def test_near_twins_are_warned_of() -> None:
    x, y, _ = people()
    with pytest.warns(TableWarning, match="small groups of nearly equal rows"):
        est = TabularClassifier(max_epochs=30).fit(x, y)
    assert est.score_.value > 0.9


@pytest.mark.parametrize("named", [True, False])
def test_groups(named: bool) -> None:
    x, y, who = people()
    frame = pd.DataFrame(x, columns=list("abcde"))
    if named:
        frame["who"] = who
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        est = TabularClassifier(max_epochs=30).fit(frame, y, groups="who" if named else who)
    # Doubles of training rows would give 0.95. There are 50 groups: the standard error is 0.07.
    # Where groups of a class are left out, the other class prevails in training, so that coins are
    # guessed worse than by chance: a linear model has 0.245 here. The gain of averaging is apart.
    assert est.score_.value - est.score_.averaging == pytest.approx(0.5, abs=3.1 * 0.07)
    assert est.score_.value < 0.5 + 2 * 0.07
    assert est.n_features_in_ == len(frame.columns)
    assert list(est.columns_) == list(frame.columns)
    assert len(est.predict(frame)) == 400
    assert "who" not in est.model_.schema.names


def test_an_array_keeps_its_places() -> None:
    x, y, who = people()
    est = TabularClassifier(max_epochs=5).fit(x, y, groups=who)
    assert est.columns_ == {f"x{place}": "number" for place in range(5)}
    assert len(est.predict(x)) == 400


def test_order() -> None:
    random = np.random.default_rng(0)
    day = random.permutation(200)
    dates = np.datetime64("2024-01-01") + day
    frame = pd.DataFrame({"x": random.normal(size=200)})
    est = TabularRegressor(max_epochs=5).fit(frame, day * 1.0, order=dates)
    assert est.score_.rows == 40
    # The last fifth has the days from 160 on; the constant is the mean of those before, or so.
    assert est.score_.constant == pytest.approx(179.5 - 63.5, abs=8)
    texts = [str(date) for date in dates]
    same = TabularRegressor(max_epochs=5).fit(frame, day * 1.0, order=texts)
    assert same.score_ == est.score_


def test_a_test_set() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(300, 3))
    y = np.where(x[:, 0] > 0, "up", "down")
    est = TabularClassifier(max_epochs=20).fit(x[:200], y[:200], test=(x[200:], y[200:]))
    assert est.score_.rows == 100
    assert est.score_.value == est.score(x[200:], y[200:])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"groups": "nobody"}, "not a column of X"),
        ({"groups": [1, 2]}, "inconsistent numbers of samples"),
        ({"test": np.zeros((4, 5))}, "a pair"),
        ({"test": (np.zeros((4, 5)), [0, 1])}, "inconsistent numbers of samples"),
        ({"groups": np.zeros(400)}, "one value in all rows"),
    ],
)
def test_refusals(given: dict[str, object], message: str) -> None:
    x, y, _ = people()
    with pytest.raises(ValueError, match=message):
        TabularClassifier(max_epochs=2).fit(x, y, **given)
