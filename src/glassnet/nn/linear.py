"""Linear layers and single neurons.

In: sizes. Out: modules. Weights have the shape (fan_in, fan_out), as in scikit-learn.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from glassnet.graph.op import Value
from glassnet.nn.activations import Sigmoid
from glassnet.nn.compose import Layer, as_layer
from glassnet.nn.initializers import Initializer, initializer
from glassnet.nn.module import Module, Parameter
from glassnet.nn.scope import Scope
from glassnet.nn.setting_checks import check_sizes


@dataclass(eq=False)
class Linear(Module):
    """A linear (dense) layer: z = x W + b, with W (fan_in, fan_out) and b (fan_out,).

    `initializer` is a name or a function of (shape, seed, stream) for the initial weights; biases
    are initialised with 0. The default, "glorot_uniform", is made for layers followed by a sigmoid
    or tanh, and works for others; "he_uniform" and "he_normal" are made for ReLU and similar
    activations.
    """

    torch_transposed: ClassVar[frozenset[str]] = frozenset({"weight"})

    fan_in: int
    fan_out: int
    bias: bool = True
    initializer: str | Initializer = "glorot_uniform"

    def __post_init__(self) -> None:
        check_sizes(self, "Linear(4, 3)", fan_in=self.fan_in, fan_out=self.fan_out)
        initializer(self.initializer)

    def input_width(self) -> int | None:
        return self.fan_in

    def output_width(self, width: int | None) -> int | None:
        return self.fan_out

    def parameter_specs(self) -> dict[str, Parameter]:
        weight = Parameter((self.fan_in, self.fan_out), self.initializer)
        return {"weight": weight} | ({"bias": Parameter((self.fan_out,))} if self.bias else {})

    def build(self, x: Value, parameters: Scope) -> Value:
        z = x @ parameters["weight"]
        return z + parameters["bias"] if self.bias else z

    def __repr__(self) -> str:
        return f"Linear({self.fan_in}, {self.fan_out}{'' if self.bias else ', bias=False'})"


@dataclass(eq=False)
class Neuron(Module):
    """One neuron: a = σ(w·x + b), of shape [rows, 1]. `activation` is a layer or function in place
    of the sigmoid σ."""

    fan_in: int
    activation: Layer = field(default_factory=Sigmoid)
    initializer: str | Initializer = "glorot_uniform"

    def __post_init__(self) -> None:
        check_sizes(self, "Neuron(4)", fan_in=self.fan_in)
        self.linear = Linear(self.fan_in, 1, True, self.initializer)
        self.squash = as_layer(self.activation, "Neuron(2, {})")

    def input_width(self) -> int | None:
        return self.fan_in

    def output_width(self, width: int | None) -> int | None:
        return 1

    def children(self) -> Mapping[str, Module]:
        return {"": self.linear, "activation": self.squash}

    def build(self, x: Value, parameters: Scope) -> Value:
        z = self.linear.build(x, parameters)
        parameters.note("linear", z)
        return self.squash.build(z, parameters.under("activation"))

    def __repr__(self) -> str:
        return f"Neuron({self.fan_in}, {self.squash!r})"
