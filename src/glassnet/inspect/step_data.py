"""The numbers of one training step.

In: the arrays of the step. Out: `StepData`, which has them by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from glassnet.errors import GlassnetError
from glassnet.inspect.row_gradients import RowGradients
from glassnet.inspect.selectors import unknown_name_text
from glassnet.nn.ensemble import BatchEnsemble
from glassnet.nn.linear import Linear, Neuron
from glassnet.nn.module import Module
from glassnet.nn.storage import layout_of
from glassnet.training.probe import join


@dataclass(frozen=True)
class Layer:
    """A layer in this step: its input, its output and the gradient of L with respect to the output.

    For a `Linear` these are z and ∂L/∂z, for an activation a and ∂L/∂a. A `Neuron` is two layers:
    "neuron1.linear", which computes z, and "neuron1", which computes a from z."""

    name: str
    module: Module
    given: np.ndarray
    result: np.ndarray
    slope: np.ndarray
    derivative: np.ndarray | None = None  # of an activation: ∂a/∂z, element by element
    source: str = "x"  # the layer whose output is its input, or "x"
    under: str = ""  # the prefix of its parameters' names; empty for the network itself
    joined: tuple[str, ...] = ()  # of a `Residual` or `Parallel`: the layers whose outputs it joins
    aliases: Mapping[str, str] = field(default_factory=dict[str, str])  # names of shared parameters

    @property
    def letter(self) -> str:
        """The symbol of its output: z for a weighted sum, a for other layers."""
        return "z" if isinstance(self.module, Linear | BatchEnsemble) else "a"

    @property
    def parameters(self) -> dict[str, str]:
        """Its parameters: the name in the network by the name in the layer."""
        found = {
            parameter: join(self.under, parameter)
            for parameter in layout_of(self.module).parameters
        }
        return {parameter: self.aliases.get(name, name) for parameter, name in found.items()}


@dataclass(frozen=True)
class Weights:
    """A parameter in this step: before and after it, and its gradient."""

    before: np.ndarray
    slope: np.ndarray | None  # ∂L/∂W; None if it is not trained by gradients
    after: np.ndarray

    @property
    def update(self) -> np.ndarray:
        """after − before."""
        return self.after - self.before


@dataclass(frozen=True)
class StepData:
    """Every number of one step."""

    epoch: int  # from 1
    batch: int  # from 1
    batches: int  # per epoch; 0 if this is not a step of a run
    step: int  # from 1, counted over the run
    lr: Any  # in the dtype of the model
    optimizer: Any
    loss: Any
    rows: np.ndarray  # row numbers of the batch in the data
    x: np.ndarray
    y: np.ndarray
    layers: tuple[Layer, ...]
    prediction: np.ndarray
    L: float
    parameters: dict[str, Weights]
    memory: dict[str, tuple[np.ndarray, np.ndarray]]  # the optimiser's state, before and after
    inputs: tuple[str, ...]  # a name for each column of x
    outputs: tuple[str, ...]  # a name for each column of ŷ
    pulls: RowGradients = field(compare=False)
    classes: tuple[str, ...] = ()  # class names, if the run has them

    def layer(self, name: str) -> Layer:
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise GlassnetError(unknown_name_text(name, "layer", [layer.name for layer in self.layers]))

    def of(self, layer: Layer, name: str) -> Weights:
        """Return a parameter of a layer by its name in the layer, such as "weight"."""
        return self.parameters[layer.parameters[name]]

    def users(self, parameter: str) -> list[Layer]:
        """Return the layers that use a parameter; several if they share it."""
        layers = [at for at in self.layers if not at.joined and type(at.module) is not Neuron]
        return [at for at in layers if parameter in at.parameters.values()]
