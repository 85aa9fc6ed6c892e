"""What is done at once to save time gives what doing it singly gives: epochs that nobody looks
between, labels, scores, names of parameters."""

# scikit-learn has no types
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score
from sklearn.neural_network import MLPClassifier as Theirs
from sklearn.preprocessing import LabelBinarizer

from glassnet import MLPClassifier
from glassnet.estimators.mlp.labels import binarize
from glassnet.training.step_runner import EpochCalls

DRAWN = np.random.RandomState(0)
X = DRAWN.normal(size=(90, 5))
Y = (X[:, 0] + 0.3 * DRAWN.normal(size=90) > 0).astype(int)

FITS: dict[str, dict[str, Any]] = {
    "a batch left over": {},
    "none left over": {"batch_size": 30},
    "all rows at once": {"batch_size": 90},
    "small batches": {"batch_size": 7, "max_iter": 200, "n_iter_no_change": 2},
    "stopped by the loss": {"tol": 0.02, "max_iter": 500, "n_iter_no_change": 4},
    "never stopped": {"n_iter_no_change": np.inf},
    "in order": {"shuffle": False},
    "sgd": {"solver": "sgd"},
    "adaptive": {"solver": "sgd", "learning_rate": "adaptive", "tol": 0.02, "max_iter": 500},
    "invscaling": {"solver": "sgd", "learning_rate": "invscaling"},
    "dropout": {"dropout": 0.3},
}


def fitted(state: Any, **given: Any) -> Any:
    settings: dict[str, Any] = {
        "batch_size": 40,
        "max_iter": 35,
        "learning_rate_init": 0.01,
        **given,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return MLPClassifier((6,), random_state=state, **settings).fit(X, Y)


def same(one: Any, other: Any) -> None:
    for a, b in zip(one.coefs_ + one.intercepts_, other.coefs_ + other.intercepts_, strict=True):
        np.testing.assert_array_equal(a, b)
    for name in ("loss_curve_", "best_loss_", "loss_", "n_iter_", "t_"):
        assert getattr(one, name) == getattr(other, name)


@pytest.mark.parametrize("name", FITS)
def test_epochs_together_are_epochs_one_by_one(name: str) -> None:
    states = [np.random.RandomState(5) for _ in range(2)]
    together = fitted(states[0], **FITS[name])
    # the clock is read after every epoch
    same(together, fitted(states[1], time_limit=1e9, **FITS[name]))
    assert states[0].randint(1 << 30) == states[1].randint(1 << 30)


def test_epochs_are_really_taken_together(taken: list[int]) -> None:
    fitted(0, n_iter_no_change=10, tol=0.0)
    assert sum(taken) == 35
    assert taken[0] == 11  # the eleventh epoch is the first that could be the last
    taken.clear()
    fitted(0, time_limit=1e9)
    assert taken == [1] * 35


def test_no_order_is_drawn_that_is_not_used() -> None:
    """A fit that stops early leaves the RandomState where scikit-learn's leaves it."""
    settings: dict[str, Any] = {"tol": 0.02, "max_iter": 500, "batch_size": 40}
    states = [np.random.RandomState(1) for _ in range(2)]
    ours = MLPClassifier((6,), learning_rate_init=0.01, random_state=states[0], **settings)
    theirs = Theirs((6,), learning_rate_init=0.01, random_state=states[1], **settings)
    assert ours.fit(X, Y).n_iter_ == theirs.fit(X, Y).n_iter_ < 500
    assert states[0].randint(1 << 30) == states[1].randint(1 << 30)


@pytest.mark.filterwarnings("ignore:Training interrupted")
def test_epochs_done_before_ctrl_c_are_written_down(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = fitted(0, max_iter=4, n_iter_no_change=np.inf)
    real, calls = EpochCalls.run, [0]

    def interrupted(steps: EpochCalls, epoch: int, count: int = 1) -> None:
        calls[0] += count
        if calls[0] == 5:
            raise KeyboardInterrupt
        real(steps, epoch, count)

    monkeypatch.setattr(EpochCalls, "run", interrupted)
    cut = fitted(0, max_iter=30, n_iter_no_change=np.inf)
    same(cut, whole)


def test_sparse_rows_take_several_epochs_too() -> None:
    given: dict[str, Any] = {"batch_size": 40, "max_iter": 9, "random_state": 0, "tol": 0.0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        same(*(MLPClassifier((6,), **given).fit(x, Y) for x in (X, sp.csr_array(X))))


LABELS = {
    "two": DRAWN.randint(0, 2, 50),
    "three": DRAWN.randint(-1, 2, 50).astype("int8"),
    "bool": DRAWN.randint(0, 2, 50) > 0,
    "words": DRAWN.randint(0, 3, 50).astype(str).astype("U9"),
    "objects": DRAWN.randint(0, 3, 50).astype(str).astype(object),
    "floats": DRAWN.randint(0, 2, 50).astype(float),
    "one": np.zeros(9, int),
    "as many as rows": np.arange(9),
    "several": DRAWN.randint(0, 2, (50, 3)),
}


@pytest.mark.parametrize("name", LABELS)
def test_labels_are_read_as_scikit_learn_reads_them(name: str) -> None:
    y = LABELS[name]
    ours, target = binarize(y)
    theirs = LabelBinarizer().fit(y)
    assert vars(ours).keys() == vars(theirs).keys()
    for key, value in vars(theirs).items():
        np.testing.assert_array_equal(getattr(ours, key), value)
    assert ours.classes_.dtype == theirs.classes_.dtype
    wanted = theirs.transform(y).astype(bool)
    assert target.dtype == wanted.dtype
    np.testing.assert_array_equal(target, wanted)


@pytest.mark.parametrize("kind", [int, str, float, object, list])
def test_score_is_the_accuracy(kind: Any) -> None:
    y = Y.tolist() if kind is list else Y.astype(str).astype(kind)
    est = MLPClassifier((6,), solver="lbfgs", max_iter=5, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        est.fit(X, y)
    flipped = [*y[:80], *y[:10]] if kind is list else np.concatenate([y[:80], y[:10]])
    weight = np.linspace(1, 2, 90)
    found = est.predict(X)
    for w in (None, weight):
        assert est.score(X, flipped, w) == accuracy_score(flipped, found, sample_weight=w)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        est.score(X, flipped[:-1])


class Wider(MLPClassifier):
    def __init__(self, hidden_layer_sizes: Any = (3,), extra: int = 1) -> None:
        super().__init__(hidden_layer_sizes)
        self.extra = extra


def test_a_subclass_has_its_own_parameters() -> None:
    assert "alpha" in MLPClassifier().get_params()
    assert Wider().get_params() == {"hidden_layer_sizes": (3,), "extra": 1}
    assert "extra" not in MLPClassifier().get_params()
