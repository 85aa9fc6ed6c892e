"""Convert an opened step to JSON values.

In: a `StepData`, and a neuron or a weight by name. Out: dictionaries, lists and numbers of standard
JSON; numbers that are not finite are the texts "nan", "inf" and "-inf".
"""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import numpy as np

from glassnet.inspect.statistics import (
    NeuronFigures,
    WeightFigures,
    coupling_text,
    layer_figures,
    neuron_figures,
    parameter_figures,
    rows_by_gradient,
    weight_figures,
)
from glassnet.inspect.step_data import StepData
from glassnet.runs.descriptions import as_data


def plain(value: Any) -> Any:
    """Convert arrays to lists at any depth, and non-finite numbers to "nan", "inf" or "-inf"."""
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, dict):
        return {str(name): plain(item) for name, item in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def as_json(
    step: StepData, neuron: str | None = None, weight: str | None = None, at: int = 0
) -> dict[str, Any]:
    """Return every number of the step, and those of a neuron (for row number `at` of the batch) or
    a weight if it is named."""
    layers = [
        {"name": layer.name, "source": layer.source, "given": layer.given, "result": layer.result,
         "slope": layer.slope, "derivative": layer.derivative, "joined": layer.joined}
        for layer in step.layers
    ]  # fmt: skip
    parameters = {
        name: {
            "before": weights.before,
            "slope": weights.slope,
            "update": weights.update,
            "after": weights.after,
        }
        for name, weights in step.parameters.items()
    }
    memory = {n: {"before": a, "after": b} for n, (a, b) in step.memory.items()}
    values = {
        "epoch": step.epoch, "batch": step.batch, "step": step.step, "lr": float(step.lr),
        "L": step.L, "loss": as_data(step.loss), "optimizer": as_data(step.optimizer),
        "rows": step.rows, "inputs": step.inputs, "outputs": step.outputs,
        "x": step.x, "y": step.y, "prediction": step.prediction,
        "layers": layers, "parameters": parameters, "memory": memory,
        "summary": _summary(step),
    }  # fmt: skip
    if neuron is not None:
        values["neuron"] = _neuron(neuron_figures(step, neuron, at))
    if weight is not None:
        values["weight"] = _weight(weight_figures(step, weight), step)
    return plain(values)


def _summary(step: StepData) -> dict[str, Any]:
    """Return the statistics that text and HTML begin with."""
    return {
        "layers": [asdict(layer_figures(layer)) for layer in step.layers],
        "parameters": [asdict(parameter_figures(step, name)) for name in step.parameters],
        "pushed": asdict(rows_by_gradient(step)),
    }


def _neuron(figures: NeuronFigures) -> dict[str, Any]:
    values: dict[str, Any] = {
        "name": f"{figures.layer.name}[{figures.unit}]", "row": figures.row, "names": figures.names,
        "given": figures.given, "result": figures.result, "slope": figures.slope,
    }  # fmt: skip
    if figures.derivative is not None:
        values["derivative"] = figures.derivative
    if figures.weight is not None:
        values |= {"weight": figures.weight, "weight_slope_of_row": figures.row_slope}
        values |= {} if figures.bias is None else {"bias": figures.bias}
    return values


def _weight(figures: WeightFigures, step: StepData) -> dict[str, Any]:
    memory = {slot: {"before": old, "after": new} for slot, (old, new) in figures.memory.items()}
    return {
        "name": figures.name, "before": figures.before, "slope": figures.slope,
        "update": figures.update, "after": figures.after, "memory": memory, "rows": step.rows,
        "slope_of_rows": figures.rows, "slope_of_no_row": figures.rest,
        "note": coupling_text(figures.coupled),
    }  # fmt: skip
