"""One neuron or one weight of an opened step, with its formulas and the numbers put in.

In: an `OpenStep` and a name. Out: blocks: forward, backward and, for a weight, its update.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from glassnet.inspect.blocks import FEW, Block, Lines, Table, exact, factor
from glassnet.inspect.figures import (
    NeuronFigures,
    WeightFigures,
    coupling,
    neuron_figures,
    weight_figures,
)
from glassnet.inspect.rules import update_lines
from glassnet.nn.linear import Linear

if TYPE_CHECKING:
    from glassnet.inspect.opened import Layer, OpenStep

TERMS = 16  # terms of a sum that are written out; of a longer one the largest


def neuron(step: OpenStep, text: str, at: int = 0) -> list[Block]:
    """One unit, "linear1[3]", for row number `at` of the batch."""
    own = neuron_figures(step, text, at)
    title = f"{own.layer.name}[{own.unit}] for row {own.row} of the training data"
    if own.weight is None:
        return [Lines(title, _activation(step, own))]
    return [Lines(title, _sum(step, own)), _inputs(own, own.weight)]


def weight(step: OpenStep, text: str) -> list[Block]:
    """One number of a parameter, "linear1.weight[2,3]": where its gradient comes from, and what
    becomes of it."""
    own = weight_figures(step, text)
    blocks: list[Block] = []
    lines = [f"w before = {exact(own.before)}"]
    if own.slope is None:
        lines.append("no gradient trains it")
    else:
        lines.append(f"∂L/∂w    = {exact(own.slope)}, the sum of what the rows of the batch add")
    if own.rest:
        lines.append(f"           and of {own.rest:.6g} that is no row's, as of a penalty")
    blocks.append(Lines(own.name, lines))
    if own.rows is not None:
        blocks.append(_by_row(step, own, own.rows))
    update = update_lines(step, own) if own.slope is not None else []
    return [*blocks, Lines("", [*update, f"w after  = {exact(own.after)}"])]


def _sum(step: OpenStep, own: NeuronFigures) -> list[str]:
    assert own.weight is not None
    pairs = list(zip(own.given, own.weight, strict=True))
    order = largest(own.given * own.weight, TERMS)
    terms = [product(*pairs[i]) for i in order]
    if len(order) < len(pairs):
        terms.append(f"… ({len(pairs) - len(order):,} smaller terms)")
    if own.bias is not None:
        terms.append(factor(own.bias))
    formula = "z = Σ xᵢ·wᵢ + b" if own.bias is not None else "z = Σ xᵢ·wᵢ"
    lines = [formula, f"  = {' + '.join(terms)}", f"  = {exact(own.result)}"]
    return [*lines, *_backward(step, own, "z")]


def _activation(step: OpenStep, own: NeuronFigures) -> list[str]:
    lines: list[str] = []
    if own.given.shape == own.layer.result[own.at].shape:
        lines.append(f"z  = {exact(own.given[own.unit])}")
    formula = _formula(own.layer)
    lines.append(f"a  = {own.layer.module!r} = {exact(own.result)}")
    lines += [formula] if formula else []
    if own.derivative is not None:
        lines.append(f"∂a/∂z = {exact(own.derivative)}")
    return [*lines, *_backward(step, own, "a")]


def _formula(layer: Layer) -> str:
    """What the layer says of itself: "a = max(z, 0)"."""
    first, _, _ = " ".join((type(layer.module).__doc__ or "").split()).partition(". ")
    return f"where {first.rstrip('.')}" if first.startswith("a") and "=" in first else ""


def _backward(step: OpenStep, own: NeuronFigures, letter: str) -> list[str]:
    """∂L by the unit, from ∂L by what comes after it, where that is one plain layer."""
    said = f"∂L/∂{letter}"
    takers = [layer for layer in step.layers if layer.source == own.layer.name]
    lines: list[str] = []
    if len(takers) == 1 and own.layer is not step.layers[-1]:
        after = takers[0]
        if after.derivative is not None:
            factors = after.slope[own.at, own.unit], after.derivative[own.at, own.unit]
            lines.append(f"{said} = ∂L/∂a·∂a/∂z of {after.name}[{own.unit}]")
            lines.append(f"  = {product(*factors)}")
        elif isinstance(after.module, Linear):
            lines += _from_linear(step, own, after, said)
    return [*lines, f"  = {exact(own.slope)}"] if lines else [f"{said} = {exact(own.slope)}"]


def _from_linear(step: OpenStep, own: NeuronFigures, after: Layer, said: str) -> list[str]:
    slopes, weights = after.slope[own.at], step.of(after, "weight").before[own.unit]
    order = largest(slopes * weights, TERMS)
    terms = [product(slopes[k], weights[k]) for k in order]
    if len(order) < len(slopes):
        terms.append(f"… ({len(slopes) - len(order):,} smaller terms)")
    return [f"{said} = Σₖ ∂L/∂zₖ·wₖ over the units of {after.name}", f"  = {' + '.join(terms)}"]


def _inputs(own: NeuronFigures, weights: np.ndarray) -> Table:
    """A line for every weight of the unit: what it added to z, and the row's ∂L by it."""
    order = largest(own.given * weights, TERMS)
    rows = [
        (own.names[i], *map(exact, (own.given[i], weights[i], own.given[i] * weights[i])),
         f"{product(own.slope, own.given[i])} = {exact(own.row_slope[i])}")
        for i in order
    ]  # fmt: skip
    title = (
        f"the largest {len(order)} of {len(weights):,} terms" if len(order) < len(weights) else ""
    )
    return Table(title, ("input", "x", "w", "x·w", "∂L/∂w of this row = ∂L/∂z·x"), rows)


def _by_row(step: OpenStep, own: WeightFigures, parts: np.ndarray) -> Table:
    """What the rows add to ∂L/∂w, the most first."""
    most = np.argsort(-np.abs(parts), kind="stable")[:FEW]
    rows: list[Sequence[str]] = []
    for i in most:
        part = exact(parts[i])
        if own.given is not None and own.back is not None:
            back, given = own.back[i], own.given[i]
            part = f"{product(back, given)} = {exact(back * given)}"
        rows.append((f"row {step.rows[i]}", part))
    which = f"the largest {len(most)} of {len(parts):,} rows" if len(most) < len(parts) else "rows"
    head = "∂L/∂z·x" if own.given is not None else "∂L/∂w of its own term of L"
    return Table(f"{which}, by what they add to ∂L/∂w", ("row", head), rows, coupling(own.coupled))


def product(a: Any, b: Any) -> str:
    return f"{factor(a)}·{factor(b)}"


def largest(terms: np.ndarray, count: int) -> list[int]:
    """All terms in their order, or of many those that are largest in size."""
    if len(terms) <= count:
        return list(range(len(terms)))
    sizes: Any = np.abs(terms)
    return [int(i) for i in np.argsort(-sizes, kind="stable")[:count]]
