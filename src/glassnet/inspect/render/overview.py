"""Show an overview of an opened step, then its arrays.

In: a `StepData`. Out: blocks: its five lines, a line for each layer, parameter and row with a
large gradient, and all arrays, layer by layer.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from glassnet.inspect.class_answers import class_label, likely_classes, probabilities
from glassnet.inspect.render.elements import (
    FEW,
    ArrayGroup,
    Block,
    Lines,
    Matrix,
    Picture,
    TableBlock,
    brief_numbers,
    exact,
    first_numbers,
    shape_text,
)
from glassnet.inspect.render.network_drawing import network
from glassnet.inspect.statistics import (
    TOP_ROWS,
    LayerFigures,
    layer_figures,
    parameter_figures,
    rows_by_gradient,
    sources,
    vector_length,
)
from glassnet.inspect.step_data import Layer, StepData, Weights
from glassnet.words import plural

_LONGEST_KIND = 60  # characters


def overview(step: StepData) -> list[Block]:
    """Return the blocks of a step: summaries first, then the arrays."""
    arrays = groups(step)
    count = sum(matrix.array.size for group in arrays for matrix in group.matrices)
    parts = [replace(group, whole=count) for group in arrays]
    return [
        drawing_block(step),
        five_lines(step),
        *neighbouring_steps(step),
        layers(step),
        parameters(step),
        rows(step),
        *parts,
    ]


def drawing_block(step: StepData) -> Picture:
    """Draw the network in this step, for the first row of the batch."""
    return Picture(f"the network in this step, row {step.rows[0]} of the data", network(step))


def neighbouring_steps(step: StepData) -> list[Lines]:
    """Return the commands that open the steps before and after this one."""
    if not step.batches:
        return []
    place = (step.epoch - 1) * step.batches + step.batch - 1
    lines: list[str] = []
    for name, other in (("before", place - 1), ("after", place + 1)):
        epoch, batch = other // step.batches + 1, other % step.batches + 1
        if epoch >= 1:
            command = f"glassnet step RUN --epoch {epoch} --batch {batch}"
            lines.append(
                f"step {name}   {command}   gn.open_step(run, epoch={epoch}, batch={batch})"
            )
    return [Lines("", lines)]


def five_lines(step: StepData) -> Lines:
    """Summarise batch, forward propagation, loss, backward propagation and gradient descent."""
    loss, rule = type(step.loss).__name__, type(step.optimizer).__name__
    slopes = [weights.slope for weights in step.parameters.values() if weights.slope is not None]
    updates = [weights.update for weights in step.parameters.values()]
    title = (
        f"epoch {step.epoch}, batch {step.batch} (step {step.step} of the run), "
        f"{plural(len(step.rows), 'row')}: {first_numbers(step.rows)}"
    )
    count = sum(slope.size for slope in slopes)
    lines = [
        f"x   {shape_text(step.x)}  {_first(step.x)}{_named(step)}",
        f"y   {shape_text(step.y)}  {_first(step.y)}",
        f"ŷ   {shape_text(step.prediction)}  {_first(step.prediction)}",
        *_first_row_answer(step),
        f"L   {exact(step.L)}  ({loss} of ŷ and y)",
        f"∂L/∂W   {plural(count, 'number')}, ‖∂L/∂W‖ = {_size(slopes)}",
        f"W ← by {rule} with η = {exact(step.lr)}: ‖update‖ = {_size(updates)}",
    ]
    return Lines(title, lines)


def _first_row_answer(step: StepData) -> list[str]:
    """Return the true class of the first row and its predicted probabilities."""
    chances = probabilities(step)
    if chances is None:
        return []
    given = likely_classes(step, chances[0])
    return [f"    row {step.rows[0]} is {class_label(step, 0)}; its probabilities are {given}"]


def layers(step: StepData) -> TableBlock:
    heads = ("layer", "‖output‖", "‖∂L/∂output‖", "layer type", "inactive units")
    found = [layer_figures(layer) for layer in step.layers]
    rows = [
        (
            layer.name,
            f"{layer.result:.6g}",
            f"{layer.slope:.6g}",
            _kind(layer),
            _inactive_units(layer),
        )
        for layer in found
    ]
    return TableBlock("", heads, rows, _unit_list(found, len(step.rows)))


def _kind(layer: LayerFigures) -> str:
    """Return the layer as text, without its arguments if it is too long for a line."""
    return layer.kind if len(layer.kind) <= _LONGEST_KIND else layer.kind.split("(")[0] + "(…)"


def parameters(step: StepData) -> TableBlock:
    heads = ("parameter", "‖W‖", "‖∂L/∂W‖", "‖update‖", "largest ∂L/∂W")
    rows: list[tuple[str, ...]] = []
    for figures in (parameter_figures(step, name) for name in step.parameters):
        slope, largest = "none", ""
        if figures.slope is not None:
            slope = f"{figures.slope:.6g}"
            largest = f"{figures.largest:.4g} at [{', '.join(map(str, figures.at))}]"
        rows.append(
            (figures.name, f"{figures.before:.6g}", slope, f"{figures.update:.6g}", largest)
        )
    return TableBlock("", heads, rows)


def rows(step: StepData) -> TableBlock:
    """Return the rows with the largest gradients, with their labels and predictions."""
    found = rows_by_gradient(step)
    at = {int(row): place for place, row in enumerate(step.rows)}
    chances = probabilities(step)

    def answers(place: int) -> tuple[str, str]:
        if chances is None:
            return brief_numbers(step.y[place]), brief_numbers(step.prediction[place])
        return class_label(step, place), likely_classes(step, chances[place])

    lines = [
        (f"row {row}", f"{much:.3g}", *answers(at[row]))
        for row, much in list(zip(found.rows, found.sizes, strict=True))[:TOP_ROWS]
    ]
    title = f"rows with the largest gradients, by ‖{found.by} of the row‖"
    if found.by != "∂L/∂W":
        title = f"rows with the largest gradients, by ‖{found.by}‖"
    given = "ŷ" if chances is None else "probabilities"
    return TableBlock(title, ("row", f"‖{found.by}‖", "y", given), lines, found.note)


def groups(step: StepData) -> list[ArrayGroup]:
    """Return the arrays of the batch, and of each layer with its parameters."""
    labels = [output.replace("ŷ", "y") for output in step.outputs] if step.y.ndim > 1 else ["y"]
    y = step.y.reshape(len(step.rows), -1)
    batch = [
        Matrix("x", step.x, step.rows.tolist(), step.inputs),
        Matrix("y", y, step.rows.tolist(), labels),
    ]
    found = [ArrayGroup("the batch", batch)]
    shown: set[str] = set()
    before = "x"
    for layer in step.layers:
        names = [name for name in layer.parameters.values() if name not in shown]
        parameters = {name: step.parameters[name] for name in names}
        shown |= set(parameters)
        found.append(_layer_group(step, layer, parameters, before))
        before = layer.name
    rest = {name: weights for name, weights in step.parameters.items() if name not in shown}
    matrices = [matrix for name, weights in rest.items() for matrix in _weights(name, weights, ())]
    return [*found, ArrayGroup("other parameters", matrices)] if matrices else found


def _layer_group(
    step: StepData, layer: Layer, parameters: dict[str, Weights], before: str
) -> ArrayGroup:
    """Return z and ∂L/∂z of a layer with weights; a, ∂a/∂z and ∂L/∂a of an activation; its input if
    that is not the output of the layer `before`; and W, ∂L/∂W and the update."""
    letter = layer.letter
    units = step.outputs if layer is step.layers[-1] else ()
    matrices: list[Matrix] = []
    if layer.source != before:
        matrices.append(Matrix(f"input, from {layer.source}", layer.given, step.rows.tolist()))
    matrices.append(Matrix(letter, layer.result, step.rows.tolist(), units))
    if layer.derivative is not None:
        matrices.append(Matrix("∂a/∂z", layer.derivative, step.rows.tolist(), units))
    matrices.append(Matrix(f"∂L/∂{letter}", layer.slope, step.rows.tolist(), units))
    for name, weights in parameters.items():
        fits = layer.source == "x" and len(weights.before) == layer.given.shape[-1]
        matrices += _weights(name, weights, sources(step, layer) if fits else ())
    return ArrayGroup(f"{layer.name}: {layer.module!r} of {layer.source}", matrices)


def _weights(name: str, weights: Weights, names: tuple[str, ...]) -> list[Matrix]:
    if not weights.before.size:
        return []
    labels = names if weights.before.ndim > 1 else ()
    found = [Matrix(name, weights.before, labels)]
    if weights.slope is not None:
        found.append(Matrix(f"∂L/∂{name}", weights.slope, labels))
    return [*found, Matrix(f"update of {name}", weights.update, labels)]


def _inactive_units(layer: LayerFigures) -> str:
    counts = {"dead": layer.dead, "saturated": layer.saturated}
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count)


def _unit_list(found: list[LayerFigures], rows: int) -> str:
    """List the inactive units of each layer, and the rows of the batch that this is for."""
    lines = [
        f"{layer.name}[{', '.join(map(str, units[:FEW]))}{', …' * (len(units) > FEW)}] {name}, "
        f"{len(units)} of {layer.units}"
        for layer in found
        for name, units in (("dead", layer.off_units), ("saturated", layer.saturated_units))
        if units
    ]
    over = "the one row" if rows == 1 else f"all {plural(rows, 'row')}"
    return f"inactive in {over} of this batch: {'; '.join(lines)}" if lines else ""


def _named(step: StepData) -> str:
    """Return the names of the inputs if they are columns of a table."""
    if step.inputs[0] == "x[0]":
        return ""
    more = ", …" if len(step.inputs) > FEW else ""
    return f"  ({', '.join(step.inputs[:FEW])}{more})"


def _first(array: np.ndarray) -> str:
    return f"first row {first_numbers(array[0])}" if array.ndim > 1 else first_numbers(array)


def _size(arrays: list[np.ndarray]) -> str:
    flat = [array.ravel() for array in arrays]
    return f"{vector_length(np.concatenate([*flat, np.empty(0)])):.6g}"
