"""The gradient says what each parameter does to the loss; finite differences agree."""

from __future__ import annotations

import numpy as np

import glassnet as gn

line = gn.nn.Sequential(gn.nn.Linear(1, 1), dtype="float64")
line.W = np.array([2.0, 0.5])  # ŷ = 2x + 0.5
x, y = np.array([[1.0], [3.0]]), np.array([[2.0], [7.0]])
loss = gn.losses.HalfMSE()
L, dW = gn.value_and_grad(loss)(line, x, y)
print(f"ŷ − y = (0.5, −0.5), so L = (0.25 + 0.25) / 4 = {L}")
print(f"∂L/∂w = (0.5·1 − 0.5·3) / 2 = {dW[0]}, ∂L/∂b = (0.5 − 0.5) / 2 = {dW[1]}")
report = gn.check_grads(loss, line, x, y, order=1)
print(report)
