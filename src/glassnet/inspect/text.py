"""An opened step as text: summaries first, then a neuron or a weight with its formulas.

In: an `OpenStep`. Out: text for a terminal, HTML that holds the same text, JSON values.
"""

from __future__ import annotations

import html
import re
from typing import Any

import numpy as np

from glassnet.errors import TrainingError
from glassnet.inspect.step import Layer, OpenStep, Weights
from glassnet.nn.linear import Linear
from glassnet.training.record_data import as_data

FEW = 8  # numbers of a row, rows of a table, that are shown in full


def overview(step: OpenStep) -> str:
    """The five lines of the step, and a line for each layer and parameter."""
    lines = [
        f"epoch {step.epoch}, batch {step.batch} (step {step.step} of the run), "
        f"{len(step.rows)} rows: {_some(step.rows)}",
        f"x   {_shape(step.x)}  {_row(step.x)}",
        f"y   {_shape(step.y)}  {_row(step.y)}",
        f"ŷ   {_shape(step.prediction)}  {_row(step.prediction)}",
        f"L   {_number(step.L)}  ({type(step.loss).__name__})",
        f"η   {_number(step.lr)}  ({type(step.optimizer).__name__})",
        "",
        "layer                     ‖result‖       ‖∂L/∂result‖   units that stay put",
    ]
    for layer in step.layers:
        lines.append(
            f"{layer.name:<25} {_norm(layer.result):<14} {_norm(layer.slope):<14} {_still(layer)}"
        )
    lines += [
        "",
        "parameter                 ‖W‖            ‖∂L/∂W‖        ‖update‖       largest ∂L/∂W",
    ]
    lines += [_parameter(name, own) for name, own in step.parameters.items()]
    slope = step.layers[-1].slope
    pushed = np.sqrt(np.sum(np.square(slope.astype(float)), axis=1))
    most = np.argsort(-pushed)[:FEW]
    told = ", ".join(f"{step.rows[i]} ({pushed[i]:.3g})" for i in most)
    return "\n".join([*lines, "", f"rows that pushed most, by ‖∂L/∂ŷ‖: {told}"])


def neuron(step: OpenStep, text: str, at: int = 0) -> str:
    """One unit, "linear1[3]", for row number `at` of the batch: the sum with its numbers put in."""
    match = re.fullmatch(r"(.+)\[(\d+)\]", text.strip())
    if match is None:
        raise TrainingError(f"{text!r} is no neuron; write a layer and a number: linear1[3]")
    layer, unit = step.layer(match[1]), int(match[2])
    if unit >= layer.result.shape[1]:
        raise TrainingError(f"{layer.name} has units 0 to {layer.result.shape[1] - 1}")
    if not 0 <= at < len(step.rows):
        raise TrainingError(f"the batch has rows 0 to {len(step.rows) - 1}")
    lines = [f"{layer.name}[{unit}] for row {step.rows[at]} of the data"]
    value, slope = layer.result[at, unit], layer.slope[at, unit]
    if not isinstance(layer.module, Linear):
        given = layer.given[at]
        if given.shape == layer.result[at].shape:
            lines.append(f"z  = {_number(given[unit])}")
        return "\n".join(
            [*lines, f"a  = {layer.module!r} = {_number(value)}", f"∂L/∂a = {_number(slope)}"]
        )
    weight = step.parameters[f"{layer.name}.weight"]
    x, w = layer.given[at], weight.before[:, unit]
    terms = [f"{_number(a)}·{_number(b)}" for a, b in zip(x, w, strict=True)]
    lines.append("z = Σ xᵢ·wᵢ + b")
    if layer.module.bias:
        terms.append(_number(step.parameters[f"{layer.name}.bias"].before[unit]))
    lines += [f"  = {' + '.join(terms)}", f"  = {_number(value)}", f"∂L/∂z = {_number(slope)}"]
    for i in range(len(x)):
        lines.append(
            f"∂L/∂w{i} of this row = ∂L/∂z · x{i} = {_number(slope)}·{_number(x[i])} = "
            f"{_number(slope * x[i])}"
        )
    return "\n".join(lines)


def weight(step: OpenStep, text: str) -> str:
    """One number of a parameter, "linear1.weight[2,3]": where its gradient comes from, and what
    becomes of it."""
    match = re.fullmatch(r"(.+)\[([\d\s,]+)\]", text.strip())
    if match is None or match[1] not in step.parameters:
        raise TrainingError(
            f"{text!r} is no weight; there are {', '.join(step.parameters)}, with places: "
            "linear1.weight[2,3]"
        )
    own, place = step.parameters[match[1]], tuple(int(i) for i in match[2].split(","))
    shape = own.before.shape
    if len(place) != len(shape) or any(i >= n for i, n in zip(place, shape, strict=True)):
        raise TrainingError(f"{match[1]} has shape {shape}; {match[2]} is outside")
    lines = [f"{text}", f"w before = {_number(own.before[place])}"]
    if own.slope is not None:
        lines += _contributions(step, match[1], place)
        lines.append(f"∂L/∂w    = {_number(own.slope[place])}")
    if type(step.optimizer).__name__ == "SGD" and not step.memory and own.slope is not None:
        lines.append(
            f"w ← w − η·∂L/∂w = {_number(own.before[place])} − {_number(step.lr)}·"
            f"{_number(own.slope[place])}"
        )
    for name, (old, new) in step.memory.items():
        slot, _, parameter = name.partition(".")
        if parameter == match[1]:
            lines.append(f"{slot}: {_number(old[place])} → {_number(new[place])}")
    return "\n".join([*lines, f"w after  = {_number(own.after[place])}"])


def _contributions(step: OpenStep, parameter: str, place: tuple[int, ...]) -> list[str]:
    """∂L/∂w as the sum over rows of x·∂L/∂z, where the layer is a `Linear`."""
    name, _, kind = parameter.rpartition(".")
    layer = next((own for own in step.layers if own.name == name), None)
    if layer is None or not isinstance(layer.module, Linear):
        return []
    slope = layer.slope[:, place[-1]]
    given = layer.given[:, place[0]] if kind == "weight" else np.ones_like(slope)
    most = np.argsort(-np.abs(slope * given))[:FEW]
    lines = ["∂L/∂w    = Σ over rows of ∂L/∂z · x; the largest parts:"]
    return lines + [
        f"  row {step.rows[i]}: {_number(slope[i])}·{_number(given[i])} = "
        f"{_number(slope[i] * given[i])}"
        for i in most
    ]


def as_json(step: OpenStep) -> dict[str, Any]:
    """Every number, as lists."""
    layers = [
        {"name": own.name, "given": own.given.tolist(), "result": own.result.tolist(),
         "slope": own.slope.tolist()}
        for own in step.layers
    ]  # fmt: skip
    parameters = {
        name: {
            "before": own.before.tolist(),
            "slope": None if own.slope is None else own.slope.tolist(),
            "after": own.after.tolist(),
        }
        for name, own in step.parameters.items()
    }
    memory = {n: {"before": a.tolist(), "after": b.tolist()} for n, (a, b) in step.memory.items()}
    return {
        "epoch": step.epoch, "batch": step.batch, "step": step.step, "lr": float(step.lr),
        "L": step.L,
        "loss": as_data(step.loss), "optimizer": as_data(step.optimizer),
        "rows": step.rows.tolist(), "x": step.x.tolist(), "y": step.y.tolist(),
        "prediction": step.prediction.tolist(), "layers": layers, "parameters": parameters,
        "memory": memory,
    }  # fmt: skip


def as_html(step: OpenStep) -> str:
    """The overview for a notebook."""
    return f'<pre style="line-height:1.3">{html.escape(overview(step))}</pre>'


def _parameter(name: str, own: Weights) -> str:
    slope, largest = "none", ""
    if own.slope is not None and own.slope.size:
        slope = _norm(own.slope)
        at = np.unravel_index(int(np.abs(own.slope).argmax()), own.slope.shape)
        largest = f"{own.slope[at]:.4g} at [{', '.join(str(int(i)) for i in at)}]"
    return f"{name:<25} {_norm(own.before):<14} {slope:<14} {_norm(own.update):<14} {largest}"


def _still(layer: Layer) -> str:
    """How many units move no weight: no row's gradient passes, though it comes in behind them."""
    if isinstance(layer.module, Linear) or layer.given.shape != layer.result.shape:
        return ""
    same = np.ptp(layer.result, axis=0) == 0
    dead = int(np.sum(same & ~layer.result.any(axis=0)))
    flat = int(np.sum(same)) - dead
    told = [f"{dead} dead" if dead else "", f"{flat} saturated" if flat else ""]
    return ", ".join(part for part in told if part)


def _norm(array: np.ndarray) -> str:
    return f"{np.linalg.norm(array.astype(float)):.6g}"


def _number(x: Any) -> str:
    """The shortest digits that mean these bits."""
    return str(x)


def _shape(array: np.ndarray) -> str:
    return "×".join(map(str, array.shape))


def _row(array: np.ndarray) -> str:
    first = array[0]
    return f"first row {_some(first)}" if array.ndim > 1 else _some(array)


def _some(array: np.ndarray) -> str:
    flat = array.reshape(-1)
    told = " ".join(_number(x) for x in flat[:FEW])
    return told + (" …" if flat.size > FEW else "")
