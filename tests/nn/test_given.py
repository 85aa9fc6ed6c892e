"""What training takes, losses and predictions take: lists, vectors, frames, sparse rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from scipy import sparse

import glassnet as gn
from glassnet import losses, nn, ops
from glassnet.errors import ShapeError

P = np.array([[1.0], [3.0]])
Y = np.array([0.0, 1.0])
LOSSES = [
    losses.HalfMSE(), losses.MSE(), losses.MAE(), losses.Huber(), losses.Quantile(0.9),
    losses.BCEWithLogits(), losses.PoissonNLL(),
    losses.as_loss(lambda p, y: ops.sum(ops.abs(p - y), 1)),
]  # fmt: skip


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
def test_labels_of_one_number_a_row_may_be_a_vector(loss: Any) -> None:
    wanted = float(loss(P, Y[:, None]))
    for prediction, y in (
        (P, Y), (P.tolist(), [0, 1]), (P.tolist(), [[0], [1]]), (P[:, 0], Y),
        (P, Y.astype("uint8")),
        (np.array([1, 3]), np.array([False, True])), (P, Y.astype("int64")[:, None]),
    ):  # fmt: skip
        assert float(loss(prediction, y)) == pytest.approx(wanted, rel=1e-12)
    assert float(loss(P, Y, [1, 1])) == pytest.approx(wanted, rel=1e-12)


def test_by_hand() -> None:
    assert float(losses.MSE()([1.0, 3.0], [0, 1])) == (1.0 + 4.0) / 2
    assert float(losses.MSE()([1.0, 3.0], [0, 1], [3, 1])) == (3 * 1.0 + 4.0) / 4
    assert float(losses.CrossEntropy()([[0, 0], [0, 0]], [0, 1])) == pytest.approx(np.log(2.0))


def test_inside_a_traced_function_too() -> None:
    model = nn.Sequential(nn.Linear(1, 1), dtype="float64")
    x = np.array([[1.0], [2.0]])
    f = gn.grad(lambda x: losses.MSE()(model(x), Y))
    g = gn.grad(lambda x: losses.MSE()(model(x), Y[:, None]))
    assert np.array_equal(f(x), g(x))


ROWS = np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 4.0]], "float32")


@pytest.mark.parametrize(
    "kind",
    [
        sparse.csr_matrix, sparse.csc_matrix, sparse.coo_array, sparse.csr_array, np.ndarray.tolist,
        lambda x: x.astype(object), lambda x: x.astype("float16"), lambda x: x.astype(int),
    ],
)  # fmt: skip
def test_rows_at_training_and_at_prediction(kind: Any) -> None:
    model, twin = nn.Sequential(nn.Linear(2, 1)), nn.Sequential(nn.Linear(2, 1))
    given = {"loss": losses.MSE(), "optimizer": gn.optim.SGD(0.01), "epochs": 2}
    gn.train(model, ROWS, [1, 2, 3], **given)
    gn.train(twin, kind(ROWS), [1, 2, 3], **given)
    assert np.array_equal(model.W, twin.W)
    assert np.array_equal(twin(kind(ROWS)), model(ROWS))
    assert np.array_equal(twin.activations(kind(ROWS))["linear1"], model(ROWS))


@pytest.mark.parametrize("package", ["pandas", "polars"])
def test_frames(package: str) -> None:
    frames = pytest.importorskip(package)
    table = frames.DataFrame({"a": ROWS[:, 0], "b": ROWS[:, 1]})
    model = nn.Sequential(nn.Linear(2, 1))
    assert np.array_equal(model(table), model(ROWS))
    history = gn.train(
        model, table, table["a"], loss=losses.MSE(), optimizer=gn.optim.SGD(0.01), epochs=1
    )
    assert len(history.loss) == 1


class Loader:
    """As PyTorch's DataLoader."""

    dataset = ROWS

    def __iter__(self) -> Iterator[Any]:
        return iter([(ROWS, Y)])

    def __len__(self) -> int:
        return 1


@pytest.mark.parametrize(
    ("make", "right"),
    [
        (lambda: {"a": ROWS[:, 0], "b": ROWS[:, 1]}, r"numpy\.column_stack"),
        (lambda: (row for row in ROWS), r"(?s)gn\.stream.*gn\.Step"),
        (lambda: iter(ROWS), r"(?s)gn\.stream.*gn\.Step"),
        (Loader, r"(?s)gn\.stream.*gn\.Step"),
    ],
)
def test_what_gives_batches_names_the_way(make: Any, right: str) -> None:
    model = nn.Sequential(nn.Linear(2, 1))
    step = gn.Step(model, loss=losses.MSE(), optimizer=gn.optim.SGD(0.01))
    for use in (
        lambda: model(make()),
        lambda: step(make(), Y),
        lambda: gn.train(
            model, make(), loss=losses.MSE(), optimizer=gn.optim.SGD(0.01), epochs=1
        ),
    ):  # fmt: skip
        with pytest.raises(ShapeError, match=right):
            use()
