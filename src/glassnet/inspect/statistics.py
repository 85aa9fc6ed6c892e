"""Statistics of an opened step: norms, counts, per-example gradients.

In: a `StepData`. Out: figures of layers, parameters, rows, one neuron, one weight; text, HTML and
JSON show these.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from glassnet.errors import GlassnetError
from glassnet.inspect.row_gradients import LOSS
from glassnet.inspect.selectors import name_list, place_of
from glassnet.inspect.step_data import Layer, StepData
from glassnet.nn.linear import Linear

FLAT = 1e-3  # |∂a/∂z| below which a unit counts as saturated
ROW_GRADIENT_LIMIT = (
    1 << 28
)  # numbers of gradients that are computed to find the rows with the largest gradients
ROUNDING = 100  # multiples of the rounding error that the sum over rows may be off by
TOP_ROWS = 8  # rows with the largest gradients that are shown


@dataclass(frozen=True)
class LayerFigures:
    """Norms of a layer's output and of its gradient; for an activation also its inactive units.

    A unit is `dead` if a and ∂a/∂z are 0 in all rows of this batch, `saturated` if |∂a/∂z| is below
    FLAT in all of them otherwise: no weight before it is trained by this batch. Other rows may
    still activate it."""

    name: str
    kind: str
    result: float
    slope: float
    dead: int
    saturated: int
    off_units: tuple[int, ...] = ()
    saturated_units: tuple[int, ...] = ()
    units: int = 0
    rows: int = 0  # of the batch


@dataclass(frozen=True)
class ParameterFigures:
    """Norms of a parameter, its gradient and its update; the largest element of the gradient."""

    name: str
    shape: tuple[int, ...]
    before: float
    slope: float | None
    update: float
    largest: Any
    at: tuple[int, ...]


@dataclass(frozen=True)
class TopRows:
    """The rows of a batch, sorted by ‖∂Lᵢ/∂W‖, largest first; for large networks, where that would
    take too long, by ‖∂L/∂ŷᵢ‖."""

    by: str
    rows: tuple[int, ...]
    sizes: tuple[float, ...]
    note: str


@dataclass(frozen=True)
class NeuronFigures:
    """One unit for one row: its inputs, weights, output and gradients."""

    layer: Layer
    unit: int
    at: int
    row: int
    names: tuple[str, ...]  # of the inputs
    given: np.ndarray
    weight: np.ndarray | None  # of a `Linear`
    bias: Any
    result: Any
    slope: Any
    derivative: Any
    shared: bool = False  # whether other layers have the same weights

    @property
    def row_slope(self) -> np.ndarray:
        """∂Lᵢ/∂w of this row for each weight of a `Linear`; of shared weights, this layer's
        part."""
        return self.slope * self.given


@dataclass(frozen=True)
class WeightFigures:
    """One weight: its value, gradient, update, and the parts of the gradient by row."""

    parameter: str
    place: tuple[int, ...]
    before: Any
    slope: Any  # None for a weight that is not trained by gradients
    after: Any
    update: Any
    memory: dict[str, tuple[Any, Any]]  # the optimiser's state, before and after, by slot
    rows: np.ndarray | None  # ∂Lᵢ/∂w of each row of the batch
    given: np.ndarray | None  # of a `Linear`: x of each row,
    back: np.ndarray | None  # and ∂L/∂z of each row; `rows` is their product
    coupled: str

    @property
    def rest(self) -> float:
        """The part of ∂L/∂w that comes from no row, such as a penalty; 0 if it is rounding
        error."""
        if self.rows is None:
            return 0.0
        parts = self.rows.astype(float)
        rest = float(self.slope) - math.fsum(parts)
        room = ROUNDING * np.finfo(self.rows.dtype).eps * (np.abs(parts).sum() + abs(self.slope))
        return rest if abs(rest) > room else 0.0

    @property
    def name(self) -> str:
        return f"{self.parameter}[{','.join(map(str, self.place))}]"


def layer_figures(layer: Layer) -> LayerFigures:
    off: tuple[int, ...] = ()
    saturated: tuple[int, ...] = ()
    if layer.derivative is not None:
        flat = (np.abs(layer.derivative) < FLAT).all(axis=0)
        zero = flat & ~layer.derivative.any(axis=0) & ~layer.result.any(axis=0)
        off, saturated = (tuple(np.flatnonzero(units).tolist()) for units in (zero, flat & ~zero))
    rows, units = len(layer.result), int(layer.result.shape[-1])
    return LayerFigures(
        layer.name, repr(layer.module), vector_length(layer.result), vector_length(layer.slope),
        len(off), len(saturated), off, saturated, units, rows,
    )  # fmt: skip


def parameter_figures(step: StepData, name: str) -> ParameterFigures:
    weights = step.parameters[name]
    slope, largest, at = None, None, ()
    if weights.slope is not None and weights.slope.size:
        slope = vector_length(weights.slope)
        place = np.unravel_index(int(np.abs(weights.slope).argmax()), weights.slope.shape)
        at = tuple(int(i) for i in place)
        largest = weights.slope[at]
    shape = tuple(weights.before.shape)
    return ParameterFigures(
        name,
        shape,
        vector_length(weights.before),
        slope,
        vector_length(weights.update),
        largest,
        at,
    )


def rows_by_gradient(step: StepData) -> TopRows:
    """Return all rows of the batch, those with the largest gradients first."""
    by, coupled = "∂L/∂W", ""
    count = sum(weights.before.size for weights in step.parameters.values())
    if len(step.rows) * count <= ROW_GRADIENT_LIMIT:
        coupled = step.pulls.coupled
        sizes = np.array([_total_norm(step.pulls.of_row(i)) for i in range(len(step.rows))])
    else:
        by = "∂L/∂ŷ"
        sizes = np.sqrt(np.sum(np.square(step.layers[-1].slope.astype(float)), axis=1))
    most = largest_first(sizes)
    rows = tuple(int(row) for row in step.rows[most])
    return TopRows(by, rows, tuple(sizes[most].tolist()), coupling_text(coupled))


def largest_first(numbers: np.ndarray) -> np.ndarray:
    """Return the indices that sort numbers by absolute value, largest first; NaN before all
    others."""
    sizes = np.abs(numbers.astype(float))
    return np.lexsort((-np.nan_to_num(sizes, nan=0.0, posinf=np.inf), ~np.isnan(sizes)))


def coupling_text(layer: str) -> str:
    """Return a note on per-example gradients if rows influence each other, else ""."""
    if layer == LOSS:
        return (
            "the loss is not a sum over rows: the part of a row is ∂L/∂ŷ of its prediction times "
            "∂ŷ/∂w"
        )
    return layer and (
        f"rows influence each other in {layer}: the per-example gradient is ∂Lᵢ/∂w, where the "
        "loss Lᵢ of a row depends on the other rows of the batch too"
    )


def unit_of(step: StepData, text: str, at: int = 0) -> tuple[Layer, int]:
    """Return the layer and the unit; GlassnetError if they, or row `at` of the batch, do not
    exist."""
    match = re.fullmatch(r"(.+)\[\s*(\d+)\s*\]", text.strip())
    if match is None:
        names = [layer.name for layer in step.layers]
        known = text.strip() if text.strip() in names else None
        raise GlassnetError(
            f"{text!r} is not a neuron; write a layer and a number, counted from 0: "
            f"{known or names[0]}[0]" + ("" if known else f" ({name_list(text, names)})")
        )
    layer, unit = step.layer(match[1]), int(match[2])
    if unit >= layer.result.shape[1]:
        raise GlassnetError(f"{layer.name} has units 0 to {layer.result.shape[1] - 1}, not {unit}")
    if not 0 <= at < len(step.rows):
        raise GlassnetError(f"the batch has rows 0 to {len(step.rows) - 1}, not {at}")
    return layer, unit


def neuron_figures(step: StepData, text: str, at: int = 0) -> NeuronFigures:
    """Return the figures of one unit, "linear1[3]", for row number `at` of the batch."""
    layer, unit = unit_of(step, text, at)
    weight = bias = None
    if isinstance(layer.module, Linear):
        weight = step.of(layer, "weight").before[:, unit]
        bias = step.of(layer, "bias").before[unit] if layer.module.bias else None
    given = layer.given[at]
    return NeuronFigures(
        layer, unit, at, int(step.rows[at]), sources(step, layer), given, weight, bias,
        layer.result[at, unit], layer.slope[at, unit],
        None if layer.derivative is None else layer.derivative[at, unit],
        weight is not None and len(step.users(layer.parameters["weight"])) > 1,
    )  # fmt: skip


def sources(step: StepData, layer: Layer) -> tuple[str, ...]:
    """Return the names of a layer's inputs."""
    if layer.source == "x":
        return step.inputs
    return tuple(f"{layer.source}[{i}]" for i in range(layer.given.shape[-1]))


def weight_figures(step: StepData, text: str) -> WeightFigures:
    """Return the figures of one weight, "linear1.weight[2,3]"."""
    name, place = place_of(
        {n: weights.before.shape for n, weights in step.parameters.items()}, text
    )
    weights = step.parameters[name]
    memory = {
        slot.partition(".")[0]: (old[place], new[place])
        for slot, (old, new) in step.memory.items()
        if slot.partition(".")[2] == name
    }
    rows = given = back = None
    if weights.slope is not None:
        rows = step.pulls.of_weight(name, place)
        given, back = _factors(step, name, place)
    return WeightFigures(
        name, place, weights.before[place], None if weights.slope is None else weights.slope[place],
        weights.after[place], weights.update[place], memory, rows, given, back,
        step.pulls.coupled if rows is not None else "",
    )  # fmt: skip


def _factors(
    step: StepData, parameter: str, place: tuple[int, ...]
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Return x and ∂L/∂z of each row, whose product is ∂Lᵢ/∂w, for a `Linear` that shares its
    weights with no other layer; else None."""
    layer, *others = step.users(parameter) or [None]
    if layer is None or others or not isinstance(layer.module, Linear) or step.pulls.coupled:
        return None, None
    slope = layer.slope[:, place[-1]]
    weighs = parameter == layer.parameters["weight"]
    return (layer.given[:, place[0]] if weighs else np.ones_like(slope)), slope


def _total_norm(parts: dict[str, np.ndarray]) -> float:
    return float(np.sqrt(sum(np.sum(np.square(part.astype(float))) for part in parts.values())))


def vector_length(array: np.ndarray) -> float:
    """Return the Euclidean norm of all elements of an array."""
    return float(np.linalg.norm(array.astype(float)))
