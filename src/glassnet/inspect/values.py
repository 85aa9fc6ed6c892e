"""An opened step as JSON values.

In: an `OpenStep`, and a neuron or a weight by name. Out: dictionaries, lists and numbers that every
reader of JSON takes: what JSON has no numbers for are the texts "nan", "inf" and "-inf".
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from glassnet.inspect.names import place_of, unit_of
from glassnet.inspect.step import OpenStep
from glassnet.nn.linear import Linear
from glassnet.training.record_data import as_data


def plain(value: Any) -> Any:
    """Arrays as lists, at any depth; what is not finite as "nan", "inf" or "-inf"."""
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, dict):
        return {str(name): plain(own) for name, own in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if isinstance(value, list | tuple):
        return [plain(own) for own in value]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def as_json(
    step: OpenStep, neuron: str | None = None, weight: str | None = None, at: int = 0
) -> dict[str, Any]:
    """Every number of the step; with a neuron (for row number `at` of the batch) or a weight those
    of it as well."""
    layers = [
        {"name": own.name, "given": own.given, "result": own.result, "slope": own.slope,
         "derivative": own.derivative}
        for own in step.layers
    ]  # fmt: skip
    parameters = {
        name: {"before": own.before, "slope": own.slope, "update": own.update, "after": own.after}
        for name, own in step.parameters.items()
    }
    memory = {n: {"before": a, "after": b} for n, (a, b) in step.memory.items()}
    told = {
        "epoch": step.epoch, "batch": step.batch, "step": step.step, "lr": float(step.lr),
        "L": step.L, "loss": as_data(step.loss), "optimizer": as_data(step.optimizer),
        "rows": step.rows, "x": step.x, "y": step.y, "prediction": step.prediction,
        "layers": layers, "parameters": parameters, "memory": memory,
    }  # fmt: skip
    if neuron is not None:
        told["neuron"] = _neuron(step, neuron, at)
    if weight is not None:
        told["weight"] = _weight(step, weight)
    return plain(told)


def _neuron(step: OpenStep, text: str, at: int) -> dict[str, Any]:
    layer, unit = unit_of(step, text, at)
    told: dict[str, Any] = {
        "name": f"{layer.name}[{unit}]", "row": step.rows[at], "given": layer.given[at],
        "result": layer.result[at, unit], "slope": layer.slope[at, unit],
    }  # fmt: skip
    if layer.derivative is not None:
        told["derivative"] = layer.derivative[at, unit]
    if isinstance(layer.module, Linear):
        own = {"weight": step.of(layer, "weight").before[:, unit]}
        if layer.module.bias:
            own["bias"] = step.of(layer, "bias").before[unit]
        told |= {**own, "weight_slope_of_row": layer.slope[at, unit] * layer.given[at]}
    return told


def _weight(step: OpenStep, text: str) -> dict[str, Any]:
    name, place = place_of({n: own.before.shape for n, own in step.parameters.items()}, text)
    own = step.parameters[name]
    memory = {
        slot.partition(".")[0]: {"before": old[place], "after": new[place]}
        for slot, (old, new) in step.memory.items()
        if slot.partition(".")[2] == name
    }
    return {
        "name": f"{name}[{','.join(map(str, place))}]", "before": own.before[place],
        "slope": None if own.slope is None else own.slope[place], "update": own.update[place],
        "after": own.after[place], "memory": memory,
    }  # fmt: skip
