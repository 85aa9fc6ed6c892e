"""Loss functions.

In: predictions ŷ [n, outputs], labels y, and optionally weights of the rows w [n]. Out: one number.
Every loss is the sum over outputs and the weighted mean over rows: L = Σ wᵢ Lᵢ / Σ wᵢ. Other
libraries also divide by the number of outputs C: PyTorch's and scikit-learn's MSE, MAE, Huber,
quantile and Poisson losses, PyTorch's BCEWithLogits, GaussianNLL and multi-margin loss are L / C,
and their squared errors are HalfMSE · 2 / C; cross-entropy is the same. docs/losses.md has the
whole table, and the results for large and special numbers.
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
