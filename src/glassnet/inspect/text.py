"""An opened step as text: summaries first, then a neuron or a weight with its formulas.

In: an `OpenStep`. Out: text for a terminal, HTML that holds the same text.
"""

from __future__ import annotations

import html
from typing import Any

import numpy as np

from glassnet.inspect.names import place_of, unit_of
from glassnet.inspect.step import Layer, OpenStep, Weights
from glassnet.nn.linear import Linear

FEW = 8  # numbers of a row, rows of a table, that are shown in full
FLAT = 1e-3  # ∂a/∂z below which hardly any of a gradient passes


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
    layer, unit = unit_of(step, text, at)
    lines = [f"{layer.name}[{unit}] for row {step.rows[at]} of the data"]
    value, slope = layer.result[at, unit], layer.slope[at, unit]
    if not isinstance(layer.module, Linear):
        given = layer.given[at]
        if given.shape == layer.result[at].shape:
            lines.append(f"z  = {_number(given[unit])}")
        lines += [f"a  = {layer.module!r} = {_number(value)}", f"∂L/∂a = {_number(slope)}"]
        if layer.derivative is not None:
            lines.append(f"∂a/∂z = {_number(layer.derivative[at, unit])}")
        return "\n".join(lines)
    x, w = layer.given[at], step.of(layer, "weight").before[:, unit]
    terms = [f"{_number(a)}·{_number(b)}" for a, b in zip(x, w, strict=True)]
    lines.append("z = Σ xᵢ·wᵢ + b")
    if layer.module.bias:
        terms.append(_number(step.of(layer, "bias").before[unit]))
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
    name, place = place_of({n: own.before.shape for n, own in step.parameters.items()}, text)
    own = step.parameters[name]
    lines = [f"{text}", f"w before = {_number(own.before[place])}"]
    if own.slope is not None:
        lines += _contributions(step, name, place)
        lines.append(f"∂L/∂w    = {_number(own.slope[place])}")
    if type(step.optimizer).__name__ == "SGD" and not step.memory and own.slope is not None:
        lines.append(
            f"w ← w − η·∂L/∂w = {_number(own.before[place])} − {_number(step.lr)}·"
            f"{_number(own.slope[place])}"
        )
    for held, (old, new) in step.memory.items():
        slot, _, parameter = held.partition(".")
        if parameter == name:
            lines.append(f"{slot}: {_number(old[place])} → {_number(new[place])}")
    return "\n".join([*lines, f"w after  = {_number(own.after[place])}"])


def _contributions(step: OpenStep, parameter: str, place: tuple[int, ...]) -> list[str]:
    """∂L/∂w as the sum over rows of x·∂L/∂z, where the layer is a `Linear`."""
    name, _, kind = parameter.rpartition(".")
    layer = next((own for own in step.layers if own.name == name or not name), None)
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


def as_html(step: OpenStep, *more: str) -> str:
    """The overview for a notebook, and under it more texts, such as those of neurons."""
    told = (overview(step), *more)
    return "\n".join(f'<pre style="line-height:1.3">{html.escape(own)}</pre>' for own in told)


def page(step: OpenStep, *more: str) -> str:
    """The same as a whole HTML page."""
    title = f"epoch {step.epoch}, batch {step.batch}"
    head = f'<meta charset="utf-8"><title>{title}</title>'
    body = as_html(step, *more)
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n{body}\n</body></html>'


def _parameter(name: str, own: Weights) -> str:
    slope, largest = "none", ""
    if own.slope is not None and own.slope.size:
        slope = _norm(own.slope)
        at = np.unravel_index(int(np.abs(own.slope).argmax()), own.slope.shape)
        largest = f"{own.slope[at]:.4g} at [{', '.join(str(int(i)) for i in at)}]"
    return f"{name:<25} {_norm(own.before):<14} {slope:<14} {_norm(own.update):<14} {largest}"


def _still(layer: Layer) -> str:
    """How many units of an activation move no weight before them, in any row of the batch: dead
    where a and ∂a/∂z are 0, saturated where ∂a/∂z is otherwise below FLAT in size."""
    if layer.derivative is None:
        return ""
    flat = (np.abs(layer.derivative) < FLAT).all(axis=0)
    dead = flat & ~layer.derivative.any(axis=0) & ~layer.result.any(axis=0)
    counts = {"dead": int(dead.sum()), "saturated": int((flat & ~dead).sum())}
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count)


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
