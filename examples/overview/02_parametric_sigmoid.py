"""A sigmoid with a slope and a shift, here as given, and learnt if one wishes."""

from __future__ import annotations

import numpy as np

import glassnet as gn

steep = gn.nn.ParametricSigmoid(slope=4.0, shift=1.0, learn=False)
learnt = gn.nn.Sequential(gn.nn.ParametricSigmoid(slope=4.0, shift=1.0, width=1))
z = np.array([[0.5], [1.0], [1.5]])
a = steep(z)
print(f"1 / (1 + e^(−4·(z − 1))) for {z.ravel()}: {a.ravel()}")
print(f"learnt, it has parameters: {sorted(learnt.parameters())}")
