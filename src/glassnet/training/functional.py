"""The value and the gradient of a loss, as numbers.

In: a loss, or any function of arrays. Out: a function of model and data, or of arrays.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from glassnet import pipeline
from glassnet.nn.loss import Loss
from glassnet.nn.module import Module, split
from glassnet.nn.storage import layout_of
from glassnet.rounding import to_nearest
from glassnet.training.check import checked
from glassnet.training.programs import gradient_program
from glassnet.training.step import parameter_arrays, trained


def value_and_grad(
    f: Loss | Callable[..., Any], argnums: int | tuple[int, ...] = 0
) -> Callable[..., tuple[Any, Any]]:
    """A function giving a value and a gradient.

    For a loss: `value_and_grad(loss)(model, x, y)` is (L, dW): the loss of the model on all rows,
    and its gradient by every parameter, in the layout of `model.W`. Weights of the rows may follow
    as a third array. The model computes as in prediction: nothing is dropped out.

    For any other scalar-valued function of arrays: (f(…), gradient) by the arguments at `argnums`
    (a tuple gives a tuple of gradients).
    """
    if not isinstance(f, Loss):
        return pipeline.value_and_grad(f, argnums)
    loss = f

    @to_nearest
    def both(model: Module, x: Any, y: Any, sample_weight: Any = None) -> tuple[float, np.ndarray]:
        rows = checked(model, loss, x, y, sample_weight)
        program = gradient_program(model, loss, rows.x.shape[1], rows.weighting)
        value, *parts = program.run({**rows.arrays(), **parameter_arrays(model)})
        return float(value), in_one(model, parts)

    return both


def in_one(model: Module, parts: list[np.ndarray]) -> np.ndarray:
    """Gradients by the trained parameters as one vector like W, 0 for the other ones."""
    whole = np.zeros_like(model.W)
    views = trained(model, split(whole, layout_of(model).parameters))
    for view, part in zip(views.values(), parts, strict=True):
        view[...] = part
    return whole
