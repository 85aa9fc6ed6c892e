"""Update rules as scikit-learn's networks have them; see `SGD` and `Adam` for the usual ones.

In: settings by scikit-learn's names, which are inputs of the compiled step, so that a search over
them compiles nothing. Out: rules and learning rates for `train`.
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

RATES = 1024  # learning rates worked out at a time


def flush_weight(w: Any) -> Any:
    """0 where the square, which the penalty adds, would be no normal number: weights of inputs that
    are always 0 shrink under a penalty, and processors take ten times as long for denormal ones."""
    return flush_denormals(w, float(np.finfo(w.dtype).tiny) ** 0.5)


@dataclass(frozen=True)
class ScikitSGD(Optimizer):
    """Descent with momentum as scikit-learn has it: the velocity holds the learning rate."""

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
    """Adam as scikit-learn has it: the correction for the first steps lies in the learning rate.
    Kingma and Ba, 2014."""

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
    """L-BFGS as scikit-learn calls it: it ends after so many evaluations too, and where the loss
    hardly changes any more."""

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
    """Those of `RATES` steps; fits that differ in other settings share them."""
    return _adam_rates(lr, beta_1, beta_2, np.arange(block * RATES + 1, (block + 1) * RATES + 1))


@dataclass(frozen=True)
class EpochRates(Schedule):
    """The learning rate that every epoch had, as it was recorded."""

    each: tuple[float, ...] = ()

    def rates(self, timeline: Timeline, losses: Sequence[float] = ()) -> np.ndarray:
        return np.array(self.each)[timeline.epochs]
