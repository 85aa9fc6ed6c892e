"""A neuron takes a vector: a = σ(w·x + b)."""

from __future__ import annotations

import numpy as np

import glassnet as gn

neuron = gn.nn.Neuron(3)
neuron.parameters()["weight"][:, 0] = [1.0, -2.0, 0.5]
neuron.parameters()["bias"][:] = 0.25
x = np.array([[2.0, 1.0, 1.5]])
a = neuron(x)
print(f"σ(1·2 − 2·1 + 0.5·1.5 + 0.25) = σ(1) = {a[0, 0]:.6f}")
