"""Neurons side by side make a layer, layers one after the other a network: ŷ = f₂(f₁(x))."""

from __future__ import annotations

import numpy as np

import glassnet as gn

network = gn.nn.Sequential(gn.nn.Linear(2, 3), gn.nn.ReLU(), gn.nn.Linear(3, 1))
p = network.parameters()
p["linear1.weight"][...] = [[1, 0, 1], [0, 1, -1]]
p["linear2.weight"][...] = [[1], [10], [100]]
x = np.array([[3.0, 2.0], [1.0, 4.0]])
prediction = network(x)
print(network)
print(f"(3, 2) → (3, 2, 1) → 3 + 20 + 100 = {prediction[0, 0]:g}")
print(f"(1, 4) → (1, 4, 0) → 1 + 40 + 0 = {prediction[1, 0]:g}")
