"""Extracts one member of an ensemble as a plain network.

In: a network that ends with `Average` or `InFolds`. Out: the embedding of its inputs, if it has
one, and a `Sequential` of `Linear` layers and activations. Both have copies of the parameters, and
predict what the member predicts in the ensemble, up to rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from glassnet.nn.compose import Sequential
from glassnet.nn.embed import GroupInputs, NumberEmbedding, own_rows
from glassnet.nn.ensemble import Average, BatchEnsemble, InFolds, MemberLinear, Repeat
from glassnet.nn.linear import Linear
from glassnet.nn.module import Module


@dataclass(frozen=True)
class Pack:
    """The layers of an ensemble; the members of a fold are adjacent."""

    layers: tuple[Module, ...]
    members: int
    folds: int
    dtype: str

    @classmethod
    def of(cls, network: Module) -> Pack | None:
        """Return the layers of an ensemble; None where the network is not an ensemble, or has
        layers of other kinds."""
        if not isinstance(network, Sequential):
            return None
        *layers, last = network.chain().values()
        folds = 1
        if isinstance(last, InFolds) and not layers and isinstance(last.inner, Sequential):
            layers, folds = list(last.inner.chain().values()), last.folds
        elif not isinstance(last, Average):
            return None
        made = cls(tuple(layers), last.members, folds, network.dtype)
        return made if made._is_supported() else None

    def _is_supported(self) -> bool:
        """Whether the layers are at most one embedding, then a Repeat, then layers of members."""
        rest = self.layers
        if rest and isinstance(rest[0], NumberEmbedding | GroupInputs):
            rest = rest[1:]
        if not rest or not isinstance(rest[0], Repeat):
            return False
        first = self.layers[0]
        groups = first.groups if isinstance(first, NumberEmbedding | GroupInputs) else 1
        if rest[0].groups != groups or rest[0].members * groups != self.members:
            return False
        return bool(rest[1:]) and all(_known(layer, self.members) for layer in rest[1:])

    def embedding(self, member: int) -> NumberEmbedding | None:
        """Return the embedding of member number `member` (from 0), None if there is none."""
        layer = self.layers[0]
        if not isinstance(layer, NumberEmbedding):
            return None
        made = layer.of_one_group().astype(self.dtype)
        parameters, of = made.parameters(), layer.parameters()
        group = member * layer.groups // self.members
        for name, values in parameters.items():
            values[...] = layer.part_of(name, of[name], group)
        return made

    def rows(self, member: int, x: np.ndarray) -> np.ndarray:
        """Return the columns that member number `member` (from 0) gets, for rows of the ensemble
        without the fold column."""
        return own_rows(self.layers[0], x, member * self.folds // self.members)

    def network(self, member: int) -> Sequential:
        """Return the layers of member number `member` (from 0) after its embedding."""
        parts = [layer for layer in self.layers if not isinstance(layer, _BEFORE)]
        numbers = [_weight_and_bias(layer, member) for layer in parts]
        layers = [
            layer if pair is None else Linear(*pair[0].shape)
            for layer, pair in zip(parts, numbers, strict=True)
        ]
        made = Sequential(*layers, dtype=self.dtype)
        made.W[...] = np.concatenate([array.ravel() for array in _flatten_pairs(numbers)])
        return made


_BEFORE = (NumberEmbedding, GroupInputs, Repeat)


def _known(layer: Module, members: int) -> bool:
    if isinstance(layer, BatchEnsemble | MemberLinear):
        return layer.members == members
    return layer.pointwise and not layer.parameters()


def _weight_and_bias(layer: Any, member: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Return weight and bias of one member's layer: ((x ∘ r) W) ∘ s = x (diag(r) W diag(s))."""
    if not isinstance(layer, BatchEnsemble | MemberLinear):
        return None
    parameters = layer.parameters()
    if isinstance(layer, MemberLinear):
        return parameters["weight"][member], parameters["bias"][member]
    weight = parameters["weight"]
    if layer.groups > 1:
        weight = weight[member * layer.groups // layer.members]
    r, s, bias = (parameters[name][member] for name in ("r", "s", "bias"))
    return r[:, None] * weight * s, bias


def _flatten_pairs(pairs: Sequence[tuple[np.ndarray, np.ndarray] | None]) -> list[np.ndarray]:
    return [array for pair in pairs if pair is not None for array in pair]
