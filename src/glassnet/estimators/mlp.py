"""scikit-learn's two MLP estimators under one roof.

In: nothing. Out: `MLPClassifier` and `MLPRegressor`.
"""

from __future__ import annotations

from glassnet.estimators.mlp_classifier import MLPClassifier
from glassnet.estimators.mlp_regressor import MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor"]
