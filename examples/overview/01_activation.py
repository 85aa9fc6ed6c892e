"""A non-linearity with a smooth gradient: σ(z) = 1 / (1 + e⁻ᶻ), whose slope is σ(z)·(1 − σ(z))."""

from __future__ import annotations

import numpy as np

import glassnet as gn
from glassnet import ops

z = np.array([-2.0, 0.0, 2.0])
a = gn.compile(ops.sigmoid)(z)
slope = gn.grad(lambda z: ops.sum(ops.sigmoid(z)))(z)
for row in zip(z, a, slope, strict=True):
    print("z = {:4.1f}   σ(z) = {:.6f}   σ′(z) = {:.6f}".format(*row))
