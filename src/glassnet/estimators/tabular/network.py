"""The networks that a model file can hold: dense layers with a named activation between them.

In: sizes and a seed, or the description and the tensors in a model file. Out: a `Sequential`.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np

from glassnet.nn import Linear, Module, ReLU, Sequential, Sigmoid, Tanh
from glassnet.serialize import Count, Length
from glassnet.words import counted

if TYPE_CHECKING:
    from numpy.typing import NDArray

# A closed list: a model file can never name code to import.
ACTIVATIONS: dict[str, type[Module]] = {"relu": ReLU, "tanh": Tanh, "sigmoid": Sigmoid}
_MOST_PARAMETERS = 1 << 30


@dataclass(frozen=True)
class Architecture:
    """Everything about a network but its weights."""

    inputs: Count
    hidden: Annotated[tuple[Count, ...], Length(0, 1000)]
    outputs: Count
    activation: Literal["relu", "tanh", "sigmoid"] = "relu"
    dtype: Literal["float32", "float64"] = "float32"

    @property
    def sizes(self) -> tuple[int, ...]:
        return (self.inputs, *self.hidden, self.outputs)

    @property
    def parameters(self) -> int:
        """How many numbers the network holds."""
        return sum((fan_in + 1) * fan_out for fan_in, fan_out in itertools.pairwise(self.sizes))

    def check(self) -> None:
        """`ValueError` unless the values make a network."""
        if self.parameters > _MOST_PARAMETERS:
            raise ValueError(
                f"it has {counted(self.parameters, 'parameter')}; allowed are {_MOST_PARAMETERS:,}"
            )


def build(architecture: Architecture, seed: int = 0) -> Sequential:
    """A network with fresh weights."""
    layers: list[Module] = []
    for fan_in, fan_out in itertools.pairwise(architecture.sizes):
        if layers:
            layers.append(ACTIVATIONS[architecture.activation]())
        layers.append(Linear(fan_in, fan_out))
    return Sequential(*layers, seed=seed, dtype=architecture.dtype)


def restored(architecture: Architecture, tensors: dict[str, NDArray[Any]]) -> Sequential:
    """The network that a description and named tensors make, checked against each other."""
    if sum(tensor.size for tensor in tensors.values()) != architecture.parameters:
        raise ValueError("the tensors do not fit the layers")
    network = build(architecture)
    places = network.parameters()
    if {name: tensor.shape for name, tensor in tensors.items()} != {
        name: place.shape for name, place in places.items()
    }:
        raise ValueError("the tensors do not fit the layers")
    for name, place in places.items():
        place[...] = tensors[name]
    if not np.isfinite(network.W).all():
        raise ValueError("some weights are not finite")
    return network
