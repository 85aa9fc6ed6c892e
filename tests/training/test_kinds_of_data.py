"""What may stand in the place of x, and what is answered with the way to do it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet.errors import ShapeError
from tests.training.common import HALF, SGD, data, network

X, Y = data(12)


def trained(x: Any) -> np.ndarray:
    model = network()
    gn.train(model, x, Y, loss=HALF, optimizer=SGD, epochs=2)
    return model.W


def test_sparse_rows_are_rows() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    some = np.where(X > 0, X, 0.0)
    for kind in (sparse.csr_matrix, sparse.csc_array, sparse.coo_array):
        np.testing.assert_array_equal(trained(kind(some)), trained(some))


class DataLoader:
    """As PyTorch's."""

    dataset = X

    def __iter__(self) -> Any:
        return iter([(X, Y)])

    def __len__(self) -> int:
        return 1


@pytest.mark.parametrize(
    ("x", "text"),
    [
        ({"a": X[:, 0]}, r"x is a dict; (.|\n)*column_stack"),
        (iter([X]), r"which gives batches(.|\n)*gn.stream(.|\n)*gn.Step"),
        ((row for row in X), r"x is a generator, (.|\n)*gn.stream(.|\n)*gn.Step"),
        (DataLoader(), r"x is a DataLoader, (.|\n)*gn.stream(.|\n)*gn.Step"),
    ],
)
def test_batches_and_mappings_are_answered(x: Any, text: str) -> None:
    with pytest.raises(ShapeError, match=text):
        trained(x)
    with pytest.raises(ShapeError, match=text):
        gn.train(network(), x, loss=HALF, optimizer=SGD, epochs=1)
