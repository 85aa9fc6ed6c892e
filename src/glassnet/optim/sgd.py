"""Gradient descent: W ← W − η · dL/dW, plain or with momentum."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from glassnet.errors import GlassnetError
from glassnet.graph.op import Value
from glassnet.optim.optimizer import Now, Optimizer, check_between


@dataclass(frozen=True)
class SGD(Optimizer):
    """w ← w − η·g; with momentum μ, v ← μ·v + g and w ← w − η·v; Nesterov's way takes
    w ← w − η·(g + μ·v)."""

    momentum: float = 0.0
    nesterov: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_between(self, 0.0, 1.0, momentum=self.momentum)
        if self.nesterov and not self.momentum:
            raise GlassnetError(
                "SGD(nesterov=True) looks ahead along the momentum, which is 0\n"
                "  right: SGD(momentum=0.9, nesterov=True)"
            )

    def slots(self) -> tuple[str, ...]:
        return ("v",) if self.momentum else ()

    def update(
        self, w: Value, g: Value, memory: Mapping[str, Value], now: Now
    ) -> tuple[Value, dict[str, Value]]:
        if not self.momentum:
            return w - now.lr * g, {}
        v = self.momentum * memory["v"] + g
        ahead = g + self.momentum * v if self.nesterov else v
        return w - now.lr * ahead, {"v": v}
