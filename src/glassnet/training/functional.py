"""The value and the gradient of a loss, as numbers.

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
    """A function giving a value and a gradient.

    For a loss, or a function of predictions and labels that `train` takes as one:
    `value_and_grad(loss)(model, x, y)` is (L, dW): the loss of the model on all rows, and its
    gradient by every parameter, in the layout of `model.W`. Weights of the rows may follow
    as a third array. The model computes as in prediction: nothing is dropped out.

    For any other scalar-valued function of arrays: (f(…), gradient) by the arguments at `argnums`
    (a tuple gives a tuple of gradients).
    """
    if isinstance(f, Loss):
        return _of_loss(f)
    plain = pipeline.value_and_grad(f, argnums)
    kept: list[Callable[..., Any]] = []  # what a function is as a loss, where it is used as one

    def either(*args: Any, **named: Any) -> tuple[Any, Any]:
        if not any(isinstance(argument, Module) for argument in (*args[:1], named.get("model"))):
            return plain(*args, **named)
        kept[:] = kept or [_of_loss(as_loss(f))]
        return kept[0](*args, **named)

    return either


def _of_loss(loss: Loss) -> Callable[..., tuple[float, np.ndarray]]:
    seen: set[int] = set()  # networks that were looked at

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
    """Gradients by the trained parameters as one vector like W, 0 for the other ones."""
    whole = np.zeros_like(model.W)
    views = trained_only(model, split(whole, layout_of(model).parameters))
    for view, part in zip(views.values(), parts, strict=True):
        view[...] = part
    return whole


def derivative(f: Callable[..., Any], order: int = 1) -> Callable[..., Any]:
    """The derivative of a function of one number, for all numbers of an array: f′, or f″ with
    order 2, and so on. For plots of f and f′: `y = gn.derivative(ops.tanh)(x)`.

    f takes an array and gives one of the same shape, each number from its own alone; arguments
    after the first are passed on. ShapeError where the shape is another one, or where a number of
    the result depends on others.
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
            raise ShapeError(NOT_EACH.format(f"it gave shape {shape} for {x.shape}"))
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
            raise ShapeError(NOT_EACH.format("a number of its result depends on others"))
        return slope

    return each


def _mixed(x: Any) -> np.ndarray:
    """A number of its own for each place."""
    count = math.prod(cast("tuple[int, ...]", x.shape))
    return (1.0 + np.arange(count) * 0.6180339887 % 1.0).astype(x.dtype).reshape(x.shape)


NOT_EACH = (
    "derivative: f gives each number from its own alone; {}\n"
    "  right: gn.grad(f) where f gives one number"
)
