"""Data-dependent initialisation.

In: a network and some rows. Out: the network, with initial weights scaled and shifted so that the
outputs of every linear layer have mean 0 and variance 1 for these rows.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from glassnet.errors import ShapeError
from glassnet.nn.compose import Sequential
from glassnet.nn.linear import Linear
from glassnet.nn.storage import layout_of


def fit_start(model: Sequential, x: Any) -> Sequential:
    """Scale and shift the linear layers of a `Sequential` for rows x [rows, columns]; return it.

    Layer by layer, each neuron's weights are divided by the standard deviation of its z over the
    rows, and its bias is set so that the mean of z is 0. The last linear layer is not changed. A
    neuron that is constant over the rows is only shifted. Mishkin and Matas, 2015, neuron by
    neuron. Raises ShapeError unless x has two rows or more, all finite.
    """
    if not isinstance(model, Sequential):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ShapeError(
            f"fit_start takes a Sequential; {model!r} is not one\n"
            "  right: fit_start(Sequential(Linear(3, 8), ReLU(), Linear(8, 1)), x)"
        )
    rows = np.asarray(x)
    if rows.ndim != 2 or len(rows) < 2:
        raise ShapeError(
            f"fit_start: x has shape {rows.shape}; wanted two rows or more\n"
            "  right: fit_start(model, x_train)"
        )
    if not np.isfinite(rows).all():
        raise ShapeError(
            "fit_start: x has NaN or infinite numbers, which have no mean\n"
            "  right: fit_start(model, x_train[numpy.isfinite(x_train).all(1)])"
        )
    named = list(model.parts.items())
    linear = [place for place, (_, part) in enumerate(named) if isinstance(part, Linear)]
    for place in linear[:-1]:
        z = np.asarray(model[: place + 1](rows), float)
        name, layer = named[place]
        part = {
            parameter: model.parameters()[f"{name}.{parameter}"]
            for parameter in layout_of(layer).parameters
        }
        for neuron, column in enumerate(z.T):
            _fit_neuron(part, neuron, column)
    return model


def _fit_neuron(part: dict[str, np.ndarray], neuron: int, z: np.ndarray) -> None:
    mean = math.fsum(z) / len(z)
    spread = math.sqrt(math.fsum((z - mean) ** 2) / len(z))
    scale = 1.0 / spread if spread > 1e-6 * max(1.0, abs(mean)) else 1.0
    part["weight"][:, neuron] *= scale
    if "bias" in part:
        part["bias"][neuron] = (part["bias"][neuron] - mean) * scale
