"""Every loss against PyTorch's, or its formula in PyTorch's operators; needs torch.

Values, and gradients by predictions and by the weights of the rows: alone, with weights of the
rows, of the classes, and of both.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet import ops
from glassnet.nn.losses import FunctionLoss, Loss
from glassnet.ops import philox

torch = pytest.importorskip("torch")

L, F = gn.losses, torch.nn.functional
ROWS, WIDTH = 9, 4
X = philox.normal(ROWS * WIDTH, 1).reshape(ROWS, WIDTH)
NUMBERS = philox.normal(ROWS * WIDTH, 2).reshape(ROWS, WIDTH)
CLASSES = np.arange(ROWS) % WIDTH
PARTS = philox.uniform(ROWS * WIDTH, 3).reshape(ROWS, WIDTH)
ONE, YES = NUMBERS[:, :1], np.floor(PARTS[:, 0] * 2)
COUNTS = np.floor(PARTS * 5)
SAMPLE = philox.uniform(ROWS, 4) * 3
CLASS = (1.0, 2.0, 0.5, 3.0)
POSITIVE = (0.5, 1.0, 4.0, 2.0)


def each(f: Callable[..., Any], **settings: Any) -> Callable[[Any, Any], Any]:
    """PyTorch's losses of single numbers as a loss of rows: their sum over outputs."""
    return lambda p, y: f(p, y, reduction="none", **settings).sum(1)


def pinball(q: Any) -> Callable[[Any, Any], Any]:
    level = torch.tensor(q, dtype=torch.float64)
    return lambda p, y: torch.maximum(level * (y - p), (level - 1) * (y - p)).sum(1)


def gaussian(p: Any, y: Any) -> Any:
    outputs = y.shape[1]
    mean, variance = p[:, :outputs], torch.exp(p[:, outputs:])
    return F.gaussian_nll_loss(mean, y, variance, reduction="none").sum(1)


def cross_entropy(p: Any, y: Any, smooth: float = 0.0) -> Any:
    return F.cross_entropy(p, y, reduction="none", label_smoothing=smooth)


def margins(p: Any, y: Any) -> Any:
    return F.multi_margin_loss(p, y, reduction="none") * p.shape[1]


def hinge_of_two(p: Any, y: Any) -> Any:
    return torch.relu(1 - (2 * y - 1) * p[:, 0])


def quartic(p: Any, y: Any) -> Any:
    return ops.sum(ops.square(ops.square(p - y)), 1)


def whole_quartic(p: Any, y: Any, weight: Any = None) -> Any:
    """The mean of `quartic` as a loss of the batch."""
    rows = quartic(p, y)
    return ops.mean(rows) if weight is None else ops.sum(rows * weight) / ops.sum(weight)


# ours, labels, one number a row by PyTorch, weights of the classes
CASES: list[tuple[Loss, Any, Callable[[Any, Any], Any], Any]] = [
    (L.HalfMSE(), NUMBERS, lambda p, y: each(F.mse_loss)(p, y) / 2, None),
    (L.MSE(), NUMBERS, each(F.mse_loss), None), (L.MAE(), NUMBERS, each(F.l1_loss), None),
    (L.Huber(0.7), NUMBERS, each(F.huber_loss, delta=0.7), None),
    (L.Quantile(0.9), NUMBERS, pinball(0.9), None),
    (L.Quantile((0.1, 0.4, 0.5, 0.9)), ONE, pinball((0.1, 0.4, 0.5, 0.9)), None),
    (L.CrossEntropy(), CLASSES, cross_entropy, None),
    (L.CrossEntropy(class_weight=CLASS), CLASSES, cross_entropy, CLASS),
    (L.CrossEntropy(label_smoothing=0.2), CLASSES, lambda p, y: cross_entropy(p, y, 0.2), None),
    (L.CrossEntropy(class_weight=CLASS, label_smoothing=0.2), CLASSES,
     lambda p, y: cross_entropy(p, y, 0.2), CLASS),
    (L.BCEWithLogits(), PARTS, each(F.binary_cross_entropy_with_logits), None),
    (L.BCEWithLogits(3.0), PARTS,
     each(F.binary_cross_entropy_with_logits, pos_weight=torch.tensor(3.0)), None),
    (L.BCEWithLogits(POSITIVE), PARTS,
     each(F.binary_cross_entropy_with_logits, pos_weight=torch.tensor(POSITIVE)), None),
    (L.PoissonNLL(), COUNTS, each(F.poisson_nll_loss), None),
    (L.GaussianNLL(), NUMBERS[:, :2], gaussian, None),
    (L.Hinge(), CLASSES, margins, None), (L.Hinge(class_weight=CLASS), CLASSES, margins, CLASS),
    (L.Hinge(), YES, hinge_of_two, None),
    (L.Hinge(class_weight=(1.0, 5.0)), YES, hinge_of_two, (1.0, 5.0)),
    (FunctionLoss(quartic), NUMBERS, lambda p, y: ((p - y) ** 4).sum(1), None),
    (L.BatchLoss(whole_quartic), NUMBERS, lambda p, y: ((p - y) ** 4).sum(1), None),
]  # fmt: skip


def name_of(case: Any) -> str:
    loss = case[0]
    named = (
        loss.f.__name__ if isinstance(loss, FunctionLoss | L.BatchLoss) else repr(loss)
    )  # without an address
    return f"{named}, {np.shape(case[1])}"


@pytest.mark.parametrize("case", CASES, ids=name_of)
@pytest.mark.parametrize("weighed", [False, True], ids=["", "sample_weight"])
def test_values_and_gradients(case: Any, weighed: bool) -> None:
    loss, y, theirs, classes = case
    scores = X[:, :1].copy() if theirs is hinge_of_two else X
    labels = loss.labels(y, scores.shape[1], "float64")
    weight = SAMPLE if weighed else np.ones(ROWS)

    def total(p: Any, w: Any) -> Any:
        return loss(p, p.builder.constant(labels), w if weighed else None)

    value, slopes = gn.value_and_grad(total, (0, 1) if weighed else (0,))(scores, weight)
    p, w = (torch.tensor(part, requires_grad=True) for part in (scores, weight))
    target = torch.tensor(y)
    whole = w if classes is None else w * torch.tensor(classes).double()[target.long()]
    wanted = (whole * theirs(p, target)).sum() / whole.sum()
    wanted.backward()
    np.testing.assert_allclose(value, wanted.item(), rtol=1e-10)
    for slope, other in zip(slopes, (p, w), strict=False):
        np.testing.assert_allclose(slope, other.grad.numpy(), rtol=1e-10, atol=1e-14)


def test_weights_mean_what_they_mean_in_pytorch() -> None:
    """With PyTorch's own mean, instead of the weighted mean that is taken above."""
    scores, labels = torch.tensor(X), torch.tensor(CLASSES)
    wanted = F.cross_entropy(scores, labels, weight=torch.tensor(CLASS).double()).item()
    found = float(L.CrossEntropy(class_weight=CLASS)(X, CLASSES.astype(np.int32)))
    assert found == pytest.approx(wanted, rel=1e-12)
    rare = torch.tensor(POSITIVE)
    mean = F.binary_cross_entropy_with_logits(scores, torch.tensor(PARTS), pos_weight=rare).item()
    assert float(L.BCEWithLogits(POSITIVE)(X, PARTS)) == pytest.approx(WIDTH * mean, rel=1e-12)


def test_every_loss_is_compared() -> None:
    kinds = {
        kind for kind in vars(L).values()
        if inspect.isclass(kind) and issubclass(kind, Loss) and kind is not Loss
    }  # fmt: skip
    assert {kind.__name__ for kind in kinds - {type(case[0]) for case in CASES}} == set()
    assert len(kinds) > 10
