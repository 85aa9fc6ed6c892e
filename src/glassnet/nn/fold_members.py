"""Extracts the members of one fold of an ensemble as a separate network.

In: a network whose only layer is `InFolds`. Out: a network with the members of one fold, which can
take the parameters of any fold. It predicts the rows of that fold as the ensemble does, up to
rounding, but without computing the members of the other folds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from glassnet.nn.compose import Sequential
from glassnet.nn.embed import (
    GroupInputs,
    NumberEmbedding,
    PeriodicEmbedding,
    PiecewiseEmbedding,
    own_rows,
)
from glassnet.nn.ensemble import Average, BatchEnsemble, InFolds, MemberLinear, Repeat
from glassnet.nn.module import Module


class FoldMembers:
    """The network of one fold's members, `network`; `take(fold)` copies the current parameters of
    a fold into it."""

    def __init__(self, pack: InFolds, layers: list[tuple[Module, Module]]) -> None:
        self.folds, self._first = pack.folds, layers_of(pack)[0]
        average = Average(pack.members // pack.folds, pack.probabilities)
        self.network = Sequential(*[alone for _, alone in layers], average, dtype=pack.dtype)
        self.network.parameters()  # allocates one contiguous block
        self._pairs = [
            (parameter, part.parameters()[name], part, name)
            for part, alone in layers
            for name, parameter in alone.parameters().items()
        ]

    @classmethod
    def of(cls, network: Module) -> FoldMembers | None:
        """Return the fold network of an ensemble; None where the network has no folds, or has
        layers of unknown kinds."""
        layers = list(network.chain().values())
        pack = layers[0] if len(layers) == 1 else None
        if not isinstance(pack, InFolds) or pack.folds == 1:
            return None
        parts = layers_of(pack)
        if not parts:
            return None
        pairs = [(part, alone) for part in parts if (alone := _fold_layer(part, pack)) is not None]
        return cls(pack, pairs) if len(pairs) == len(parts) else None

    def rows(self, x: np.ndarray, fold: int) -> np.ndarray:
        """Return the columns that a fold's members get, for rows of the ensemble [rows,
        inputs + 1], whose last column is the fold."""
        return np.ascontiguousarray(own_rows(self._first, x[:, :-1], fold))

    def take(self, fold: int) -> None:
        """Copy the parameters of the members that are trained without this fold."""
        for single, shared, layer, name in self._pairs:
            if isinstance(layer, NumberEmbedding):
                single[...] = layer.part_of(name, shared, fold)
            else:
                single[...] = shared.reshape(self.folds, *single.shape)[fold]


def layers_of(pack: InFolds) -> list[Module]:
    """Return the layers inside an `InFolds`; [] where its network is not a Sequential."""
    return list(pack.inner.chain().values()) if isinstance(pack.inner, Sequential) else []


def _fold_layer(layer: Module, pack: InFolds) -> Module | None:
    """Return the layer for the members of one fold; None for layers of unknown kinds."""
    make = _MAKERS.get(type(layer))
    if make is not None:
        return make(layer, pack.folds)
    return layer if layer.pointwise and not layer.parameters() else None


def _embedding(layer: Any, folds: int) -> Module | None:
    return layer.of_one_group() if layer.groups == folds else None


def _inputs(layer: Any, folds: int) -> Module | None:
    return GroupInputs(layer.common + layer.per_group, 0, 1) if layer.groups == folds else None


def _repeat(layer: Any, folds: int) -> Module | None:
    if layer.groups == 1:
        return None if layer.members % folds else Repeat(layer.members // folds)
    return Repeat(layer.members) if layer.groups == folds else None


def _ensemble(layer: Any, folds: int) -> Module | None:
    if layer.groups != folds:
        return None
    return replace(layer, members=layer.members // folds, groups=1)


def _members(layer: Any, folds: int) -> Module | None:
    return None if layer.members % folds else replace(layer, members=layer.members // folds)


_MAKERS: dict[type[Module], Callable[[Any, int], Module | None]] = {
    PiecewiseEmbedding: _embedding,
    PeriodicEmbedding: _embedding,
    GroupInputs: _inputs,
    Repeat: _repeat,
    BatchEnsemble: _ensemble,
    MemberLinear: _members,
}
