"""What an optimiser is: a rule from a parameter, its gradient and its own memory to new values.

In: graph values of one parameter. Out: graph values; they become part of the step's graph, and so
of the one compiled function.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from glassnet.errors import GlassnetError
from glassnet.graph.op import Value


@dataclass(frozen=True)
class Now:
    """The circumstances of an update."""

    lr: Value  # the learning rate of this step
    step: Value  # how many steps came before, int64


@dataclass(frozen=True)
class Optimizer:
    """A rule with its settings; `lr` is the learning rate."""

    lr: float = 0.1

    def __post_init__(self) -> None:
        if not (math.isfinite(self.lr) and self.lr > 0):
            raise GlassnetError(f"{type(self).__name__}(lr={self.lr!r}): lr is a number above 0")

    def slots(self) -> tuple[str, ...]:
        """Names of what is remembered of each parameter: arrays like it, 0 at first."""
        return ()

    def update(
        self, w: Value, g: Value, memory: Mapping[str, Value], now: Now
    ) -> tuple[Value, dict[str, Value]]:
        """The new parameter and the new memory."""
        raise NotImplementedError

    def rule(self) -> tuple[Any, ...]:
        """What decides the compiled step: all but the learning rate, which is an input of it."""
        settings = [(f.name, getattr(self, f.name)) for f in fields(self) if f.name != "lr"]
        return (type(self), *settings)


def check_between(owner: object, low: float, high: float, **settings: float) -> None:
    """GlassnetError unless each setting is at least `low` and below `high`."""
    for name, value in settings.items():
        if not low <= value < high:
            end = "" if high == math.inf else f", less than {high:g}"
            raise GlassnetError(
                f"{type(owner).__name__}({name}={value!r}): use {low:g} or more{end}"
            )
