"""`partial_fit` again and again keeps its trainer: the same numbers as one that is made anew each
time, after every change that a user can make."""

from __future__ import annotations

import copy
import pickle
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from glassnet import MLPClassifier, MLPRegressor
from tests.estimators.common import LABELS, NUMBERS, X

CLASSES = [0, 1, 2]


def change_weights(est: Any) -> None:
    est.coefs_[0] = est.coefs_[0] * 0.5


def change_in_place(est: Any) -> None:
    est.intercepts_[0][...] = 0.25


def change_state(est: Any) -> None:
    est._optimizer = copy.deepcopy(est._optimizer)
    est._optimizer.learning_rate = 0.5


CHANGES: dict[str, Callable[[Any], Any]] = {
    "nothing": lambda est: None,
    "weights": change_weights,
    "weights in place": change_in_place,
    "alpha": lambda est: est.set_params(alpha=0.7),
    "beta": lambda est: est.set_params(beta_1=0.5),
    "momentum": lambda est: est.set_params(momentum=0.2),
    "activation": lambda est: est.set_params(activation="tanh"),
    "order": lambda est: est.set_params(shuffle=False),
    "batches": lambda est: est.set_params(batch_size=2),
    "memory": change_state,
    "a fit": lambda est: est.set_params(max_iter=2).fit(X, LABELS),
    "a seed": lambda est: est.set_params(random_state=9),
    "dropout": lambda est: est.set_params(dropout=0.3),
}


def anew(est: Any) -> Any:
    """The same estimator without what it keeps."""
    return pickle.loads(pickle.dumps(est))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("name", CHANGES)
def test_a_kept_trainer_gives_the_numbers_of_a_new_one(name: str, solver: str) -> None:
    kept = MLPClassifier((6,), solver=solver, random_state=0, learning_rate="adaptive")
    for first in range(0, 12, 3):
        kept.partial_fit(X[first : first + 3], LABELS[first : first + 3], classes=CLASSES)
    fresh = anew(kept)
    for first in range(12, 24, 3):
        for est in (kept, fresh):
            if first == 18:
                CHANGES[name](est)
            est.partial_fit(X[first : first + 3], LABELS[first : first + 3])
        fresh = anew(fresh)
        for a, b in zip(
            kept.coefs_ + kept.intercepts_, fresh.coefs_ + fresh.intercepts_, strict=True
        ):
            assert a.tobytes() == b.tobytes()
        assert kept.loss_curve_ == fresh.loss_curve_
        assert (kept.t_, kept.n_iter_, kept._optimizer.t) == (
            fresh.t_, fresh.n_iter_, fresh._optimizer.t
        )  # fmt: skip
        assert kept._optimizer.learning_rate == fresh._optimizer.learning_rate


def test_rows_of_the_user_are_left_as_they_are() -> None:
    est = MLPRegressor(hidden_layer_sizes=(4,), random_state=0)
    first, second = X[:2].copy(), X[2:4].copy()
    for rows, y in ((first, NUMBERS[:2]), (second, NUMBERS[2:4]), (first, NUMBERS[:2])):
        est.partial_fit(rows, y)
    np.testing.assert_array_equal(first, X[:2])
    np.testing.assert_array_equal(second, X[2:4])


def test_a_deep_copy_goes_its_own_way() -> None:
    est = MLPRegressor(hidden_layer_sizes=(4,), random_state=0)
    for _ in range(2):
        est.partial_fit(X[:2], NUMBERS[:2])
    other = copy.deepcopy(est)
    before = [w.copy() for w in est.coefs_]
    other.partial_fit(X[:2], NUMBERS[:2])
    for known, now, moved in zip(before, est.coefs_, other.coefs_, strict=True):
        np.testing.assert_array_equal(known, now)
        assert not np.array_equal(now, moved)


def test_a_random_state_is_kept_only_while_nothing_was_drawn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Rows one by one draw nothing; what then draws begins at the seed, as if made anew."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(30, 3)), rng.normal(size=30)

    def fitted() -> tuple[Any, int]:
        est = MLPRegressor(hidden_layer_sizes=(4,), random_state=3)
        seen: list[Any] = []
        for a, b in ((0, 9), (0, 1), (1, 2), (2, 20), (5, 6), (9, 27)):
            est.partial_fit(x[a:b], y[a:b])
            seen.append(est._random_state)
        est.set_params(random_state=4)
        est.partial_fit(x[:1], y[:1])
        est.partial_fit(x, y)
        return est, len({id(own) for own in seen})

    own, made = fitted()

    def anew(self: Any, again: bool) -> None:
        self._random_state = np.random.RandomState(self.random_state)

    monkeypatch.setattr(MLPRegressor, "_fresh_random_state", anew)
    wanted, all_made = fitted()
    assert made < all_made == 6
    for one, other in zip(own.coefs_, wanted.coefs_, strict=True):
        assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize("kind", [MLPRegressor, MLPClassifier])
def test_a_further_row_takes_few_calls_of_functions(kind: Any) -> None:
    """What a call of one row takes is Python; 0.15 ms are about 500 calls of its functions."""
    x = np.random.default_rng(0).normal(size=(20, 10))
    y = (x[:, 0] > 0).astype(int)
    given = {"classes": [0, 1]} if kind is MLPClassifier else {}
    est = kind(hidden_layer_sizes=(100,), random_state=0).partial_fit(x[:1], y[:1], **given)
    for row in range(5):
        est.partial_fit(x[row : row + 1], y[row : row + 1])
    count = 0

    def heard(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(heard)
    try:
        est.partial_fit(x[7:8], y[7:8])
    finally:
        sys.setprofile(None)
    assert 0 < count < 500
