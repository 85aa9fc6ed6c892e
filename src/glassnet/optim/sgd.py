"""Gradient descent: W ← W − η · dL/dW, plain or with momentum."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from glassnet import ops
from glassnet.errors import GlassnetError
from glassnet.graph.op import Value
from glassnet.optim.optimizer import Optimizer, StepContext, check_between, flush_denormals


@dataclass(frozen=True)
class SGD(Optimizer):
    """Stochastic gradient descent: w ← w − η·g. With momentum μ, v ← μ·v + (1 − dampening)·g (just
    g in the first step) and w ← w − η·v, or with `nesterov` w ← w − η·(g + μ·v). A subnormal v is
    set to 0."""

    momentum: float = 0.0
    nesterov: bool = False
    dampening: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_between(self, 0.0, 1.0, momentum=self.momentum, dampening=self.dampening)
        if self.nesterov and (not self.momentum or self.dampening):
            raise GlassnetError(
                "SGD(nesterov=True) needs a momentum above 0, and dampening=0\n"
                "  right: SGD(momentum=0.9, nesterov=True)"
            )

    def slots(self) -> Mapping[str, float]:
        return {"v": 0.0} if self.momentum else {}

    def update(
        self, w: Value, g: Value, memory: Mapping[str, Value], now: StepContext
    ) -> tuple[Value, dict[str, Value]]:
        if not self.momentum:
            return w - now.lr * g, {}
        new = g
        if self.dampening:
            new = ops.where(ops.equal(now.step, 0), g, (1.0 - self.dampening) * g)
        v = self.momentum * memory["v"] + new
        ahead = g + self.momentum * v if self.nesterov else v
        return w - now.lr * ahead, {"v": flush_denormals(v)}

    def formulas(self, t: int) -> list[str]:
        if not self.momentum:
            return ["w ← w − η·g"]
        new = f"(1 − {self.dampening})·g" if self.dampening and t > 1 else "g"
        ahead = f"(g + {self.momentum}·v)" if self.nesterov else "v"
        return [f"v ← {self.momentum}·v + {new}", f"w ← w − η·{ahead}"]
