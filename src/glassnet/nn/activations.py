"""Activation functions, number by number.

In: pre-activations z. Out: activations a = f(z) of the same shape.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from glassnet import ops
from glassnet.errors import ShapeError
from glassnet.graph.op import Value
from glassnet.nn.module import Module, Parameter
from glassnet.nn.scope import Scope


@dataclass(eq=False)
class Identity(Module):
    """a = z."""

    def build(self, x: Value, parameters: Scope) -> Value:
        return x


@dataclass(eq=False)
class Sigmoid(Module):
    """a = 1 / (1 + e⁻ᶻ)."""

    def build(self, x: Value, parameters: Scope) -> Value:
        return ops.sigmoid(x)


@dataclass(eq=False)
class Tanh(Module):
    """a = tanh z."""

    def build(self, x: Value, parameters: Scope) -> Value:
        return ops.tanh(x)


@dataclass(eq=False)
class ReLU(Module):
    """a = max(z, 0); the derivative at 0 is 0."""

    def build(self, x: Value, parameters: Scope) -> Value:
        return ops.relu(x)


@dataclass(eq=False)
class ParametricSigmoid(Module):
    """a = 1 / (1 + e^(−slope·(z − shift))).

    With `learn` the slope and the shift are parameters, one pair for every neuron if `width` says
    how many there are, else one pair shared by all; without, they stay as given.
    """

    slope: float = 1.0
    shift: float = 0.0
    learn: bool = True
    width: int | None = None

    def __post_init__(self) -> None:
        if self.width is not None and self.width < 1:
            raise ShapeError(f"ParametricSigmoid(width={self.width}): use 1 or more, or None")

    def takes(self) -> int | None:
        return self.width

    def declared(self) -> dict[str, Parameter]:
        if not self.learn:
            return {}
        shape = (self.width or 1,)
        return {
            "slope": Parameter(shape, lambda s, _, __: np.full(s, self.slope)),
            "shift": Parameter(shape, lambda s, _, __: np.full(s, self.shift)),
        }

    def build(self, x: Value, parameters: Scope) -> Value:
        if not self.learn:
            return ops.sigmoid((x - self.shift) * self.slope)
        return ops.sigmoid((x - parameters["shift"]) * parameters["slope"])
