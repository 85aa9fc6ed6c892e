"""RMSprop and Adagrad: updates are divided by the root of past squared gradients."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from glassnet import ops
from glassnet.graph.op import Value
from glassnet.optim.optimizer import Optimizer, StepContext, check_between, flush_denormals
from glassnet.optim.schedule import Schedule


@dataclass(frozen=True)
class RMSprop(Optimizer):
    """v ← α·v + (1 − α)·g²; w ← w − η·g/(√v + ε). With `centered` the variance of g is used in
    place of its mean square; with momentum μ, b ← μ·b + g/(√v + ε) and w ← w − η·b. Subnormal
    values of the state are set to 0. Tieleman and Hinton, 2012."""

    lr: float | Schedule = 1e-2
    alpha: float = 0.99
    eps: float = 1e-8
    momentum: float = 0.0
    centered: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_between(self, 0.0, 1.0, alpha=self.alpha, momentum=self.momentum)
        check_between(self, 0.0, math.inf, eps=self.eps)

    def slots(self) -> Mapping[str, float]:
        names = ["v", *["mean"] * self.centered, *["b"] * bool(self.momentum)]
        return dict.fromkeys(names, 0.0)

    def update(
        self, w: Value, g: Value, memory: Mapping[str, Value], now: StepContext
    ) -> tuple[Value, dict[str, Value]]:
        v = self.alpha * memory["v"] + (1.0 - self.alpha) * ops.square(g)
        new = {"v": v}
        if self.centered:
            new["mean"] = self.alpha * memory["mean"] + (1.0 - self.alpha) * g
            v = ops.maximum(v - ops.square(new["mean"]), 0.0)  # rounding must not make it negative
        direction = g / (ops.sqrt(v) + self.eps)
        if self.momentum:
            new["b"] = direction = self.momentum * memory["b"] + direction
        return w - now.lr * direction, {slot: flush_denormals(part) for slot, part in new.items()}

    def formulas(self, t: int) -> list[str]:
        lines, root = [f"v ← {self.alpha}·v + (1 − {self.alpha})·g²"], "√v"
        if self.centered:
            lines.append(f"mean ← {self.alpha}·mean + (1 − {self.alpha})·g")
            root = "√(max(v − mean², 0))"
        direction = f"g/({root} + {self.eps})"
        if self.momentum:
            return [*lines, f"b ← {self.momentum}·b + {direction}", "w ← w − η·b"]
        return [*lines, f"w ← w − η·({direction})"]


@dataclass(frozen=True)
class Adagrad(Optimizer):
    """s ← s + g²; w ← w − η/(1 + (t − 1)·lr_decay) · g/(√s + ε) in step t; s starts at
    `initial`. Duchi and others, 2011."""

    lr: float | Schedule = 1e-2
    lr_decay: float = 0.0
    initial: float = 0.0
    eps: float = 1e-10

    def __post_init__(self) -> None:
        super().__post_init__()
        settings = {"lr_decay": self.lr_decay, "initial": self.initial, "eps": self.eps}
        check_between(self, 0.0, math.inf, **settings)

    def slots(self) -> Mapping[str, float]:
        return {"s": self.initial}

    def update(
        self, w: Value, g: Value, memory: Mapping[str, Value], now: StepContext
    ) -> tuple[Value, dict[str, Value]]:
        s = memory["s"] + ops.square(g)
        lr = now.lr
        if self.lr_decay:
            lr = lr / (1.0 + ops.cast(now.step, w.dtype) * self.lr_decay)
        return w - lr * (g / (ops.sqrt(s) + self.eps)), {"s": s}

    def formulas(self, t: int) -> list[str]:
        rate = f"η/(1 + (t − 1)·{self.lr_decay})" if self.lr_decay else "η"
        return ["s ← s + g²", f"w ← w − {rate}·(g/(√s + {self.eps}))"]
