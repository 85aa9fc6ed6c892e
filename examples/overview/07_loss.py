"""The loss says how wrong the predictions are: half the mean squared error, 1/(2n) Σ (ŷ − y)²."""

from __future__ import annotations

import numpy as np

import glassnet as gn

prediction = np.array([[1.0], [2.0], [4.0]])
y = np.array([[1.0], [4.0], [1.0]])
L = float(gn.losses.HalfMSE()(prediction, y))
print(f"(0² + 2² + 3²) / (2·3) = {L:.6f}")
