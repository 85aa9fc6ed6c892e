"""Networks that differ only in their parameters or widths, and can share compiled programs.

In: a network. Out: the same network with symbolic widths, and a key of its graph, by which networks
share programs.
"""

from __future__ import annotations

import copy
from collections.abc import Hashable
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any

from glassnet.graph.types import Dim
from glassnet.nn.compose import Function, Sequential
from glassnet.nn.embed import GroupInputs, PeriodicEmbedding, PiecewiseEmbedding
from glassnet.nn.ensemble import BatchEnsemble, InFolds, MemberLinear
from glassnet.nn.linear import Linear
from glassnet.nn.module import Module
from glassnet.nn.storage import Slot, declared_slots, layout_of

PLAIN = (bool, int, float, str)  # types of settings that are compared by value
# Layers with parameters -> the settings that determine their graph; sigma affects initial values.
PACKED: dict[type[Module], tuple[str, ...]] = {
    kind: tuple(field.name for field in fields(kind) if field.name != "sigma")
    for kind in (PiecewiseEmbedding, PeriodicEmbedding, GroupInputs, BatchEnsemble, MemberLinear)
}

IN_FOLDS = ("members", "folds", "probabilities")


def structure(model: Module) -> Hashable | None:
    """Return a key that determines the graph of a model, whatever its parameters are. Models with
    equal keys can share programs. None where that is not known: the model needs its own programs.
    """
    if type(model) is not Sequential or layout_of(model).aliases:
        return None
    parts = [_key(layer) for layer in model]
    return None if None in parts else (model.dtype, *parts)


def with_open_widths(model: Module) -> Module | None:
    """Return the network with symbolic numbers of columns and neurons, so that one graph serves all
    widths. Widths of 1, and that of the output, remain numbers, since known small sizes are faster.
    None where a layer may behave differently for symbolic sizes."""
    if type(model) is not Sequential:
        return None
    layers: list[Module] = list(model)
    places = [place for place, layer in enumerate(layers) if type(layer) is Linear]
    others = [layer for layer in layers if type(layer) is not Linear]
    if not places or not all(_settings(type(layer)) is not None for layer in others):
        return None
    linear: list[Any] = [layers[place] for place in places]
    sizes: list[Any] = [
        layer.fan_in if layer.fan_in == 1 else Dim(f"width{i}") for i, layer in enumerate(linear)
    ]
    sizes.append(linear[-1].fan_out)
    for i, place in enumerate(places):
        layers[place] = _resize_layer(linear[i], sizes[i], sizes[i + 1])
    return Sequential(*layers, dtype=model.dtype)


def _resize_layer(layer: Module, fan_in: Any, fan_out: Any) -> Module:
    other = copy.copy(layer)
    for name in ("_layout", "_drew"):
        vars(other).pop(name, None)
    places = {name: Slot() for name in declared_slots(layer)}
    vars(other).update(fan_in=fan_in, fan_out=fan_out, _slots=places)
    return other


def _key(layer: Module) -> Hashable | None:
    """Return a key that determines what a layer builds; for a layer of unknown kind, the layer
    itself, or None if it has parameters."""
    if type(layer) is Linear:
        return Linear, layer.fan_in, layer.fan_out, layer.bias
    if type(layer) in (Sequential, InFolds):
        parts = [_key(child) for child in layer.children().values()]
        settings = [getattr(layer, name) for name in IN_FOLDS if type(layer) is InFolds]
        return None if None in parts else (type(layer), *settings, *parts)
    names = PACKED.get(type(layer)) or _settings(type(layer))
    if names is None:
        return None if layout_of(layer).parameters else layer
    values = tuple([getattr(layer, name) for name in names])
    return (type(layer), *values) if all(type(value) in PLAIN for value in values) else layer


@cache
def _settings(kind: type[Module]) -> tuple[str, ...] | None:
    """Return the settings of a built-in class of layers without parameters that keep the width of
    their input; None for other classes."""
    ours = kind.__module__.startswith("glassnet.nn.") and kind is not Function
    keeps = kind.output_width is Module.output_width and kind.input_width is Module.input_width
    if not (
        ours and keeps and kind.parameter_specs is Module.parameter_specs and is_dataclass(kind)
    ):
        return None
    return tuple([field.name for field in fields(kind)])
