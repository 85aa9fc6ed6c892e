"""An opened step as JSON values.

In: an `StepData`, and a neuron or a weight by name. Out: dictionaries, lists and numbers that every
reader of JSON takes: what JSON has no numbers for are the texts "nan", "inf" and "-inf".
"""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import numpy as np

from glassnet.inspect.data import StepData
from glassnet.inspect.statistics import (
    NeuronFigures,
    WeightFigures,
    coupling,
    layer_figures,
    neuron_figures,
    parameter_figures,
    pushed,
    weight_figures,
)
from glassnet.runs.data import as_data


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
    step: StepData, neuron: str | None = None, weight: str | None = None, at: int = 0
) -> dict[str, Any]:
    """Every number of the step; with a neuron (for row number `at` of the batch) or a weight those
    of it as well."""
    layers = [
        {"name": own.name, "source": own.source, "given": own.given, "result": own.result,
         "slope": own.slope, "derivative": own.derivative, "joined": own.joined}
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
        "rows": step.rows, "inputs": step.inputs, "outputs": step.outputs,
        "x": step.x, "y": step.y, "prediction": step.prediction,
        "layers": layers, "parameters": parameters, "memory": memory,
        "summary": _summary(step),
    }  # fmt: skip
    if neuron is not None:
        told["neuron"] = _neuron(neuron_figures(step, neuron, at))
    if weight is not None:
        told["weight"] = _weight(weight_figures(step, weight), step)
    return plain(told)


def _summary(step: StepData) -> dict[str, Any]:
    """The figures that text and HTML begin with."""
    return {
        "layers": [asdict(layer_figures(own)) for own in step.layers],
        "parameters": [asdict(parameter_figures(step, name)) for name in step.parameters],
        "pushed": asdict(pushed(step)),
    }


def _neuron(own: NeuronFigures) -> dict[str, Any]:
    told: dict[str, Any] = {
        "name": f"{own.layer.name}[{own.unit}]", "row": own.row, "names": own.names,
        "given": own.given, "result": own.result, "slope": own.slope,
    }  # fmt: skip
    if own.derivative is not None:
        told["derivative"] = own.derivative
    if own.weight is not None:
        told |= {"weight": own.weight, "weight_slope_of_row": own.row_slope}
        told |= {} if own.bias is None else {"bias": own.bias}
    return told


def _weight(own: WeightFigures, step: StepData) -> dict[str, Any]:
    memory = {slot: {"before": old, "after": new} for slot, (old, new) in own.memory.items()}
    return {
        "name": own.name, "before": own.before, "slope": own.slope, "update": own.update,
        "after": own.after, "memory": memory, "rows": step.rows,
        "slope_of_rows": own.rows, "slope_of_no_row": own.rest,
        "note": coupling(own.coupled),
    }  # fmt: skip
