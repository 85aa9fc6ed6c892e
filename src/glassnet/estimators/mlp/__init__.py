"""The two MLP estimators with scikit-learn's interface.

In: nothing. Out: `MLPClassifier` and `MLPRegressor`.
"""

from __future__ import annotations

from contextlib import suppress

from glassnet.estimators.mlp.classifier import MLPClassifier
from glassnet.estimators.mlp.regressor import MLPRegressor
from glassnet.pipeline import load_compiler

with suppress(ImportError, OSError):  # without it, NumPy computes and a notice says so
    load_compiler()  # now, where scikit-learn takes ten times as long to load, not in the first fit

__all__ = ["MLPClassifier", "MLPRegressor"]
