"""Checks derivatives and compiled code numerically, on the user's own data.

In: a function of arrays, a module, or a loss with a model and data. Out: a report whose text is a
table; or an AssertionError with that table where values disagree.
"""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from glassnet import ops
from glassnet.errors import GraphError
from glassnet.gradient import gradients
from glassnet.graph.graph import Graph
from glassnet.graph.interpret import interpret
from glassnet.nn.loss import Loss
from glassnet.nn.module import Module
from glassnet.nn.scope import Scope, apply
from glassnet.ops import philox
from glassnet.pipeline import compile, compile_graph
from glassnet.rounding import computed_to_nearest
from glassnet.tracing import as_type, parameter_names, trace, trace_function

Function = Callable[..., Any]

STEPS = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7)
TRIALS = 3  # number of perturbations of the arguments by one rounding
ROUNDINGS = 16.0  # allowed multiple of the largest change that such a perturbation causes
KINKED = 1e-7  # a larger error starts the search for a kink
APART = 1e-6  # smallest relative difference between the slopes on both sides of a kink
BESIDE = 1e-3  # distance from a kink at which the derivative is compared
SMALL = 16  # arguments of up to this many elements are also checked element by element


@dataclass(frozen=True)
class Line:
    """One comparison: a name, two numbers and their error. At a `kink`, where the slopes to the
    left and to the right differ, the error is measured at a nearby point."""

    what: str
    first: float
    second: float
    error: float
    kink: str = ""


@dataclass(frozen=True)
class Report:
    """Comparisons, and the largest error allowed in each."""

    heads: tuple[str, str, str]
    lines: tuple[Line, ...]
    tolerance: float

    @property
    def worst(self) -> float:
        """The largest error; NaN counts as infinite."""
        return max((line.error for line in self.lines), default=0.0)

    @property
    def kinks(self) -> int:
        """The number of comparisons made near a kink."""
        return sum(bool(line.kink) for line in self.lines)

    @property
    def ok(self) -> bool:
        return self.worst <= self.tolerance

    def __str__(self) -> str:
        rows = [(*self.heads, "error", "")]
        for line in self.lines:
            mark = line.kink if line.error <= self.tolerance else "<- wrong"
            numbers = (f"{line.first:.9g}", f"{line.second:.9g}", f"{line.error:.1e}")
            rows.append((line.what, *numbers, mark))
        widths = [max(len(row[i]) for row in rows) for i in range(5)]
        padded = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
        return "\n".join([*padded, f"worst {self.worst:.1e}, allowed {self.tolerance:.0e}"])

    def check(self, complaint: str) -> Report:
        """Return this report if it is `ok`; otherwise raise AssertionError that has its text."""
        if not self.ok:
            raise Disagreement(f"{complaint}\n{self}", self)
        return self


class Disagreement(AssertionError):
    """Values that should agree do not; `report` has all comparisons."""

    def __init__(self, text: str, report: Report) -> None:
        super().__init__(text)
        self.report = report


@computed_to_nearest
def check_grads(f: Any, *args: Any, order: int = 2, tolerance: float = 1e-6) -> Report:
    """Compare derivatives up to `order` with central differences, in float64; return a report.

    f is a function of arrays written with `gn.ops`, a module (args: x), or a loss (args: model, x,
    y). Derivatives are with respect to every float argument, and every parameter of a module. Each
    is checked along fixed random directions, and small arrays also element by element. A function
    with several results, or a derivative of it, is reduced to a scalar by a fixed random linear
    combination. Errors are relative where values are larger than 1; `tolerance` is the largest one
    allowed. At a kink, such as ReLU at 0, the slopes on both sides differ and no difference
    quotient is the derivative: the table says so, and the derivative is compared at a nearby point.
    Raises AssertionError with the table where a derivative is wrong, GraphError where no argument
    is an array of floats.
    """
    function, arrays, names = as_function(f, args)
    places = [i for i, a in enumerate(arrays) if a.dtype.kind == "f" and a.size]
    if not places:
        raise GraphError("check_grads: no argument is an array of floats to differentiate by")
    lines: list[Line] = []
    for level in range(1, order + 1):
        scalar = _project(function, level)
        factor = _projection_factor(function, arrays, level)
        lines += _compare_derivatives(scalar, arrays, names, places, "'" * level, factor)
        function = _differentiate(scalar, places)
    report = Report(("derivative by", "computed", "differences"), tuple(lines), tolerance)
    return report.check("derivatives do not agree with differences")


@computed_to_nearest
def compare(f: Any, *args: Any, tolerance: float | None = None) -> Report:
    """Compare compiled results with the NumPy interpreter in float64; return a report.

    The error is the largest difference divided by the largest absolute value of the result. The
    difference that rounding the arguments alone can cause (cancellation, for example) is subtracted
    first. `tolerance` is 1e-5 for float32 and 1e-12 for float64 by default. Raises AssertionError
    with the table where results differ by more.
    """
    function, arrays, _ = as_function(f, args, wide=False)
    traced = trace_function(function, [as_type(array) for array in arrays])
    graph = traced.graph
    named = {**dict(zip(graph.inputs, arrays, strict=False)), **traced.captured}
    found = compile_graph(graph).run(named)
    wanted = interpret(graph, named, wide=True)
    single = any(output.dtype == np.float32 for output in found)
    tolerances = _tolerances(graph, named, found, wanted)
    pairs = zip(found, wanted, tolerances, strict=True)
    lines = [_line_of(i, *pair) for i, pair in enumerate(pairs)]
    allowed = tolerance if tolerance is not None else 1e-5 if single else 1e-12
    report = Report(("result", "compiled", "interpreted"), tuple(lines), allowed)
    return report.check("compiled code and the interpreter do not agree")


def _tolerances(
    graph: Graph,
    arrays: Mapping[str, np.ndarray],
    found: Sequence[np.ndarray],
    wanted: Sequence[np.ndarray],
) -> list[float]:
    """Return by how much each result may differ because of its conditioning: the largest change in
    some trials in which every argument is perturbed by one rounding, times ROUNDINGS."""
    eps = max(
        (float(np.finfo(result.dtype).eps) for result in found if result.dtype.kind == "f"),
        default=0.0,
    )
    tolerances = [0.0] * len(wanted)
    for trial in range(TRIALS):
        moved = {
            name: array
            * (1.0 + eps * np.sign(_fixed_numbers(array.shape, 200_000 + 100 * trial + place)))
            if array.dtype.kind == "f"
            else array
            for place, (name, array) in enumerate(arrays.items())
        }
        wide = {
            n: array.astype(float) if array.dtype.kind == "f" else array
            for n, array in moved.items()
        }
        for place, result in enumerate(interpret(graph, wide, wide=True)):
            if result.size and result.dtype.kind == "f":
                with np.errstate(invalid="ignore"):
                    apart = np.abs(result - wanted[place])
                tolerances[place] = max(
                    tolerances[place], ROUNDINGS * float(np.nan_to_num(apart).max())
                )
    return tolerances


def as_function(
    f: Any, args: Sequence[Any], wide: bool = True
) -> tuple[Function, list[np.ndarray], list[str]]:
    """Return a function, module or loss as a function of arrays, with its arguments and names."""
    if isinstance(f, Module):
        return _module_function(f, None, args, wide)
    if isinstance(f, Loss) and args and isinstance(args[0], Module):
        return _module_function(args[0], f, args[1:], wide)
    arrays = [_array(arg, wide) for arg in args]
    return f, arrays, parameter_names(f, len(arrays))


def _module_function(
    model: Module, loss: Loss | None, args: Sequence[Any], wide: bool
) -> tuple[Function, list[np.ndarray], list[str]]:
    """Return the module's output, or its loss, as a function of its parameters and the data."""
    names = [*model.parameters()]
    dtype = "float64" if wide else model.dtype
    data = [_array(args[0], wide).astype(dtype)]
    if loss is not None:
        outputs = model.graph(data[0].shape[1]).output_types[0].shape[1]
        data.append(loss.labels(args[1], int(str(outputs)), dtype))
        data += [_array(arg, wide).astype(dtype) for arg in args[2:]]

    def function(*values: Any) -> Any:
        parameters = dict(zip(names, values, strict=False))
        x, *rest = values[len(names) :]
        result = apply(model, x, Scope(parameters))
        return result if loss is None else loss(result, *rest)

    arrays = [_array(array, wide) for array in model.parameters().values()]
    return function, [*arrays, *data], [*names, "x", "y", "weight"][: len(arrays) + len(data)]


def _array(arg: Any, wide: bool) -> np.ndarray:
    array = np.array(arg, order="C")
    return array.astype("float64") if wide and array.dtype.kind == "f" else array


def _fixed_numbers(shape: Any, stream: int) -> np.ndarray:
    """Return standard normal numbers that are the same every time; `stream` selects them."""
    return philox.normal(math.prod(shape), 0, stream).reshape(shape)


def _project(f: Function, level: int) -> Function:
    """Return f reduced to a scalar: the sum of all results, each element times a fixed number."""

    def scalar(*args: Any) -> Any:
        results: Any = f(*args)
        results_tuple = cast(
            "tuple[Any, ...]", results if isinstance(results, tuple) else (results,)
        )
        total: Any = 0.0
        for i, y in enumerate(results_tuple):
            if str(y.dtype) == "float64":
                size = tuple(int(size) for size in y.shape)
                total = total + ops.sum(y * _fixed_numbers(size, 1000 * level + i))
        return total

    return scalar


def _projection_factor(f: Function, arrays: Sequence[np.ndarray], level: int) -> float:
    """Return the factor by which `_project` multiplies a scalar-valued f; 1 for other functions.

    The report divides by it, so that it shows the derivatives of f. They are computed with the
    factor, since a gradient rule that ignores the adjoint is right by chance where that is 1."""
    types = trace(f, *arrays).output_types
    return (
        float(_fixed_numbers((), 1000 * level)) if [type.shape for type in types] == [()] else 1.0
    )


def _differentiate(scalar: Function, places: Sequence[int]) -> Function:
    return lambda *args: tuple(gradients(scalar(*args), [args[i] for i in places]))


class _Value:
    """A scalar-valued function, compiled once and called with arguments of the same shapes."""

    def __init__(self, f: Function, arrays: Sequence[np.ndarray]) -> None:
        traced = trace_function(f, [as_type(array) for array in arrays])
        self._given, self._held = [*arrays], [array.copy() for array in arrays]
        named = dict(zip(traced.graph.inputs, self._held, strict=False))
        self._call = compile_graph(traced.graph).prepare({**named, **traced.captured})

    def __call__(self, arrays: Sequence[np.ndarray]) -> float:
        for i, array in enumerate(arrays):  # most are the same as in the last call
            if array is not self._given[i]:
                self._given[i], self._held[i][...] = array, array
        return float(self._call()[0])


def _compare_derivatives(
    scalar: Function,
    arrays: Sequence[np.ndarray],
    names: Sequence[str],
    places: Sequence[int],
    mark: str,
    factor: float,
) -> Iterator[Line]:
    value, derivative = _Value(scalar, arrays), compile(_differentiate(scalar, places))
    found = derivative(*arrays)
    for i, gradient in zip(places, found, strict=True):
        for what, direction in _directions(arrays[i], i):

            def along(h: float, i: int = i, direction: np.ndarray = direction) -> float:
                moved = [*arrays[:i], arrays[i] + h * direction, *arrays[i + 1 :]]
                return value(moved)

            with np.errstate(invalid="ignore"):
                computed = float(np.sum(gradient * direction))
                measured, rounding = difference(along)
            error = _error(computed, measured, rounding)
            kink = ""
            sides = one_sided(along) if error > KINKED and math.isfinite(computed) else None
            if sides is not None:
                kink = f"kink: {sides[0] / factor:.4g} to the left, {sides[1] / factor:.4g} right"
                error = _error_nearby(value, derivative, arrays, (i, places.index(i)), direction)
            name = f"{names[i]}{mark} {what}"
            yield Line(name, computed / factor, measured / factor, error, kink)


def _error(computed: float, measured: float, rounding: float) -> float:
    """Return the error: relative where values are larger than 1, infinite where one is NaN."""
    error = (abs(computed - measured) - rounding) / max(1.0, abs(computed), abs(measured))
    return max(0.0, error) if error == error else math.inf


def _error_nearby(
    value: Callable[[Sequence[np.ndarray]], float],
    derivative: Function,
    arrays: Sequence[np.ndarray],
    place: tuple[int, int],
    direction: np.ndarray,
) -> float:
    """Return the error of a derivative at a point BESIDE away, where there is no kink."""
    moved = [
        array + BESIDE * _fixed_numbers(array.shape, 300_000 + n)
        if array.dtype.kind == "f"
        else array
        for n, array in enumerate(arrays)
    ]

    def along(h: float) -> float:
        parts = [*moved[: place[0]], moved[place[0]] + h * direction, *moved[place[0] + 1 :]]
        return value(parts)

    with np.errstate(invalid="ignore"):
        computed = float(np.sum(derivative(*moved)[place[1]] * direction))
        return _error(computed, *difference(along))


def _directions(array: np.ndarray, place: int) -> Iterator[tuple[str, np.ndarray]]:
    for number in range(2):
        yield f"along {number + 1}", _fixed_numbers(array.shape, 100_000 + 2 * place + number)
    if array.size <= SMALL:
        for index in np.ndindex(array.shape):
            unit = np.zeros(array.shape)
            unit[index] = 1.0
            yield f"[{', '.join(map(str, index))}]", unit


def difference(f: Callable[[float], float]) -> tuple[float, float]:
    """Return f'(0) by central differences with Richardson extrapolation, and its rounding error.

    Of several step sizes it takes the one whose result changes least at the next smaller step: a
    large step may cross a kink, a small one suffers from rounding."""
    plain = [(f(h) - f(-h)) / (2.0 * h) for h in STEPS]
    halves = [(f(h / 2) - f(-h / 2)) / h for h in STEPS]
    better = [(4.0 * half - whole) / 3.0 for whole, half in zip(plain, halves, strict=True)]
    gaps = [abs(a - b) for a, b in itertools.pairwise(better)]
    best = 1 + gaps.index(min(gaps))
    return better[best], 4.0 * sys.float_info.epsilon * abs(f(0.0)) / STEPS[best]


def one_sided(f: Callable[[float], float]) -> tuple[float, float] | None:
    """Return the slopes of f to the left and to the right of 0 if they differ (a kink), else None.

    A jump has infinite slopes. None also where f is not finite."""

    def slope(h: float) -> float:
        return (-3.0 * f(0.0) + 4.0 * f(h) - f(2.0 * h)) / (2.0 * h)

    found: list[float] = []
    for sign in (-1.0, 1.0):
        wide, near = slope(sign * 1e-4), slope(sign * 1e-5)
        if not (math.isfinite(wide) and math.isfinite(near)):
            return None
        jumps = abs(near) > 5.0 * abs(wide) and abs(near) > 1.0
        found.append(math.copysign(math.inf, near) if jumps else near)
    left, right = found
    if math.isinf(left) or math.isinf(right):
        return left, right
    return (left, right) if abs(right - left) > APART * max(1.0, abs(left), abs(right)) else None


def _line_of(place: int, found: np.ndarray, wanted: np.ndarray, tolerance: float) -> Line:
    """Return the comparison of the element that differs most, after subtracting `tolerance`."""
    a, b = np.atleast_1d(found).astype(float).ravel(), np.atleast_1d(wanted).astype(float).ravel()
    if not a.size:
        return Line(f"{place}", 0.0, 0.0, 0.0)
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(invalid="ignore"):
        apart = np.where(same, 0.0, np.abs(a - b))
    apart[np.isnan(apart)] = math.inf
    apart = np.maximum(0.0, apart - tolerance)
    i = int(apart.argmax())
    scale = max((float(x) for x in np.abs(b[np.isfinite(b)])), default=1.0) or 1.0
    name = f"{place}[{', '.join(str(int(k)) for k in np.unravel_index(i, np.shape(found)))}]"
    return Line(name, float(a[i]), float(b[i]), float(apart[i]) / scale)
