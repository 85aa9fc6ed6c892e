"""Sigmoid-like activation functions: bounded, or a smooth or hard step.

In: pre-activations z. Out: activations a = f(z) of the same shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from glassnet import ops
from glassnet.errors import GlassnetError
from glassnet.graph.op import Value
from glassnet.nn.module import Module, Parameter
from glassnet.nn.scope import Scope
from glassnet.nn.setting_checks import check_numbers, check_sizes


@dataclass(eq=False)
class Identity(Module):
    """The identity: a = z."""

    pointwise: ClassVar[bool] = True
    short_names: ClassVar[tuple[str, ...]] = ("identity",)

    def passed_columns(self, columns: Sequence[int]) -> Sequence[int] | None:
        return columns

    def build(self, x: Value, parameters: Scope) -> Value:
        return x


@dataclass(eq=False)
class Heaviside(Module):
    """The step function: a = 1 where z > 0, else 0. Its derivative is 0, so that gradient descent
    cannot train the layers before it; building a training step raises GlassnetError."""

    former_name: ClassVar[str] = "Step"

    def build(self, x: Value, parameters: Scope) -> Value:
        if parameters.training:
            raise GlassnetError(
                "Heaviside is flat: its derivative is 0, so no layer before it can learn\n"
                "  to train by gradient descent: use Sigmoid(), which is a smooth step\n"
                "  to keep the step: set model.W by hand, or use gn.optim.RandomSearch()"
            )
        return ops.cast(ops.greater(x, 0.0), x.dtype)


@dataclass(eq=False)
class Sigmoid(Module):
    """The logistic function: a = 1 / (1 + e⁻ᶻ); a′ = a·(1 − a)."""

    pointwise: ClassVar[bool] = True
    short_names: ClassVar[tuple[str, ...]] = ("logistic", "sigmoid")

    def build(self, x: Value, parameters: Scope) -> Value:
        return ops.sigmoid(x)


@dataclass(eq=False)
class Tanh(Module):
    """The hyperbolic tangent: a = tanh z; a′ = 1 − a²."""

    pointwise: ClassVar[bool] = True
    short_names: ClassVar[tuple[str, ...]] = ("tanh",)

    def build(self, x: Value, parameters: Scope) -> Value:
        return ops.tanh(x)


@dataclass(eq=False)
class Softmax(Module):
    """aᵢ = e^zᵢ / Σ e^zⱼ over the columns of a row: positive numbers that sum to 1. `CrossEntropy`
    takes raw scores: a network trained with it must not end with Softmax."""

    def build(self, x: Value, parameters: Scope) -> Value:
        return ops.softmax(x, -1)


@dataclass(eq=False)
class Softplus(Module):
    """A smooth ReLU: a = ln(1 + eᶻ); a′ is the sigmoid of z."""

    pointwise: ClassVar[bool] = True
    short_names: ClassVar[tuple[str, ...]] = ("softplus",)

    def build(self, x: Value, parameters: Scope) -> Value:
        return softplus(x)


@dataclass(eq=False)
class ParametricSigmoid(Module):
    """A sigmoid with slope and shift: a = 1 / (1 + e^(−slope·(z − shift))).

    With `learn` the slope and the shift are parameters, one pair for each of `width` neurons, or
    one pair for all if `width` is None. Without `learn` they are constants.
    """

    pointwise: ClassVar[bool] = True

    slope: float = 1.0
    shift: float = 0.0
    learn: bool = True
    width: int | None = None

    def __post_init__(self) -> None:
        check_width(self, self.width)
        check_numbers(self, "ParametricSigmoid(1.0, 0.0)", slope=self.slope, shift=self.shift)

    def input_width(self) -> int | None:
        return self.width

    def parameter_specs(self) -> dict[str, Parameter]:
        if not self.learn:
            return {}
        return {"slope": filled(self.width, self.slope), "shift": filled(self.width, self.shift)}

    def build(self, x: Value, parameters: Scope) -> Value:
        if not self.learn:
            return ops.sigmoid((x - self.shift) * self.slope)
        return ops.sigmoid((x - parameters["shift"]) * parameters["slope"])


def softplus(x: Value) -> Value:
    """Return ln(1 + eˣ) without overflow, with the right derivative at 0 too."""
    positive = ops.greater(x, 0.0)
    return ops.where(positive, x, 0.0) + ops.log1p(ops.exp(ops.where(positive, -x, x)))


def filled(width: int | None, value: float) -> Parameter:
    """Return a parameter for each of `width` neurons, or one for all, with this initial value."""
    return Parameter((width or 1,), lambda shape, seed, stream: np.full(shape, value))


def check_width(owner: Module, width: int | None) -> None:
    if width is not None:
        name = type(owner).__name__
        check_sizes(owner, f"{name}(width=3) behind Linear(…, 3), or {name}()", width=width)
