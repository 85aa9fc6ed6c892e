"""Adam and AdamW: updates are divided by the root of each weight's mean squared gradient."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from glassnet import ops
from glassnet.graph.op import Value
from glassnet.optim import scalar_functions as numbers
from glassnet.optim.optimizer import Optimizer, StepContext, check_between, flush_denormals
from glassnet.optim.schedule import Schedule


@dataclass(frozen=True)
class Adam(Optimizer):
    """m ← β₁m + (1 − β₁)g; v ← β₂v + (1 − β₂)g²; w ← w − η · m̂ / (√v̂ + ε), where m̂ and v̂ are
    m and v divided by 1 − β₁ᵗ and 1 − β₂ᵗ in step t. A subnormal m is set to 0. Kingma and Ba,
    2014.

    With `amsgrad` the largest v so far is used in place of v. Reddi and others, 2018.
    """

    lr: float | Schedule = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    amsgrad: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_between(self, 0.0, 1.0, beta1=self.beta1, beta2=self.beta2)
        check_between(self, 0.0, math.inf, eps=self.eps)

    def slots(self) -> Mapping[str, float]:
        return {"m": 0.0, "v": 0.0, **({"top": 0.0} if self.amsgrad else {})}

    def update(
        self, w: Value, g: Value, memory: Mapping[str, Value], now: StepContext
    ) -> tuple[Value, dict[str, Value]]:
        m = self.beta1 * memory["m"] + (1.0 - self.beta1) * g
        v = self.beta2 * memory["v"] + (1.0 - self.beta2) * ops.square(g)
        new = {"m": flush_denormals(m), "v": v}
        if self.amsgrad:
            new["top"] = v = ops.maximum(memory["top"], v)
        # √(1 − β₂ᵗ) is moved into the step size, one scalar for all parameters, which saves a
        # division for each of them
        spread = ops.sqrt(bias_correction_node(self.beta2, now.step, w.dtype))
        size = now.lr * spread / bias_correction_node(self.beta1, now.step, w.dtype)
        return w - size * (m / (ops.sqrt(v) + self.eps * spread)), new

    def formulas(self, t: int) -> list[str]:
        largest = ["top ← max(top, v)"] if self.amsgrad else []
        return [
            *moments(self.beta1, self.beta2),
            *largest,
            f"m̂ = m/(1 − {self.beta1}^t)",
            f"v̂ = {'top' if self.amsgrad else 'v'}/(1 − {self.beta2}^t)",
            f"w ← w − η·m̂/(√v̂ + {self.eps})",
        ]


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with decoupled weight decay, which is not scaled by the gradients: w is first multiplied
    by 1 − η·weight_decay. Loshchilov and Hutter, 2017."""

    decoupled: ClassVar[bool] = True

    weight_decay: float = field(default=0.01, kw_only=True)

    def update_with_decay(
        self, w: Value, g: Value, memory: Mapping[str, Value], now: StepContext, decay: float
    ) -> tuple[Value, dict[str, Value]]:
        shrunk = w * (1.0 - now.lr * decay) if decay else w
        return super().update_with_decay(shrunk, g, memory, now, 0.0)


def moments(beta1: float, beta2: float) -> list[str]:
    """Return the formulas of the running means of g and g²."""
    return [f"m ← {beta1}·m + (1 − {beta1})·g", f"v ← {beta2}·v + (1 − {beta2})·g²"]


def bias_correction_node(beta: float, step: Value, dtype: str) -> Any:
    """Return Adam's bias correction 1 − βᵗ in step t = step + 1, the total weight of all gradients
    in their running mean.

    It is computed as −(eˢ − 1) with s = t · ln β, which is accurate where βᵗ is close to 1.
    """
    if beta == 0.0:
        return ops.cast(step, dtype) * 0.0 + 1.0
    return -ops.expm1(ops.cast(step + 1, dtype) * float(numbers.log(beta)))
