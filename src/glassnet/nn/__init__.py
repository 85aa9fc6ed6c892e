"""Networks: modules, layers, activations, initialisers, losses; written with ops only."""

from __future__ import annotations

from glassnet.nn.activations import Identity, ParametricSigmoid, ReLU, Sigmoid, Tanh
from glassnet.nn.compose import Sequential
from glassnet.nn.linear import Linear
from glassnet.nn.module import Module, Parameter

__all__ = [
    "Identity",
    "Linear",
    "Module",
    "Parameter",
    "ParametricSigmoid",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "Tanh",
]
