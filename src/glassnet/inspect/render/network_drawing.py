"""Draw the network of an opened step with its values, gradients and loss.

In: a `StepData` and a row of its batch. Out: one SVG element. Each unit has two numbers: its output
for that row, and the gradient of the batch's loss with respect to it. A line is a weight: blue if
positive, orange if negative, thicker if larger.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from glassnet.inspect.step_data import Layer, StepData
from glassnet.nn.linear import Linear
from glassnet.nn.picture import COLOURS
from glassnet.words import plural

UNITS = 8  # units drawn per column, at most
MOST = 9  # columns; of a deeper network the first and the last ones are drawn
WIDE, TALL, ACROSS, GAP = 84, 38, 150, 50
TOP, BELOW = 46, 72
CAPTIONS = (
    "above: output of a unit, computed from left to right",
    "below: ∂L/∂output, computed from right to left",
    "lines: weights, blue positive, orange negative",
)


@dataclass(frozen=True)
class UnitColumn:
    """A column of units in the drawing."""

    title: str
    names: Sequence[str]
    values: np.ndarray
    slopes: np.ndarray | None
    weight: np.ndarray | None = None  # from the column before

    @property
    def shown(self) -> int:
        return min(len(self.values), UNITS)


def network(step: StepData, at: int = 0) -> str:
    """Return the drawing for row number `at` of the batch as SVG."""
    columns = _columns(step, at)
    tallest = max(column.shown for column in columns)
    across = ACROSS * len(columns) + 96
    tall = TOP + GAP * tallest + BELOW
    items = [
        line
        for place in range(1, len(columns))
        for line in _lines(columns[place - 1], columns[place], place, tallest)
    ]
    for place, column in enumerate(columns):
        items += _units(column, place, tallest)
    items += _loss(step, len(columns), tall)
    label = f"The network for row {step.rows[at]}: values and gradients; L = {step.L:.6g}"
    return (
        f'<svg viewBox="0 0 {across} {tall}" width="{across}" '
        f'height="{tall}" role="img" aria-label="{html.escape(label)}" font-family="system-ui, '
        f'sans-serif" font-size="11" text-anchor="middle" fill="currentColor">'
        f"{''.join(items)}</svg>"
    )


def _columns(step: StepData, at: int) -> list[UnitColumn]:
    found = [UnitColumn("x", step.inputs, step.x[at], None)]
    before: Layer | None = None
    for layer in step.layers:
        values, slopes = layer.result[at].ravel(), layer.slope[at].ravel()
        names = [f"{layer.letter}{i}" for i in range(len(values))]
        weight = _weight(step, layer, before, len(found[-1].values))
        follows = before is not None and layer.source == before.name and weight is None
        alike = follows and len(values) == len(found[-1].values)
        if alike and found[-1].weight is not None and isinstance(before and before.module, Linear):
            title = f"{found[-1].title}, {layer.name}"
            found[-1] = UnitColumn(title, names, values, slopes, found[-1].weight)
        else:
            found.append(UnitColumn(layer.name, names, values, slopes, weight))
        before = layer
    last = found[-1]
    found[-1] = UnitColumn(f"{last.title}: ŷ", step.outputs, last.values, last.slopes, last.weight)
    return found if len(found) <= MOST else [*found[: MOST // 2], *found[-(MOST - MOST // 2) :]]


def _weight(step: StepData, layer: Layer, before: Layer | None, inputs: int) -> np.ndarray | None:
    """Return the weights between the column before and this one; None if the layer does not read
    that column."""
    name = layer.parameters.get("weight")
    reads = layer.source == ("x" if before is None else before.name)
    if not reads or name is None or not isinstance(layer.module, Linear):
        return None
    weight = step.parameters[name].before
    return weight if weight.shape[0] == inputs else None


def _place(column: UnitColumn, place: int, unit: int, tallest: int) -> tuple[float, float]:
    top = TOP + GAP * (tallest - column.shown) / 2
    return ACROSS * place + WIDE / 2 + 6, top + GAP * (unit + 0.5)


def _lines(left: UnitColumn, right: UnitColumn, place: int, tallest: int) -> list[str]:
    if right.weight is None:
        return []
    largest = float(np.abs(right.weight).max(initial=0.0)) or 1.0
    items: list[str] = []
    for i in range(left.shown):
        for j in range(right.shown):
            x1, y1 = _place(left, place - 1, i, tallest)
            x2, y2 = _place(right, place, j, tallest)
            w = float(right.weight[i, j])
            if not np.isfinite(w):
                continue
            items.append(
                f'<line x1="{x1 + WIDE / 2:.0f}" y1="{y1:.0f}" x2="{x2 - WIDE / 2:.0f}" '
                f'y2="{y2:.0f}" stroke="{COLOURS[w >= 0]}" '
                f'stroke-width="{0.4 + 2.8 * abs(w) / largest:.2f}">'
                f"<title>w = {w:.4g}</title></line>"
            )
    return items


def _units(column: UnitColumn, place: int, tallest: int) -> list[str]:
    items: list[str] = []
    for unit in range(column.shown):
        x, y = _place(column, place, unit, tallest)
        value = float(column.values[unit])
        name = str(column.names[unit]) if unit < len(column.names) else str(unit)
        items.append(
            f'<rect x="{x - WIDE / 2:.0f}" y="{y - TALL / 2:.0f}" width="{WIDE}" height="{TALL}" '
            f'rx="7" fill="none" stroke="currentColor" stroke-opacity=".45"/>'
            f"<title>{html.escape(name)}</title>"
        )
        lower = y if column.slopes is None else y - 4
        items.append(_text(x, lower + 4, f"{_short(name)} {value:.4g}", "font-weight='600'"))
        if column.slopes is not None:
            slope = f"∂L {float(column.slopes[unit]):.3g}"
            items.append(_text(x, y + 13, slope, f"fill='{COLOURS[0]}' font-size='10.5'"))
    x, _ = _place(column, place, 0, tallest)
    count = len(column.values)
    head = f"{column.shown} of {count}" if count > column.shown else plural(count, "unit")
    items += [
        _text(x, 14, _short(column.title, 24), "font-weight='600'"),
        _text(x, 29, head, "fill-opacity='.75'"),
    ]
    return items


def _loss(step: StepData, columns: int, tall: int) -> list[str]:
    x, y = ACROSS * columns - 20, TOP + (tall - TOP - BELOW) / 2
    return [
        _text(x + 44, y - 6, "L", "font-weight='600' font-size='15'"),
        _text(x + 44, y + 12, f"{step.L:.6g}", "font-weight='600'"),
        _text(x + 44, y + 28, f"of {plural(len(step.rows), 'row')}", "fill-opacity='.75'"),
        *(
            _text(6, tall - 44 + 16 * line, caption, "text-anchor='start' fill-opacity='.8'")
            for line, caption in enumerate(CAPTIONS)
        ),
    ]


def _text(x: float, y: float, text: str, more: str = "") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" {more}>{html.escape(text)}</text>'


def _short(text: str, most: int = 8) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
