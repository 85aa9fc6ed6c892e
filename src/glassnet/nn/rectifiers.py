"""ReLU and similar activation functions: near z for large z, near 0 or linear for negative z.

In: pre-activations z. Out: activations a = f(z) of the same shape.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from glassnet import ops
from glassnet.errors import ShapeError
from glassnet.graph.op import Value
from glassnet.nn.activations import check_width, filled, softplus
from glassnet.nn.compose import Layer, as_layer
from glassnet.nn.module import Module, Parameter
from glassnet.nn.scope import Scope
from glassnet.nn.setting_checks import check_numbers


@dataclass(eq=False)
class ReLU(Module):
    """The rectified linear unit: a = max(z, 0); the derivative at 0 is 0."""

    pointwise: ClassVar[bool] = True
    short_names: ClassVar[tuple[str, ...]] = ("relu",)

    def build(self, x: Value, parameters: Scope) -> Value:
        return ops.relu(x)


@dataclass(eq=False)
class LeakyReLU(Module):
    """The leaky ReLU: a = z where z > 0, else slope·z."""

    pointwise: ClassVar[bool] = True
    short_names: ClassVar[tuple[str, ...]] = ("leaky_relu",)

    slope: float = 0.01

    def __post_init__(self) -> None:
        check_numbers(self, "LeakyReLU(0.01)", slope=self.slope)

    def build(self, x: Value, parameters: Scope) -> Value:
        return leaky(x, self.slope)


@dataclass(eq=False)
class PReLU(Module):
    """A leaky ReLU with a learnt slope: a = z where z > 0, else slope·z. There is one slope for
    each of `width` neurons, or one for all if `width` is None. He and others, 2015."""

    pointwise: ClassVar[bool] = True

    torch_names: ClassVar[Mapping[str, str]] = {"slope": "weight"}

    slope: float = 0.25
    width: int | None = None

    def __post_init__(self) -> None:
        check_width(self, self.width)
        check_numbers(self, "PReLU(0.25)", slope=self.slope)

    def input_width(self) -> int | None:
        return self.width

    def parameter_specs(self) -> dict[str, Parameter]:
        return {"slope": filled(self.width, self.slope)}

    def build(self, x: Value, parameters: Scope) -> Value:
        return leaky(x, parameters["slope"])


@dataclass(eq=False)
class ELU(Module):
    """The exponential linear unit: a = z where z > 0, else alpha·(eᶻ − 1). Clevert and others,
    2015."""

    pointwise: ClassVar[bool] = True
    short_names: ClassVar[tuple[str, ...]] = ("elu",)

    alpha: float = 1.0

    def __post_init__(self) -> None:
        check_numbers(self, "ELU(1.0)", alpha=self.alpha)

    def build(self, x: Value, parameters: Scope) -> Value:
        return elu(x, self.alpha)


@dataclass(eq=False)
class SELU(Module):
    """A scaled ELU whose constants preserve mean 0 and variance 1 from layer to layer, with weights
    initialised by "lecun_normal". Klambauer and others, 2017."""

    pointwise: ClassVar[bool] = True
    short_names: ClassVar[tuple[str, ...]] = ("selu",)

    def build(self, x: Value, parameters: Scope) -> Value:
        return elu(x, 1.6732632423543772) * 1.0507009873554805


@dataclass(eq=False)
class GELU(Module):
    """The Gaussian error linear unit: a = z·Φ(z), Φ being the standard normal distribution
    function, computed exactly. Hendrycks and Gimpel, 2016."""

    pointwise: ClassVar[bool] = True
    short_names: ClassVar[tuple[str, ...]] = ("gelu",)

    def build(self, x: Value, parameters: Scope) -> Value:
        return x * (0.5 * (1.0 + ops.erf(x * math.sqrt(0.5))))


@dataclass(eq=False)
class SiLU(Module):
    """The sigmoid linear unit, also called swish: a = z·σ(z)."""

    pointwise: ClassVar[bool] = True
    short_names: ClassVar[tuple[str, ...]] = ("silu",)

    def build(self, x: Value, parameters: Scope) -> Value:
        return x * ops.sigmoid(x)


@dataclass(eq=False)
class Mish(Module):
    """a = z·tanh(ln(1 + eᶻ)). Misra, 2019."""

    pointwise: ClassVar[bool] = True
    short_names: ClassVar[tuple[str, ...]] = ("mish",)

    def build(self, x: Value, parameters: Scope) -> Value:
        return x * ops.tanh(softplus(x))


@dataclass(eq=False)
class Blend(Module):
    """A learnt mixture of an activation f and the identity: a = z + amount·(f(z) − z). There is one
    amount for each of `width` neurons, or one for all if `width` is None. From RealMLP."""

    f: Layer = field(default_factory=ReLU)
    amount: float = 1.0
    width: int | None = None

    def __post_init__(self) -> None:
        check_width(self, self.width)
        check_numbers(self, "Blend(ReLU(), 1.0)", amount=self.amount)
        self.inner = as_layer(self.f, "Blend({})")

    def input_width(self) -> int | None:
        return self.width

    def children(self) -> Mapping[str, Module]:
        return {"f": self.inner}

    def parameter_specs(self) -> dict[str, Parameter]:
        return {"amount": filled(self.width, self.amount)}

    def build(self, x: Value, parameters: Scope) -> Value:
        y = self.inner.build(x, parameters.under("f"))
        if y.shape != x.shape:
            raise ShapeError(
                f"{self!r}: f gives {y.type} for {x.type}; z + amount·(f(z) − z) needs as many\n"
                "  right: Sequential(Linear(3, 2), Blend(ReLU()))"
            )
        return x + parameters["amount"] * (y - x)


def leaky(x: Value, slope: Any) -> Value:
    return ops.where(ops.greater(x, 0.0), x, x * slope)


def elu(x: Value, alpha: float) -> Value:
    positive = ops.greater(x, 0.0)
    # the branch not taken must not overflow: its gradient would be 0 · ∞
    return ops.where(positive, x, alpha * ops.expm1(ops.where(positive, 0.0, x)))
