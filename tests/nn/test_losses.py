"""Losses against arithmetic by hand, their derivatives against differences, and their limits."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet import ops
from glassnet.errors import ShapeError
from glassnet.nn.losses import Loss, as_loss
from glassnet.testing import check_grads, compare

L = gn.losses
LN2, LN3 = math.log(2), math.log(3)

# loss, predictions, labels, the loss of each row
CASES: list[tuple[Loss, Any, Any, list[float]]] = [
    (L.HalfMSE(), [[1, 2], [0, 3]], [[0, 0], [0, 1]], [2.5, 2.0]),
    (L.MSE(), [[1, 2], [0, 3]], [[0, 0], [0, 1]], [5.0, 4.0]),
    (L.MAE(), [[1, 2], [0, -3]], [[0, 0], [0, 1]], [3.0, 4.0]),
    # up to 2: ½·1² and ½·2²; beyond: 2·(5 − 1) and 2·(3 − 1)
    (L.Huber(2.0), [[1, 2], [5, -3]], [[0, 0], [0, 0]], [2.5, 12.0]),
    # too low by 2: 0.9·2; too high by 3: 0.1·3
    (L.Quantile(0.9), [[0], [3]], [[2], [0]], [1.8, 0.3]),
    (L.Quantile((0.1, 0.9)), [[0, 0], [3, 3]], [[2], [0]], [0.2 + 1.8, 2.7 + 0.3]),
    (L.PoissonNLL(), [[LN2], [0]], [[3], [0]], [2 - 3 * LN2, 1.0]),
    # ½(ln σ² + (y − μ)²/σ²) with σ² = 3 and 1/2
    (L.GaussianNLL(), [[1, LN3], [0, -LN2]], [[4], [1]], [(LN3 + 3) / 2, (2 - LN2) / 2]),
    # softmax (1/6, 2/6, 3/6) and (1/3, 1/3, 1/3)
    (L.CrossEntropy(), [[0, LN2, LN3], [7, 7, 7]], [1, 0], [LN3, LN3]),
    # label smoothing 0.3: 0.7·ln 3 + 0.1·(ln 6 + ln 3 + ln 2)
    (L.CrossEntropy(label_smoothing=0.3), [[0, LN2, LN3]], [1], [0.7 * LN3 + 0.1 * math.log(36)]),
    # σ(ln 3) = ¾, σ(−ln 3) = ¼
    (L.BCEWithLogits(), [[LN3, 0], [-LN3, LN3]], [[1, 0.5], [1, 0]],
     [math.log(4 / 3) + LN2, 2 * math.log(4)]),
    # a yes weighs 3: 3·ln(4/3) and ½·3·ln 2 + ½·ln 2; in the second output 1: ln 4
    (L.BCEWithLogits(3.0), [[LN3], [0.0]], [[1], [0.5]], [3 * math.log(4 / 3), 2 * LN2]),
    (L.BCEWithLogits((3.0, 1.0)), [[LN3, -LN3]], [[1, 1]], [3 * math.log(4 / 3) + math.log(4)]),
    (L.Hinge(), [[0.5], [-3.0], [0.25]], [1, 1, 0], [0.5, 4.0, 1.25]),
    (L.Hinge(), [[1, 0.5, 3], [5, 0, 1]], [0, 0], [0.5 + 3, 0.0]),
]  # fmt: skip
IDS = [str(case[0]) for case in CASES]


def on_values(loss: Loss, y: np.ndarray) -> Callable[[Any], Any]:
    return lambda prediction: loss(prediction, prediction.builder.constant(y))


@pytest.mark.parametrize(("loss", "prediction", "y", "each"), CASES, ids=IDS)
def test_values(loss: Loss, prediction: Any, y: Any, each: list[float]) -> None:
    scores = np.array(prediction, float)
    labels = loss.labels(y, scores.shape[1], "float64")
    np.testing.assert_allclose(loss(scores, labels), np.mean(each), rtol=1e-14)
    compiled = gn.compile(on_values(loss, labels))(scores)
    np.testing.assert_allclose(compiled, np.mean(each), rtol=1e-14)
    weight = np.arange(1.0, 1 + len(each))
    np.testing.assert_allclose(
        loss(scores, labels, weight), np.average(each, weights=weight), rtol=1e-14
    )


@pytest.mark.parametrize(("loss", "prediction", "y", "each"), CASES, ids=IDS)
def test_derivatives(loss: Loss, prediction: Any, y: Any, each: list[float]) -> None:
    scores = np.array(prediction, float) + 0.01  # beside the kinks, not on them
    labels = loss.labels(y, scores.shape[1], "float64")
    weight = np.arange(1.0, 1 + len(each))
    assert check_grads(lambda p, w: loss(p, p.builder.constant(labels), w), scores, weight).ok
    assert compare(on_values(loss, loss.labels(y, scores.shape[1], "float32")),
                   scores.astype("float32")).ok  # fmt: skip


HUGE = [-1e30, -1e20, -1e10, -89.0, -1.0, -1e-40, -0.0, 1e-300, 1.0, 89.0, 1e10, 1e20, 1e30]
SCORES: list[tuple[Loss, int, Callable[[int], np.ndarray]]] = [
    (L.CrossEntropy(), 3, lambda n: np.arange(n) % 3),
    (L.CrossEntropy(label_smoothing=0.1), 3, lambda n: np.arange(n) % 3),
    (L.CrossEntropy(class_weight=(1e-3, 1.0, 1e3)), 3, lambda n: np.arange(n) % 3),
    (L.BCEWithLogits(), 3, lambda n: np.linspace(0, 1, 3 * n).reshape(n, 3)),
    (L.BCEWithLogits(1e3), 2, lambda n: np.linspace(0, 1, 2 * n).reshape(n, 2)),
    (L.Hinge(), 3, lambda n: np.arange(n) % 3),
    (L.Hinge(), 1, lambda n: np.arange(n) % 2),
    (L.PoissonNLL(), 3, lambda n: np.ones((n, 3)) * 1000),
]


def scores(dtype: str, outputs: int) -> np.ndarray:
    """Every combination of small and large numbers, up to the largest there are."""
    top = float(np.finfo(dtype).max)
    edge = 3e38 if dtype == "float32" else 1e308
    line = [-top, -edge, -3e38, *HUGE, 3e38, edge, top]
    with np.errstate(under="ignore"):
        return np.stack(np.meshgrid(*[line] * outputs), -1).reshape(-1, outputs).astype(dtype)


@pytest.mark.parametrize(("loss", "outputs", "labels"), SCORES, ids=[str(c[0]) for c in SCORES])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("weighed", [False, True], ids=["", "sample_weight"])
def test_every_finite_score_has_a_finite_loss_and_gradient(
    loss: Loss, outputs: int, labels: Callable[[int], np.ndarray], dtype: str, weighed: bool
) -> None:
    grid = scores(dtype, outputs)
    y = loss.labels(labels(len(grid)), outputs, dtype)
    weight = np.linspace(0.0, 7.0, len(grid)).astype(dtype) if weighed else None
    value, slope = gn.value_and_grad(lambda p: loss(p, p.builder.constant(y), weight))(grid)
    assert np.isfinite(value)
    assert np.isfinite(slope).all()
    single = gn.compile(lambda p, y: loss(p, y))
    assert all(np.isfinite(single(grid[i : i + 1], y[i : i + 1])) for i in range(0, len(grid), 37))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_finite_logarithm_of_a_variance_has_a_finite_loss(dtype: str) -> None:
    spreads = scores(dtype, 1)
    mean = np.linspace(-70.0, 70.0, len(spreads), dtype=dtype)[:, None]  # 70² < 6000
    both, y = np.concatenate([mean, spreads], 1), np.zeros((len(mean), 1), dtype)
    value, slope = gn.value_and_grad(lambda p: L.GaussianNLL()(p, y))(both)
    assert np.isfinite(value)
    assert np.isfinite(slope).all()


@pytest.mark.parametrize("loss", [L.MAE(), L.Huber(), L.Quantile(0.9)], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_finite_error_has_a_finite_loss_by_distance(loss: Loss, dtype: str) -> None:
    predictions = scores(dtype, 1)
    y = np.zeros_like(predictions)
    single = gn.value_and_grad(lambda p, y: loss(p, y))
    for i in range(len(predictions)):
        value, slope = single(predictions[i : i + 1], y[i : i + 1])
        assert np.isfinite(value)
        assert np.abs(slope).max() <= 1.0


def test_the_gradient_of_a_hopeless_score() -> None:
    # the label's score lies 6e38 below the other: the softmax is (1, 0), the gradient (1, −1)
    y = np.array([1], np.int32)
    scores = np.array([[3e38, -3e38]], np.float32)
    _, slope = gn.value_and_grad(lambda p: L.CrossEntropy()(p, p.builder.constant(y)))(scores)
    np.testing.assert_array_equal(slope, [[1, -1]])


def test_special_values_of_cross_entropy() -> None:
    """NaN and +∞ among the scores are NaN; −∞ is a class that cannot be: 0 for the others."""
    loss, y = gn.compile(L.CrossEntropy()), np.array([0], np.int32)
    table = [
        ([0.0, -math.inf], 0.0),
        ([0.0, 0.0], LN2),
        ([-0.0, 0.0], LN2),
        ([0.0, math.nan], math.nan),
        ([math.inf, 0.0], math.nan),
        ([3e38, -3e38], 0.0),
    ]
    for scores, wanted in table:
        found = float(np.sum(loss(np.array([scores], np.float32), y)))
        assert found == pytest.approx(wanted, rel=1e-6, nan_ok=True), scores


def test_class_weights_weigh_rows() -> None:
    loss = L.CrossEntropy(class_weight=(1.0, 3.0))
    scores, y = np.array([[0.0, 1.0], [2.0, 0.0], [1.0, 1.5]]), np.array([0, 1, 1], np.int32)
    each = [float(L.CrossEntropy()(scores[i : i + 1], y[i : i + 1])) for i in range(3)]
    wanted = (each[0] + 3 * each[1] + 3 * each[2]) / 7
    assert float(loss(scores, y)) == pytest.approx(wanted, rel=1e-14)
    assert float(gn.compile(loss)(scores, y)) == pytest.approx(wanted, rel=1e-14)
    both = (2 * each[0] + 3 * each[1] + 15 * each[2]) / 20
    weighted = loss(scores, y, np.array([2.0, 1.0, 5.0]))
    assert float(weighted) == pytest.approx(both, rel=1e-14)


def test_class_weights_in_training_are_weights_of_rows() -> None:
    x, y = np.array([[0.0, 1.0], [2.0, 0.0], [1.0, 1.5], [0.5, 0.5]]), np.array([0, 1, 1, 0])
    own = np.array([2.0, 1.0, 5.0, 0.5])
    losses = []
    for loss, weight in (
        (L.CrossEntropy(class_weight=(1.0, 3.0)), own),
        (L.CrossEntropy(), own * [1, 3, 3, 1]),
    ):
        model = gn.nn.Sequential(gn.nn.Linear(2, 2), dtype="float64")
        history = gn.train(
            model, x, y, loss=loss, optimizer=gn.optim.SGD(0.1), epochs=3, batch_size=2,
            sample_weight=weight, validation=(x, y, weight),
        )  # fmt: skip
        losses.append((history.loss, history.validation_loss, model.W.tolist()))
    assert losses[0] == losses[1]


def test_lists_of_settings_are_kept_as_tuples() -> None:
    assert as_loss(L.Quantile([0.1, 0.9])) == L.Quantile((0.1, 0.9))  # type: ignore[arg-type]
    assert as_loss(L.CrossEntropy([1, 2])) == L.CrossEntropy((1.0, 2.0))  # type: ignore[arg-type]


def test_weights_that_are_all_zero_give_zero() -> None:
    scores = np.array([[1.0], [2.0]])
    value, slope = gn.value_and_grad(lambda p: L.MSE()(p, 0.0 * p, np.zeros(2)))(scores)
    assert value == 0.0
    np.testing.assert_array_equal(slope, 0.0)


def test_large_losses_do_not_overflow_in_the_mean() -> None:
    prediction = np.full((4, 1), 3e38, np.float32)
    y = np.zeros((4, 1), np.float32)
    assert float(gn.compile(L.MAE())(prediction, y)) == pytest.approx(3e38, rel=1e-6)


def test_what_minimises_a_loss() -> None:
    y = np.array([0.0, 1.0, 2.0, 10.0, 3.0])

    def least(loss: Loss, outputs: int = 1) -> np.ndarray:
        model = gn.nn.Sequential(gn.nn.Linear(1, outputs), dtype="float64")
        model.W = 0.5
        gn.train(
            model, np.zeros((5, 1)), y, loss=loss, epochs=3000, batch_size=5,
            optimizer=gn.optim.SGD(gn.optim.Cosine(0.5)),
        )  # fmt: skip
        return model.W[outputs:]

    assert least(L.HalfMSE()) == pytest.approx([3.2], rel=1e-6)  # the mean
    assert least(L.MAE()) == pytest.approx([2.0], abs=1e-2)  # the median
    assert least(L.Quantile((0.1, 0.9)), 2) == pytest.approx([0.0, 10.0], abs=2e-2)
    assert least(L.PoissonNLL()) == pytest.approx([math.log(3.2)], rel=1e-6)
    mean, spread = least(L.GaussianNLL(), 2)
    assert (mean, math.exp(spread)) == pytest.approx((3.2, np.var(y)), rel=1e-4)


def test_a_plain_function_is_a_loss() -> None:
    def cubic(prediction: Any, y: Any) -> Any:
        return ops.sum(ops.abs(prediction - y) ** 3.0, 1)

    loss = as_loss(cubic)
    assert float(loss(np.array([[2.0], [0.0]]), np.array([[0.0], [1.0]]))) == 4.5
    model = gn.nn.Sequential(gn.nn.Linear(1, 1), dtype="float64")
    x, y = np.array([[0.0], [1.0]]), np.array([1.0, 3.0])
    history = gn.train(model, x, y, loss=cubic, optimizer=gn.optim.SGD(0.1), epochs=500)
    assert history.loss[-1] < 1e-3

    def mean(prediction: Any, y: Any) -> Any:
        return ops.mean(ops.square(prediction - y))

    with pytest.raises(ShapeError, match=r"right: ops\.sum"):
        gn.train(model, x, y, loss=mean, optimizer=gn.optim.SGD(0.1), epochs=1)


@dataclass(frozen=True)
class Listed(Loss):
    """A loss with a setting that cannot be hashed."""

    factors: list[float]


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (lambda: L.Huber(0.0), "above 0"),
        (lambda: L.Quantile(1.0), "above 0 and less than 1"),
        (lambda: L.Quantile((0.1, 0.9)).labels([1.0], 3, "float64"), "2 quantiles"),
        (lambda: L.CrossEntropy(label_smoothing=1.0), "less than 1"),
        (lambda: L.CrossEntropy(class_weight=()), "not all 0"),
        (lambda: L.CrossEntropy(class_weight=(1.0, -1.0)), "0 or more"),
        (lambda: L.CrossEntropy(class_weight=(1.0, 2.0)).labels([0], 3, ""), "3 classes"),
        (lambda: L.BCEWithLogits().labels([[0.0], [1.5]], 1, "float64"), "1.5 in row 1, column 0"),
        (lambda: L.BCEWithLogits(0.0), "above 0"),
        (lambda: L.BCEWithLogits(()), "above 0"),
        (lambda: L.BCEWithLogits((1.0, math.nan)), "above 0"),
        (lambda: L.BCEWithLogits((1.0, 2.0)).labels([1.0], 1, "float64"), "pos_weight has 2"),
        (lambda: L.PoissonNLL().labels([2.0, -1.0], 1, "float64"), "-1 in row 1"),
        (lambda: L.GaussianNLL().labels([1.0], 3, "float64"), "a mean and a variance"),
        (lambda: L.HalfMSE().labels(["a"], 1, "float64"), "takes numbers"),
        (lambda: L.HalfMSE()(np.ones((3, 2)), np.ones(3)), "one shape"),
        (lambda: as_loss(Listed([1.0])), "numbers, strings and tuples"),
        (lambda: as_loss(L.MSE), r"right: loss=gn.losses.MSE\(\)"),
    ],
)
def test_wrong_use(wrong: Callable[[], Any], text: str) -> None:
    with pytest.raises(ShapeError, match=text):
        wrong()


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ([0, 1, 3], "labels run from 0 to 3"),
        ([0, 1, -1], "labels run from -1 to 1"),
        ([0, 1, 0.5], "are not all whole"),
        ([0, 1, np.nan], "the label of row 2"),
    ],
)
def test_classes_that_there_are_not_are_refused_in_calls(labels: Any, said: str) -> None:
    scores = np.zeros((3, 3))
    for loss in (L.CrossEntropy(), L.Hinge(), L.CrossEntropy(label_smoothing=0.1)):
        with pytest.raises(ShapeError, match=said):
            loss(scores, labels)
        with pytest.raises(ShapeError, match=said):
            gn.grad(lambda own, loss=loss: loss(own, np.array(labels)))(scores)
    with pytest.raises(ShapeError, match="labels run from 0 to 2"):
        L.Hinge()(np.zeros((3, 1)), [0, 1, 2])
    assert float(L.CrossEntropy()(scores, [0, 1, 2])) == pytest.approx(np.log(3))
