"""Computes values and gradients of losses and functions.

In: a loss, or any function of arrays. Out: a function of model and data, or of arrays.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, cast

import numpy as np

from glassnet import pipeline
from glassnet.errors import GraphError, ShapeError
from glassnet.gradient import gradients
from glassnet.graph.op import Value
from glassnet.nn.loss import Loss, as_loss
from glassnet.nn.module import Module, split
from glassnet.nn.storage import layout_of
from glassnet.rounding import computed_to_nearest
from glassnet.training.data_checks import check_data, warn_of_double_activation
from glassnet.training.programs import gradient_program
from glassnet.training.step_graph import parameter_arrays, trained_only


def value_and_grad(
    f: Loss | Callable[..., Any], argnums: int | tuple[int, ...] = 0
) -> Callable[..., tuple[Any, Any]]:
    """Return a function that computes a value and a gradient.

    For a loss, or a function of predictions and labels: `value_and_grad(loss)(model, x, y)` returns
    (L, dW), the loss of the model on all rows, a float, and its gradient with respect to every
    parameter, a vector like `model.W`. Weights of the rows can be passed as `sample_weight`. The
    model computes as in a prediction, without dropout. Raises ShapeError or TrainingError for data
    that do not fit.

    For any other scalar-valued function of arrays, written with `gn.ops`: (f(…), gradient) with
    respect to the argument at position `argnums` (a tuple of positions gives a tuple of gradients).
    Raises ShapeError where f does not return one number.
    """
    if isinstance(f, Loss):
        return _of_loss(f)
    plain = pipeline.value_and_grad(f, argnums)
    as_losses: list[Callable[..., Any]] = []  # f as a loss, once it is used as one

    def either(*args: Any, **named: Any) -> tuple[Any, Any]:
        if not any(isinstance(argument, Module) for argument in (*args[:1], named.get("model"))):
            return plain(*args, **named)
        as_losses[:] = as_losses or [_of_loss(as_loss(f))]
        return as_losses[0](*args, **named)

    return either


def _of_loss(loss: Loss) -> Callable[..., tuple[float, np.ndarray]]:
    seen: set[int] = set()  # ids of the networks that were checked

    @computed_to_nearest
    def both(model: Module, x: Any, y: Any, sample_weight: Any = None) -> tuple[float, np.ndarray]:
        rows = check_data(model, loss, x, y, sample_weight)
        if id(model) not in seen:
            seen.add(id(model))
            warn_of_double_activation(model, loss)
        program = gradient_program(model, loss, rows.x.shape[1], rows.weighting)
        value, *parts = program.run({**rows.arrays(), **parameter_arrays(model)})
        return float(value), as_one_vector(model, parts)

    return both


def as_one_vector(model: Module, parts: list[np.ndarray]) -> np.ndarray:
    """Return gradients of the trained parameters as one vector like W, with 0 for the others."""
    whole = np.zeros_like(model.W)
    views = trained_only(model, split(whole, layout_of(model).parameters))
    for view, part in zip(views.values(), parts, strict=True):
        view[...] = part
    return whole


def derivative(f: Callable[..., Any], order: int = 1) -> Callable[..., Any]:
    """Return the elementwise derivative of f as a function: f′, or f″ with order=2, and so on. For
    plots of f and f′: `y = gn.derivative(ops.tanh)(x)`.

    f, written with `gn.ops`, takes an array and returns one of the same shape, elementwise; further
    arguments are passed on. Raises ShapeError where the result has another shape or is not
    elementwise, GraphError for a negative order.
    """
    if order < 0 or not callable(f):
        raise GraphError(f"derivative({f!r}, order={order!r}): wanted a function, and 0 or more")
    if order == 0:
        return f
    inner = derivative(f, order - 1)

    def slopes(x: Any, *rest: Any) -> tuple[Any, ...]:
        y = inner(x, *rest)
        shape = getattr(y, "shape", None)
        if shape != x.shape:
            raise ShapeError(NOT_EACH.format(f"its result has shape {shape} for {x.shape}"))
        slope = gradients(y, [x], y * 0.0 + 1.0)[0]
        return slope, gradients(y, [x], y * 0.0 + _mixed(x))[0]

    call = pipeline.compile(slopes)

    def each(x: Any, *rest: Any) -> Any:
        if isinstance(x, Value):
            return slopes(x, *rest)[0]
        array = pipeline.to_native(x)
        array = array.astype(float) if array.dtype.kind in "iub" else array
        slope, mixed = call(array, *rest)
        with np.errstate(invalid="ignore", over="ignore"):
            apart = np.abs(mixed - slope * _mixed(array))
        if bool(
            (apart > 1e-3 * np.max(np.abs(slope), initial=1e-30, where=np.isfinite(slope))).any()
        ):
            raise ShapeError(NOT_EACH.format("a number of its result depends on other elements"))
        return slope

    return each


def _mixed(x: Any) -> np.ndarray:
    """Return an array like x in which nearby elements have different values from 1 to 2."""
    count = math.prod(cast("tuple[int, ...]", x.shape))
    return (1.0 + np.arange(count) * 0.6180339887 % 1.0).astype(x.dtype).reshape(x.shape)


NOT_EACH = "derivative: f must be elementwise; {}\n  right: gn.grad(f) if f returns one number"
