"""When the numbers leave the finite range.

In: the losses of an epoch after which the weights were put back. Out: an error that says in which
step it happened and what to try.
"""

from __future__ import annotations

import numpy as np

from glassnet.errors import TrainingError
from glassnet.training.history import Run


def advice(lr: float, x: np.ndarray) -> str:
    """What to try: a smaller learning rate, smaller numbers in x where they are large."""
    largest = float(max(x.max(), -x.min()))
    return f"  try a smaller learning rate: lr={lr / 10:.2g}" + (
        f"\n  or scale x, whose largest number is {largest:.3g}" if largest > 100 else ""
    )


def divergence(run: Run, losses: np.ndarray, first: int, lr: float, x: np.ndarray) -> TrainingError:
    """The error; the model has been given back the numbers from before the epoch."""
    bad = np.flatnonzero(~np.isfinite(losses))
    if bad.size:
        what = f"the loss became {losses[bad[0]]:g}"
        step = int(bad[0])
    else:
        what, step = "a parameter left the finite range", len(losses) - 1
    back = f"the end of epoch {run.epoch}" if run.epoch else "the start"
    return TrainingError(
        f"{what} in epoch {run.epoch + 1}, step {step + 1} (step {first + step + 1} of the run); "
        f"the model was put back to {back}\n{advice(lr, x)}"
    )
