"""The update rules of scikit-learn's MLPs; see `SGD` and `Adam` for the usual ones.

In: settings by scikit-learn's names, which are inputs of the compiled step, so that a search over
them needs no compilation. Out: rules and learning rates for `train`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from glassnet import ops
from glassnet.graph.op import Value
from glassnet.optim.adam import moments
from glassnet.optim.optimizer import Optimizer, StepContext, flush_denormals
from glassnet.optim.schedule import Schedule, Timeline
from glassnet.optim.search import LBFGS

RATES = 1024  # number of learning rates computed at a time


def flush_weight(w: Any) -> Any:
    """Return weights with 0 in place of those whose square, which the penalty uses, would be
    subnormal: weights of inputs that are always 0 shrink under a penalty, and processors take ten
    times as long for subnormal numbers."""
    return flush_denormals(w, float(np.finfo(w.dtype).tiny) ** 0.5)


@dataclass(frozen=True)
class ScikitSGD(Optimizer):
    """Gradient descent with scikit-learn's momentum, where the velocity contains the learning rate:
    m ← momentum·m − η·g; w ← w + m, or with Nesterov's momentum w ← w + momentum·m − η·g."""

    momentum: float = 0.9
    nesterov: bool = True

    def slots(self) -> Mapping[str, float]:
        return {"m": 0.0}

    def hyperparameters(self) -> Mapping[str, float]:
        return {"momentum": self.momentum}

    def update(
        self, w: Value, g: Value, memory: Mapping[str, Value], now: StepContext
    ) -> tuple[Value, dict[str, Value]]:
        momentum: Any = now.settings["momentum"]
        velocity: Any = momentum * memory["m"] - now.lr * g
        ahead = momentum * velocity - now.lr * g if self.nesterov else velocity
        return flush_weight(w + ahead), {"m": flush_denormals(velocity)}

    def formulas(self, t: int) -> list[str]:
        ahead = f"({self.momentum}·m − η·g)" if self.nesterov else "m"
        return [f"m ← {self.momentum}·m − η·g", f"w ← w + {ahead}"]


@dataclass(frozen=True)
class ScikitAdam(Optimizer):
    """Adam as in scikit-learn, where the bias correction is part of the learning rate. Kingma and
    Ba, 2014."""

    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8

    @property
    def schedule(self) -> Schedule:
        return AdamRates(float(super().schedule.lr), self.beta_1, self.beta_2)

    def slots(self) -> Mapping[str, float]:
        return {"m": 0.0, "v": 0.0}

    def hyperparameters(self) -> Mapping[str, float]:
        return {"beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon}

    def update(
        self, w: Value, g: Value, memory: Mapping[str, Value], now: StepContext
    ) -> tuple[Value, dict[str, Value]]:
        beta_1, beta_2, epsilon = (now.settings[n] for n in ("beta_1", "beta_2", "epsilon"))
        m: Any = beta_1 * memory["m"] + (1.0 - beta_1) * g
        v: Any = beta_2 * memory["v"] + (1.0 - beta_2) * ops.square(g)
        moved: Any = w - now.lr * m / (ops.sqrt(v) + epsilon)
        return flush_weight(moved), {"m": flush_denormals(m), "v": v}

    def formulas(self, t: int) -> list[str]:
        return [*moments(self.beta_1, self.beta_2), f"w ← w − η·m/(√v + {self.epsilon})"]


@dataclass(frozen=True)
class ScikitLBFGS(LBFGS):
    """L-BFGS with scikit-learn's stopping rules: it also stops after `evaluations` evaluations, and
    when the loss hardly changes (SciPy's default `ftol`)."""

    evaluations: int = 15000

    def options(self, iterations: int) -> dict[str, float]:
        options = {"maxcor": self.memory, "gtol": self.tolerance}
        return {"maxiter": iterations, "maxfun": self.evaluations, **options}


@dataclass(frozen=True)
class AdamRates(Schedule):
    """The learning rates of `ScikitAdam`: lr·√(1 − β₂ᵗ)/(1 − β₁ᵗ) in step t = 1, 2, …"""

    beta_1: float = 0.9
    beta_2: float = 0.999

    def rates(self, timeline: Timeline, losses: Sequence[float] = ()) -> np.ndarray:
        steps = timeline.steps
        block, start = divmod(int(steps[0]), RATES)
        end = start + len(steps)
        if end <= RATES and int(steps[-1]) == block * RATES + end - 1:  # one after the other
            return _block_of_rates(self.lr, self.beta_1, self.beta_2, block)[start:end]
        return _adam_rates(self.lr, self.beta_1, self.beta_2, steps + 1)


def _adam_rates(lr: float, beta_1: float, beta_2: float, t: np.ndarray) -> np.ndarray:
    return lr * np.sqrt(1 - beta_2**t) / (1 - beta_1**t)


@lru_cache(32)
def _block_of_rates(lr: float, beta_1: float, beta_2: float, block: int) -> np.ndarray:
    """Return the learning rates of `RATES` steps; fits with equal settings share the array."""
    return _adam_rates(lr, beta_1, beta_2, np.arange(block * RATES + 1, (block + 1) * RATES + 1))


@dataclass(frozen=True)
class EpochRates(Schedule):
    """The learning rate of every epoch as it was recorded in a run."""

    each: tuple[float, ...] = ()

    def rates(self, timeline: Timeline, losses: Sequence[float] = ()) -> np.ndarray:
        return np.array(self.each)[timeline.epochs]
