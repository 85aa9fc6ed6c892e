"""What a training run leaves behind, and what callbacks see of it while it runs.

In: numbers from the loop. Out: `History`, kept by the user, and `Run`, read by callbacks.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from glassnet.nn.module import Module


@dataclass
class History:
    """One figure an epoch.

    The loss of an epoch is the mean over its rows (weighted where rows have weights) of the loss
    that each had in its step, before that step's update. `stopped` says why training ended:
    "epochs" (all were done), "early", "time", "interrupted", or "converged". `evaluations` counts
    how often the loss of all rows was computed; an epoch of gradient descent is one. `unrecorded`
    says why the end of the run is not in its run file, where it should be and is not.
    """

    loss: list[float] = field(default_factory=list[float])
    validation_loss: list[float] = field(default_factory=list[float])
    compile_seconds: float = 0.0
    train_seconds: float = 0.0
    best_epoch: int | None = None
    stopped: str = "epochs"
    evaluations: int = 0
    unrecorded: str | None = None


@dataclass
class Run:
    """A run in progress; another thread may read it at any time."""

    model: Module
    epochs: int
    steps_total: int
    history: History = field(default_factory=History)
    epoch: int = 0  # finished ones
    steps_done: int = 0
    started: float = field(default_factory=time.perf_counter)

    def elapsed(self) -> float:
        """Seconds since the run began."""
        return time.perf_counter() - self.started
