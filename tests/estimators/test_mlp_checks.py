"""What is taken unchecked is what scikit-learn's checks would hand back, the very same arrays."""

# scikit-learn has no types
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.utils import check_array, check_X_y

from glassnet import MLPClassifier, MLPRegressor
from glassnet.estimators.mlp.value_checks import is_table, is_training

DRAWN = np.random.RandomState(0)
X = DRAWN.normal(size=(8, 3))
Y = DRAWN.randint(0, 2, 8)
HOW: dict[str, Any] = {"dtype": (np.float64, np.float32), "order": "C"}


def changed(place: tuple[int, ...], value: float, array: np.ndarray = X) -> np.ndarray:
    other = array.astype(float)
    other[place] = value
    return other


SOUND: dict[str, tuple[Any, Any]] = {
    "float64": (X, Y),
    "float32": (X.astype(np.float32), Y),
    "words": (X, Y.astype(str)),
    "truths": (X, Y > 0),
    "numbers": (X, X[:, 0]),
    "several": (X, np.ascontiguousarray(X[:, :2])),
    "read-only": (np.broadcast_to(X, X.shape), Y),
}
OTHERS: dict[str, tuple[Any, Any]] = {
    "a gap": (changed((7, 2), np.nan), Y),
    "an infinity": (changed((0, 0), -np.inf), Y),
    "two infinities": (changed((0, 0), np.inf, changed((1, 0), -np.inf)), Y),
    "a sum too large": (changed((0, 0), 1e308, changed((1, 1), 1e308)), Y),
    "columns first": (np.asfortranarray(X), Y),
    "integers": (X.astype(int), Y),
    "objects": (X.astype(object), Y),
    "swapped bytes": (X.astype(X.dtype.newbyteorder()), Y),
    "a list": (X.tolist(), Y),
    "a matrix": (sp.csr_array(X), Y),
    "a row": (X[0], Y),
    "no rows": (X[:0], Y[:0]),
    "no columns": (X[:, :0], Y),
    "a label too few": (X, Y[:-1]),
    "labels in a list": (X, Y.tolist()),
    "labels as objects": (X, Y.astype(object)),
    "a label that is a gap": (X, changed((3,), np.nan, Y)),
    "one label": (X, np.array(1)),
    "no outputs": (X, X[:, :0]),
}


@pytest.mark.parametrize("name", SOUND)
def test_checks_hand_back_what_is_sound(name: str) -> None:
    x, y = SOUND[name]
    assert is_training(x, y)
    assert is_table(x)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = check_X_y(x, y, multi_output=True, **HOW)
    assert found[0] is x
    assert found[1] is y


@pytest.mark.parametrize("name", OTHERS)
def test_all_else_is_checked(name: str) -> None:
    assert not is_training(*OTHERS[name])


def test_rows_to_predict_may_lie_in_any_order() -> None:
    x = np.asfortranarray(X)
    assert is_table(x)
    assert check_array(x) is x


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_columns_are_known_and_compared_all_the_same(kind: Any) -> None:
    est = kind(hidden_layer_sizes=(2,), max_iter=1, solver="lbfgs", random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        est.fit(X, Y)
    assert est.n_features_in_ == 3
    many = np.tile(X, (20, 1))  # more rows than are predicted without a detour
    with pytest.raises(ValueError, match="X has 2 features, but MLP"):
        est.predict(many[:, :2])
    with pytest.raises(ValueError, match="Input X contains NaN"):
        est.predict(changed((0, 0), np.nan, many))
    with pytest.raises(ValueError, match="Input X contains infinity"):
        est.fit(changed((0, 0), np.inf), Y)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        est.fit(X, Y[:-1])
