"""Gradient descent: W ← W − η · dL/dW, again and again."""

from __future__ import annotations

import numpy as np

import glassnet as gn

line = gn.nn.Sequential(gn.nn.Linear(1, 1, bias=False), dtype="float64")
line.W = np.array([4.0])  # ŷ = 4x, but y = x
x = y = np.array([[1.0], [1.0]])
step = gn.value_and_grad(gn.losses.HalfMSE())
path = [float(line.W[0])]
for _ in range(5):
    L, dW = step(line, x, y)  # dL/dw = w − 1
    line.W -= 0.5 * dW
    path.append(float(line.W[0]))
print("w − 1 is halved in every step:", path)
