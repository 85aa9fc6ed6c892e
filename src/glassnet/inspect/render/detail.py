"""Show one neuron or one weight of an opened step: its formulas with the numbers inserted.

In: a `StepData` and a name. Out: blocks: forward, backward and, for a weight, its update.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from glassnet.inspect.layer_trace import layer_function
from glassnet.inspect.render.elements import (
    FEW,
    Block,
    Lines,
    TableBlock,
    as_factor,
    exact,
    first_numbers,
)
from glassnet.inspect.render.update_formulas import update_lines
from glassnet.inspect.statistics import (
    NeuronFigures,
    WeightFigures,
    coupling_text,
    largest_first,
    neuron_figures,
    weight_figures,
)
from glassnet.inspect.step_data import Layer, StepData
from glassnet.nn.compose import Residual
from glassnet.nn.linear import Linear, Neuron
from glassnet.words import plural

TERMS = 16  # terms of a sum that are written out, the largest first


def neuron(step: StepData, text: str, at: int = 0) -> list[Block]:
    """Return the blocks of one unit, "linear1[3]", for row number `at` of the batch; for a `Neuron`
    also those of its weighted sum."""
    figures = neuron_figures(step, text, at)
    title = f"{figures.layer.name}[{figures.unit}] for row {figures.row} of the training data"
    if figures.weight is not None:
        return [Lines(title, _sum(step, figures)), _inputs(figures, figures.weight)]
    inner = (
        neuron(step, f"{figures.layer.source}[0]", at)
        if type(figures.layer.module) is Neuron
        else []
    )
    return [*inner, Lines(title, _other_layer(step, figures))]


def weight(step: StepData, text: str) -> list[Block]:
    """Return the blocks of one weight, "linear1.weight[2,3]": its gradient by row, and its
    update."""
    figures = weight_figures(step, text)
    blocks: list[Block] = []
    lines = [f"w before = {exact(figures.before)}"]
    if figures.slope is None:
        lines.append("no gradient trains it; if it changes, its layer updates it")
    else:
        lines.append(f"∂L/∂w    = {exact(figures.slope)}, the sum over the rows of the batch")
    if figures.rest:
        lines.append(f"           plus {figures.rest:.6g} that comes from no row, as of a penalty")
    blocks.append(Lines(figures.name, lines))
    if figures.rows is not None:
        blocks.append(_by_row(step, figures, figures.rows))
    update = update_lines(step, figures) if figures.slope is not None else []
    return [*blocks, Lines("", [*update, f"w after  = {exact(figures.after)}"])]


def _sum(step: StepData, figures: NeuronFigures) -> list[str]:
    assert figures.weight is not None
    pairs = list(zip(figures.given, figures.weight, strict=True))
    order = largest_terms(figures.given * figures.weight, TERMS)
    terms = [product(*pairs[i]) for i in order]
    if len(order) < len(pairs):
        terms.append(f"… ({plural(len(pairs) - len(order), 'smaller term')})")
    if figures.bias is not None:
        terms.append(as_factor(figures.bias))
    formula = "z = Σ xᵢ·wᵢ + b" if figures.bias is not None else "z = Σ xᵢ·wᵢ"
    lines = [formula, f"  = {' + '.join(terms)}", f"  = {exact(figures.result)}"]
    return [*lines, *_backward(step, figures)]


def _other_layer(step: StepData, figures: NeuronFigures) -> list[str]:
    """Return the formula of a unit of a layer that is not a weighted sum."""
    letter = figures.layer.letter
    if figures.layer.joined:
        return [*_joined_layer(step, figures), *_backward(step, figures)]
    lines: list[str] = []
    if figures.given.shape == figures.layer.result[figures.at].shape:
        lines.append(f"z  = {exact(figures.given[figures.unit])}")
    lines.append(f"{letter}  = {layer_function(figures.layer.module)!r} = {exact(figures.result)}")
    lines += _formula(step, figures)
    if figures.derivative is not None:
        lines.append(f"∂a/∂z = {exact(figures.derivative)}")
    return [*lines, *_backward(step, figures)]


def _joined_layer(step: StepData, figures: NeuronFigures) -> list[str]:
    """Return the formula of a unit of a layer that adds or concatenates outputs of others."""
    layer, unit = figures.layer, figures.unit
    if isinstance(layer.module, Residual):
        names = [f"{name}[{unit}]" for name in layer.joined]
        terms = [_result_of(step, name)[figures.at, unit] for name in layer.joined]
        return [f"a  = x + f(x) = {' + '.join(names)}",
                f"   = {' + '.join(map(as_factor, terms))} = {exact(figures.result)}"]  # fmt: skip
    for name in layer.joined:
        width = _result_of(step, name).shape[1]
        if unit < width:
            return [f"a  = {name}[{unit}] = {exact(figures.result)}"]
        unit -= width
    return [f"a  = {exact(figures.result)}"]


def _result_of(step: StepData, name: str) -> np.ndarray:
    return step.x if name == "x" else step.layer(name).result


def _formula(step: StepData, figures: NeuronFigures) -> list[str]:
    """Return the layer's formula from its docstring, "a = max(z, 0)", and its trained
    parameters."""
    function = layer_function(figures.layer.module)
    first = re.split(r"\.?$|[.:] ", " ".join((type(function).__doc__ or "").split()))[0]
    lines = [f"where {first}"] if first.startswith("a") and "=" in first else []
    learnt = [
        f"{name.rpartition('.')[2]} = {exact(value[min(figures.unit, value.size - 1)])}"
        for name, whole in figures.layer.parameters.items()
        if (name.startswith("activation.") or function is figures.layer.module)
        and step.parameters[whole].slope is not None
        and (value := step.parameters[whole].before).shape in ((1,), figures.layer.result[0].shape)
    ]
    return [*lines, *([f"  with {', '.join(learnt)}, as learnt so far"] if learnt else [])]


def _backward(step: StepData, figures: NeuronFigures) -> list[str]:
    """Return ∂L with respect to the unit, as a sum over the layers that read it if the formula of
    all of them is known."""
    symbol = f"∂L/∂{figures.layer.letter}"
    if figures.layer is step.layers[-1]:
        y = first_numbers(np.atleast_1d(step.y[figures.at]))
        return [
            f"{symbol} = {exact(figures.slope)}, from {type(step.loss).__name__} of ŷ and y = {y}"
        ]
    ways = _gradient_paths(step, figures)
    if not ways or not all(ways):
        return [f"{symbol} = {exact(figures.slope)}"]
    first, *others = [way[0] for way in ways if way]
    lines = [f"{symbol} = {first}", *(f"     + {other}" for other in others)]
    terms = " + ".join(way[1] for way in ways if way)
    same = [] if terms == as_factor(figures.slope) else [f"  = {terms}"]
    return [*lines, *same, f"  = {exact(figures.slope)}"]


def _gradient_paths(step: StepData, figures: NeuronFigures) -> list[tuple[str, str] | None]:
    """Return, for each layer that reads the unit, the formula of its part of ∂L, and the formula
    with numbers; None for a layer whose formula is not known."""
    name, unit, ways = figures.layer.name, figures.unit, list[tuple[str, str] | None]()
    for after in step.layers:
        place = 0
        for part in after.joined:
            at = unit if isinstance(after.module, Residual) else place + unit
            if part == name:
                ways.append(
                    (f"∂L/∂a of {after.name}[{at}]", as_factor(after.slope[figures.at, at]))
                )
            place += _result_of(step, part).shape[1]
        if after.joined or after.source != name:
            continue
        if after.derivative is not None:
            factors = after.slope[figures.at, unit], after.derivative[figures.at, unit]
            ways.append((f"∂L/∂a·∂a/∂z of {after.name}[{unit}]", product(*factors)))
        elif isinstance(after.module, Linear):
            ways.append(_from_linear(step, figures, after))
        else:
            ways.append(None)
    return ways


def _from_linear(step: StepData, figures: NeuronFigures, after: Layer) -> tuple[str, str]:
    slopes, weights = after.slope[figures.at], step.of(after, "weight").before[figures.unit]
    order = largest_terms(slopes * weights, TERMS)
    terms = [product(slopes[k], weights[k]) for k in order]
    if len(order) < len(slopes):
        terms.append(f"… ({plural(len(slopes) - len(order), 'smaller term')})")
    return f"Σₖ ∂L/∂zₖ·wₖ over the units of {after.name}", " + ".join(terms)


def _inputs(figures: NeuronFigures, weights: np.ndarray) -> TableBlock:
    """Return a line for each weight of the unit: x, w, x·w and ∂Lᵢ/∂w of this row."""
    given = figures.given
    order = largest_terms(given * weights, TERMS)
    rows = [
        (figures.names[i], *map(exact, (given[i], weights[i], given[i] * weights[i])),
         f"{product(figures.slope, given[i])} = {exact(figures.row_slope[i])}")
        for i in order
    ]  # fmt: skip
    title = (
        f"the largest {len(order)} of {len(weights):,} terms" if len(order) < len(weights) else ""
    )
    where = "of this row, in this layer" if figures.shared else "of this row"
    return TableBlock(title, ("input", "x", "w", "x·w", f"∂L/∂w {where} = ∂L/∂z·x"), rows)


def _by_row(step: StepData, figures: WeightFigures, parts: np.ndarray) -> TableBlock:
    """Return the table of ∂Lᵢ/∂w by row, the largest first."""
    most = largest_first(parts)[:FEW]
    rows: list[Sequence[str]] = []
    for i in most:
        part = exact(parts[i])
        if figures.given is not None and figures.back is not None:
            back, given = figures.back[i], figures.given[i]
            part = f"{product(back, given)} = {exact(back * given)}"
        rows.append((f"row {step.rows[i]}", part))
    which = f"the largest {len(most)} of {len(parts):,} rows" if len(most) < len(parts) else "rows"
    head = "∂L/∂z·x" if figures.given is not None else "per-example gradient ∂Lᵢ/∂w"
    return TableBlock(
        f"{which}, by their part of ∂L/∂w", ("row", head), rows, coupling_text(figures.coupled)
    )


def product(a: Any, b: Any) -> str:
    return f"{as_factor(a)}·{as_factor(b)}"


def largest_terms(terms: np.ndarray, count: int) -> list[int]:
    """Return the indices of all terms in order, or of the `count` largest if there are more."""
    if len(terms) <= count:
        return list(range(len(terms)))
    return [int(i) for i in largest_first(terms)[:count]]
