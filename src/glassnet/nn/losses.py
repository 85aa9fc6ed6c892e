"""Loss functions: how far predictions are from the labels.

In: predictions ŷ [n, outputs], labels y, and weights of the rows [n] where they differ. Out: one
number. Every loss is a sum over outputs and the mean over rows, weighted by the rows' weights:
L = Σ wᵢ Lᵢ / Σ wᵢ. To get the numbers of others, with C outputs:

    HalfMSE       scikit-learn's MLPRegressor shows this / C; PyTorch's MSELoss is this · 2 / C
    MSE, MAE      PyTorch's and scikit-learn's are this / C, as are Huber and the quantile loss
    CrossEntropy  the same, with class weights and smoothing too
    BCEWithLogits PyTorch's is this / C; scikit-learn's log_loss of two classes is the same
    PoissonNLL    PyTorch's is this / C; scikit-learn's deviance is 2 · (this − that of ŷ = ln y)
    GaussianNLL   PyTorch's is this / C, with ln σ² where it takes σ²
    Hinge         PyTorch's MultiMarginLoss is this / C
"""

from __future__ import annotations

from glassnet.nn.classify import BCEWithLogits, CrossEntropy, Hinge
from glassnet.nn.loss import FunctionLoss, Loss, as_loss
from glassnet.nn.regress import MAE, MSE, GaussianNLL, HalfMSE, Huber, PoissonNLL, Quantile

__all__ = [
    "MAE",
    "MSE",
    "BCEWithLogits",
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
