"""Few rows, and settings for quick fits, that tests of the MLP estimators share."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.datasets import load_iris
from sklearn.preprocessing import scale

X, LABELS = load_iris(return_X_y=True)
X = scale(X)
NUMBERS = X[:, 0] * X[:, 1] + np.sin(X[:, 2])
QUICK: dict[str, Any] = {"random_state": 0, "max_iter": 15, "learning_rate_init": 0.02}
