"""The networks that a model file can hold: dense layers with a named activation between them.

In: sizes and a seed, or the plain description in a model file. Out: a `Sequential`.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from glassnet import nn

if TYPE_CHECKING:
    from numpy.typing import NDArray

# A closed list: a model file can never name code to import.
ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}
_WIDEST = 1 << 24


@dataclass(frozen=True)
class Architecture:
    """Everything about a network but its weights."""

    inputs: int
    hidden: tuple[int, ...]
    outputs: int
    activation: str = "relu"
    dtype: str = "float32"

    @property
    def sizes(self) -> tuple[int, ...]:
        return (self.inputs, *self.hidden, self.outputs)

    def check(self) -> None:
        """`ValueError` unless the values make a network."""
        if any(not 0 < size < _WIDEST for size in self.sizes):
            raise ValueError(f"the layer sizes {self.sizes} cannot be")
        if self.activation not in ACTIVATIONS or self.dtype not in ("float32", "float64"):
            raise ValueError(f"unknown activation {self.activation!r} or dtype {self.dtype!r}")


def build(architecture: Architecture, seed: int = 0) -> nn.Sequential:
    """A network with fresh weights."""
    layers: list[Any] = []
    sizes = architecture.sizes
    for place, (width_in, width_out) in enumerate(itertools.pairwise(sizes)):
        if place:
            layers.append(ACTIVATIONS[architecture.activation]())
        layers.append(nn.Linear(width_in, width_out))
    return nn.Sequential(*layers, seed=seed, dtype=architecture.dtype)


def tensors(architecture: Architecture, flat: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Named parts of the flat parameter vector: layer by layer, weight before bias, row-major."""
    named: dict[str, NDArray[Any]] = {}
    start = 0
    for place, shape in enumerate(_shapes(architecture)):
        size = int(np.prod(shape))
        name = f"layer{place // 2 + 1}.{'weight' if place % 2 == 0 else 'bias'}"
        named[name] = flat[start : start + size].reshape(shape)
        start += size
    if start != flat.size:
        raise ValueError(f"{flat.size} parameters where the layers have {start}")
    return named


def flatten(architecture: Architecture, named: dict[str, NDArray[Any]]) -> NDArray[Any]:
    """The flat parameter vector that named tensors make up, checked against the layers."""
    total = sum(int(np.prod(shape)) for shape in _shapes(architecture))
    expected = tensors(architecture, np.zeros(total, architecture.dtype))
    if {name: tensor.shape for name, tensor in named.items()} != {
        name: tensor.shape for name, tensor in expected.items()
    }:
        raise ValueError("the tensors do not fit the layers")
    flat = np.concatenate([named[name].ravel() for name in expected]).astype(architecture.dtype)
    if not np.isfinite(flat).all():
        raise ValueError("some weights are not finite")
    return flat


def _shapes(architecture: Architecture) -> list[tuple[int, ...]]:
    sizes = architecture.sizes
    pairs = itertools.pairwise(sizes)
    return [shape for fan_in, fan_out in pairs for shape in ((fan_in, fan_out), (fan_out,))]
