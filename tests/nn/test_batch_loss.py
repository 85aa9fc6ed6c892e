"""Losses of a batch as a whole, and labels that are probabilities: values by NumPy and SciPy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import log_softmax, softmax

import glassnet as gn
from glassnet import ops
from glassnet.errors import ShapeError

X = np.random.default_rng(0).normal(size=(40, 3))
Y = np.random.default_rng(1).normal(size=(40, 1)) + X[:, :1]
CLASSES = np.arange(40) % 4


def correlation(p: Any, y: Any) -> Any:
    """1 − Pearson's correlation of predictions and labels in the batch."""
    p, y = p - ops.mean(p, 0, keepdims=True), y - ops.mean(y, 0, keepdims=True)
    return 1.0 - ops.sum(p * y) / ops.sqrt(ops.sum(p * p) * ops.sum(y * y))


def contrastive(p: Any, y: Any) -> Any:
    """Rows of one class attract each other, others keep a distance: Hadsell and others, 2006."""
    square = ops.sum(ops.square(p), 1, keepdims=True)
    apart = square + ops.transpose(square) - 2.0 * (p @ ops.transpose(p))
    apart = ops.sqrt(ops.maximum(apart, 0.0) + 1e-6)
    same = ops.cast(ops.equal(y, ops.transpose(y)), str(p.dtype))
    far = ops.square(ops.relu(1.0 - apart))
    pairs = same * ops.square(apart) + (1.0 - same) * far
    return ops.sum(pairs / ops.size_of(p, 0, str(p.dtype)) ** 2)


def network(outputs: int = 1) -> Any:
    layers = gn.nn.Linear(3, 4), gn.nn.Tanh(), gn.nn.Linear(4, outputs)
    return gn.nn.Sequential(*layers, seed=3, dtype="float64")


def test_a_correlation() -> None:
    model, loss = network(), gn.losses.BatchLoss(correlation)

    def wanted() -> float:
        return float(1 - np.corrcoef(model(X)[:, 0], Y[:, 0])[0, 1])

    assert gn.value_and_grad(loss)(model, X, Y)[0] == pytest.approx(wanted(), rel=1e-10)
    assert loss(model(X), Y) == pytest.approx(wanted(), rel=1e-10)
    gn.check_grads(loss, model, X, Y)
    history = gn.train(
        model, X, Y, loss=loss, optimizer=gn.optim.Adam(0.05), epochs=30, batch_size=40,
        validation=(X, Y),
    )  # fmt: skip
    assert history.validation_loss[-1] == pytest.approx(wanted(), rel=1e-10)
    assert history.loss[-1] < 0.6 * history.loss[0]


def test_pairs_of_an_embedding_by_their_classes() -> None:
    model, loss = network(2), gn.losses.BatchLoss(contrastive, columns=1)
    z = model(X)
    apart = np.sqrt(((z[:, None] - z) ** 2).sum(2) + 1e-6)
    same = CLASSES[:, None] == CLASSES
    wanted = np.where(same, apart**2, np.maximum(1 - apart, 0) ** 2).mean()
    assert gn.value_and_grad(loss)(model, X, CLASSES)[0] == pytest.approx(wanted, rel=1e-8)
    step = gn.Step(model, loss=loss, optimizer=gn.optim.SGD(0.1))
    assert step(X, CLASSES) == pytest.approx(wanted, rel=1e-8)
    with pytest.raises(ShapeError, match=r"right: gn.losses.BatchLoss\(f, columns=1\)"):
        gn.value_and_grad(gn.losses.BatchLoss(contrastive))(model, X, CLASSES)


class Correlation(gn.losses.Loss):
    """The same by a class of one's own."""

    def mean(self, prediction: Any, y: Any, weight: Any = None) -> Any:
        return correlation(prediction, y)


@pytest.mark.parametrize(
    "loss", [gn.losses.BatchLoss(correlation), Correlation()], ids=lambda own: type(own).__name__
)
def test_recorded_resumed_and_opened(tmp_path: Path, loss: Any) -> None:
    whole, part, run = network(), network(), tmp_path / "run.glass"
    given: dict[str, Any] = {"loss": loss, "optimizer": gn.optim.Adam(0.01), "batch_size": 10}
    gn.train(whole, X, Y, **given, epochs=4)
    gn.train(part, X, Y, **given, epochs=2, record=run)
    gn.resume(run, X, Y, epochs=4, loss=loss, model=part)
    assert part.W.tobytes() == whole.W.tobytes()
    opened = gn.open_step(run, X, Y, epoch=1, batch=2, loss=loss)
    slope = opened.parameters["linear1.weight"].slope
    rows = sum(opened.pulls.of_row(i)["linear1.weight"] for i in range(10))
    np.testing.assert_allclose(rows, slope, rtol=1e-9, atol=1e-12)
    assert "the loss is not a sum over rows" in str(opened)
    one = opened.pulls.of_weight("linear1.weight", (1, 2))
    assert one.sum() == pytest.approx(slope[1, 2], rel=1e-9)
    assert one[3] == pytest.approx(opened.pulls.of_row(3)["linear1.weight"][1, 2], rel=1e-9)


def weighed(p: Any, y: Any, weight: Any = None) -> Any:
    square = ops.sum(ops.square(p - y), 1)
    return ops.mean(square) if weight is None else ops.sum(square * weight) / ops.sum(weight)


def test_weights_are_the_third_argument() -> None:
    model, weight = network(), np.arange(40.0)
    value, _ = gn.value_and_grad(gn.losses.BatchLoss(weighed))(model, X, Y, weight)
    wanted = np.average((model(X) - Y)[:, 0] ** 2, weights=weight)
    assert value == pytest.approx(wanted, rel=1e-12)
    with pytest.raises(ShapeError, match="takes no weights\n  right: def correlation"):
        gn.value_and_grad(gn.losses.BatchLoss(correlation))(model, X, Y, weight)


def test_what_gives_no_number_or_one_number_too_few() -> None:
    def each(p: Any, y: Any) -> Any:
        return ops.sum(ops.square(p - y), 1)

    with pytest.raises(ShapeError, match=r"one number\n  right: ops.mean\(…\), or gn.losses.Func"):
        gn.value_and_grad(gn.losses.BatchLoss(each))(network(), X, Y)
    loss = gn.losses.FunctionLoss(correlation)
    with pytest.raises(ShapeError, match=r"gn.losses.BatchLoss\(correlation\)"):
        gn.value_and_grad(loss)(network(), X, Y)


SOFT = softmax(np.random.default_rng(4).normal(size=(40, 3)), 1)


def test_soft_labels() -> None:
    model = network(3)
    logs = log_softmax(model(X), 1)
    loss = gn.losses.CrossEntropy(soft_labels=True)
    value, _ = gn.value_and_grad(loss)(model, X, SOFT)
    assert value == pytest.approx(-(SOFT * logs).sum(1).mean(), rel=1e-12)
    slope = gn.grad(lambda p: loss(p, SOFT))(model(X))
    np.testing.assert_allclose(slope, (softmax(model(X), 1) - SOFT) / 40, atol=1e-12)
    # class_weight and label_smoothing by PyTorch's formula: −Σ w·((1 − s)·y + s/C)·ln p
    w, s = np.array([1.0, 2.0, 4.0]), 0.3
    both = gn.losses.CrossEntropy(tuple(w), label_smoothing=s, soft_labels=True)
    wanted = -(w * ((1 - s) * SOFT + s / 3) * logs).sum(1).mean()
    assert gn.value_and_grad(both)(model, X, SOFT)[0] == pytest.approx(wanted, rel=1e-12)
    assert repr(loss) == "CrossEntropy(class_weight=None, label_smoothing=0.0, soft_labels=True)"


def test_soft_labels_of_0_and_1_are_class_numbers() -> None:
    one, two = network(3), network(3)
    numbers = np.arange(40) % 3
    given: dict[str, Any] = {"optimizer": gn.optim.SGD(0.1), "epochs": 3}
    a = gn.train(one, X, numbers, loss=gn.losses.CrossEntropy(), **given)
    b = gn.train(two, X, np.eye(3)[numbers], loss=gn.losses.CrossEntropy(soft_labels=True), **given)
    assert a.loss == pytest.approx(b.loss, rel=1e-12)
    np.testing.assert_allclose(one.W, two.W, rtol=1e-9)


def test_soft_labels_may_be_missing() -> None:
    model, y = network(3), SOFT.copy()
    y[4, 1] = y[7] = np.nan
    known = ~np.isnan(y).any(1)
    loss = gn.losses.CrossEntropy(soft_labels=True, missing="skip")
    wanted = -(SOFT * log_softmax(model(X), 1)).sum(1)[known].mean()
    assert gn.value_and_grad(loss)(model, X, y)[0] == pytest.approx(wanted, rel=1e-12)


def test_labels_that_are_no_probabilities() -> None:
    loss, model = gn.losses.CrossEntropy(soft_labels=True), network(3)
    two = np.tile([1.0, 1.0, 0.0], (40, 1))
    with pytest.raises(ShapeError, match=r"row 0 have the sum 2, not 1\n  right: gn.losses.BCE"):
        gn.value_and_grad(loss)(model, X, two)
    with pytest.raises(ShapeError, match="from 0 to 1"):
        gn.value_and_grad(loss)(model, X, SOFT * 3 - 0.5)
    with pytest.raises(ShapeError, match=r"right: CrossEntropy\(soft_labels=True\)"):
        gn.value_and_grad(gn.losses.CrossEntropy())(model, X, SOFT)
