"""One neuron or one weight of an opened step, with its formulas and the numbers put in.

In: an `StepData` and a name. Out: blocks: forward, backward and, for a weight, its update.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from glassnet.inspect.data import Layer, StepData
from glassnet.inspect.layer_trace import function_of
from glassnet.inspect.render.blocks import FEW, Block, Lines, TableBlock, exact, factor, some
from glassnet.inspect.render.update_formulas import update_lines
from glassnet.inspect.statistics import (
    NeuronFigures,
    WeightFigures,
    coupling,
    largest_first,
    neuron_figures,
    weight_figures,
)
from glassnet.nn.compose import Residual
from glassnet.nn.linear import Linear, Neuron
from glassnet.words import counted

TERMS = 16  # terms of a sum that are written out; of a longer one the largest


def neuron(step: StepData, text: str, at: int = 0) -> list[Block]:
    """One unit, "linear1[3]", for row number `at` of the batch; of a `Neuron` its sum as well."""
    own = neuron_figures(step, text, at)
    title = f"{own.layer.name}[{own.unit}] for row {own.row} of the training data"
    if own.weight is not None:
        return [Lines(title, _sum(step, own)), _inputs(own, own.weight)]
    inner = neuron(step, f"{own.layer.source}[0]", at) if type(own.layer.module) is Neuron else []
    return [*inner, Lines(title, _made(step, own))]


def weight(step: StepData, text: str) -> list[Block]:
    """One number of a parameter, "linear1.weight[2,3]": where its gradient comes from, and what
    becomes of it."""
    own = weight_figures(step, text)
    blocks: list[Block] = []
    lines = [f"w before = {exact(own.before)}"]
    if own.slope is None:
        lines.append("no gradient trains it; where it moves, its layer moves it")
    else:
        lines.append(f"∂L/∂w    = {exact(own.slope)}, the sum of what the rows of the batch add")
    if own.rest:
        lines.append(f"           and of {own.rest:.6g} that is not any row's, as of a penalty")
    blocks.append(Lines(own.name, lines))
    if own.rows is not None:
        blocks.append(_by_row(step, own, own.rows))
    update = update_lines(step, own) if own.slope is not None else []
    return [*blocks, Lines("", [*update, f"w after  = {exact(own.after)}"])]


def _sum(step: StepData, own: NeuronFigures) -> list[str]:
    assert own.weight is not None
    pairs = list(zip(own.given, own.weight, strict=True))
    order = largest(own.given * own.weight, TERMS)
    terms = [product(*pairs[i]) for i in order]
    if len(order) < len(pairs):
        terms.append(f"… ({counted(len(pairs) - len(order), 'smaller term')})")
    if own.bias is not None:
        terms.append(factor(own.bias))
    formula = "z = Σ xᵢ·wᵢ + b" if own.bias is not None else "z = Σ xᵢ·wᵢ"
    lines = [formula, f"  = {' + '.join(terms)}", f"  = {exact(own.result)}"]
    return [*lines, *_backward(step, own)]


def _made(step: StepData, own: NeuronFigures) -> list[str]:
    """What a layer other than a weighted sum makes of what is given to it."""
    letter = own.layer.letter
    if own.layer.joined:
        return [*_joined(step, own), *_backward(step, own)]
    lines: list[str] = []
    if own.given.shape == own.layer.result[own.at].shape:
        lines.append(f"z  = {exact(own.given[own.unit])}")
    lines.append(f"{letter}  = {function_of(own.layer.module)!r} = {exact(own.result)}")
    lines += _formula(step, own)
    if own.derivative is not None:
        lines.append(f"∂a/∂z = {exact(own.derivative)}")
    return [*lines, *_backward(step, own)]


def _joined(step: StepData, own: NeuronFigures) -> list[str]:
    """The unit of a layer that adds results of others, or has them side by side."""
    layer, unit = own.layer, own.unit
    if isinstance(layer.module, Residual):
        names = [f"{name}[{unit}]" for name in layer.joined]
        terms = [_given(step, name)[own.at, unit] for name in layer.joined]
        return [f"a  = x + f(x) = {' + '.join(names)}",
                f"   = {' + '.join(map(factor, terms))} = {exact(own.result)}"]  # fmt: skip
    for name in layer.joined:
        width = _given(step, name).shape[1]
        if unit < width:
            return [f"a  = {name}[{unit}] = {exact(own.result)}"]
        unit -= width
    return [f"a  = {exact(own.result)}"]


def _given(step: StepData, name: str) -> np.ndarray:
    return step.x if name == "x" else step.layer(name).result


def _formula(step: StepData, own: NeuronFigures) -> list[str]:
    """What the layer says of itself, "a = max(z, 0)", and what has been learnt of it so far."""
    function = function_of(own.layer.module)
    first = re.split(r"\.?$|[.:] ", " ".join((type(function).__doc__ or "").split()))[0]
    lines = [f"where {first}"] if first.startswith("a") and "=" in first else []
    learnt = [
        f"{name.rpartition('.')[2]} = {exact(value[min(own.unit, value.size - 1)])}"
        for name, whole in own.layer.parameters.items()
        if (name.startswith("activation.") or function is own.layer.module)
        and step.parameters[whole].slope is not None
        and (value := step.parameters[whole].before).shape in ((1,), own.layer.result[0].shape)
    ]
    return [*lines, *([f"  with {', '.join(learnt)}, as learnt so far"] if learnt else [])]


def _backward(step: StepData, own: NeuronFigures) -> list[str]:
    """∂L by the unit, from ∂L by the layers that take it, where how is known of all of them."""
    said = f"∂L/∂{own.layer.letter}"
    if own.layer is step.layers[-1]:
        y = some(np.atleast_1d(step.y[own.at]))
        return [f"{said} = {exact(own.slope)}, from {type(step.loss).__name__} of ŷ and y = {y}"]
    ways = _ways(step, own)
    if not ways or not all(ways):
        return [f"{said} = {exact(own.slope)}"]
    first, *others = [way[0] for way in ways if way]
    lines = [f"{said} = {first}", *(f"     + {own}" for own in others)]
    terms = " + ".join(way[1] for way in ways if way)
    same = [] if terms == factor(own.slope) else [f"  = {terms}"]
    return [*lines, *same, f"  = {exact(own.slope)}"]


def _ways(step: StepData, own: NeuronFigures) -> list[tuple[str, str] | None]:
    """The ways from the unit to L, one for every layer that takes it: where its part of ∂L comes
    from, and that with the numbers put in; None for a layer of which it is not known."""
    name, unit, ways = own.layer.name, own.unit, list[tuple[str, str] | None]()
    for after in step.layers:
        place = 0
        for part in after.joined:
            at = unit if isinstance(after.module, Residual) else place + unit
            if part == name:
                ways.append((f"∂L/∂a of {after.name}[{at}]", factor(after.slope[own.at, at])))
            place += _given(step, part).shape[1]
        if after.joined or after.source != name:
            continue
        if after.derivative is not None:
            factors = after.slope[own.at, unit], after.derivative[own.at, unit]
            ways.append((f"∂L/∂a·∂a/∂z of {after.name}[{unit}]", product(*factors)))
        elif isinstance(after.module, Linear):
            ways.append(_from_linear(step, own, after))
        else:
            ways.append(None)
    return ways


def _from_linear(step: StepData, own: NeuronFigures, after: Layer) -> tuple[str, str]:
    slopes, weights = after.slope[own.at], step.of(after, "weight").before[own.unit]
    order = largest(slopes * weights, TERMS)
    terms = [product(slopes[k], weights[k]) for k in order]
    if len(order) < len(slopes):
        terms.append(f"… ({counted(len(slopes) - len(order), 'smaller term')})")
    return f"Σₖ ∂L/∂zₖ·wₖ over the units of {after.name}", " + ".join(terms)


def _inputs(own: NeuronFigures, weights: np.ndarray) -> TableBlock:
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
    where = "of this row, in this layer" if own.shared else "of this row"
    return TableBlock(title, ("input", "x", "w", "x·w", f"∂L/∂w {where} = ∂L/∂z·x"), rows)


def _by_row(step: StepData, own: WeightFigures, parts: np.ndarray) -> TableBlock:
    """What the rows add to ∂L/∂w, the most first."""
    most = largest_first(parts)[:FEW]
    rows: list[Sequence[str]] = []
    for i in most:
        part = exact(parts[i])
        if own.given is not None and own.back is not None:
            back, given = own.back[i], own.given[i]
            part = f"{product(back, given)} = {exact(back * given)}"
        rows.append((f"row {step.rows[i]}", part))
    which = f"the largest {len(most)} of {len(parts):,} rows" if len(most) < len(parts) else "rows"
    head = "∂L/∂z·x" if own.given is not None else "∂L/∂w of its own term of L"
    return TableBlock(
        f"{which}, by what they add to ∂L/∂w", ("row", head), rows, coupling(own.coupled)
    )


def product(a: Any, b: Any) -> str:
    return f"{factor(a)}·{factor(b)}"


def largest(terms: np.ndarray, count: int) -> list[int]:
    """All terms in their order, or of many those that are largest in size."""
    if len(terms) <= count:
        return list(range(len(terms)))
    return [int(i) for i in largest_first(terms)[:count]]
