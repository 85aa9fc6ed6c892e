"""The training loop, compiled whole and recorded; then one step of it, opened to the last bit."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

import glassnet as gn
from glassnet.inspect.render import text

x = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
y = np.array([0.0, 1.0, 1.0, 1.0])
model = gn.nn.Sequential(gn.nn.Neuron(2), seed=1)
with tempfile.TemporaryDirectory() as folder:
    run = Path(folder) / "run.glass"
    history = gn.train(
        model, x, y, loss=gn.losses.HalfMSE(), optimizer=gn.optim.SGD(lr=2.0), epochs=50,
        batch_size=4, record=run,
    )  # fmt: skip
    step = gn.open_step(run, epoch=50, batch=1)
w = step.parameters["neuron1.weight"]
by_hand = w.before - np.float32(2.0) * w.slope
print(text.overview(step))
print(f"W − η·dL/dW by hand: {by_hand.ravel()}; what training made: {w.after.ravel()}")
