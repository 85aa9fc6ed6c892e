"""Loss functions: how far predictions are from the labels.

In: predictions ŷ [n, outputs], labels y, and weights of the rows [n] where they differ. Out: one
number. Every loss is a sum over outputs and the mean over rows, weighted by the rows' weights:
L = Σ wᵢ Lᵢ / Σ wᵢ. Others divide by the number of outputs C as well: PyTorch's and scikit-learn's
MSE, MAE, Huber, quantile and Poisson losses, PyTorch's BCEWithLogits, GaussianNLL and multi-margin
loss are this / C, their squared errors HalfMSE · 2 / C; cross-entropy is the same. The whole table,
and what large and special numbers give, is in docs/losses.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glassnet.foreign import missing_name_error
from glassnet.nn.classify import BCEWithLogits, CrossEntropy, Hinge
from glassnet.nn.loss import BatchLoss, FunctionLoss, Loss, as_loss
from glassnet.nn.regress import MAE, MSE, GaussianNLL, HalfMSE, Huber, PoissonNLL, Quantile

__all__ = [
    "MAE",
    "MSE",
    "BCEWithLogits",
    "BatchLoss",
    "CrossEntropy",
    "FunctionLoss",
    "GaussianNLL",
    "HalfMSE",
    "Hinge",
    "Huber",
    "Loss",
    "PoissonNLL",
    "Quantile",
    "as_loss",
]


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        raise missing_name_error("glassnet.losses", name, __all__)
