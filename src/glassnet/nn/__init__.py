"""Networks: modules, layers, activations, initialisers, losses; written with ops only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glassnet.describe import renamed
from glassnet.foreign import missing_name_error
from glassnet.nn.activations import (
    Heaviside,
    Identity,
    ParametricSigmoid,
    Sigmoid,
    Softmax,
    Softplus,
    Tanh,
)
from glassnet.nn.compose import Columns, Function, Parallel, Residual, Sequential
from glassnet.nn.embed import (
    Embedding,
    GroupInputs,
    Periodic,
    PeriodicEmbedding,
    PiecewiseEmbedding,
    PiecewiseLinear,
)
from glassnet.nn.ensemble import Average, BatchEnsemble, InFolds, MemberLinear, Repeat
from glassnet.nn.linear import Linear, Neuron
from glassnet.nn.module import Module, Parameter
from glassnet.nn.normalise import BatchNorm, Dropout, LayerNorm, RMSNorm
from glassnet.nn.rectifiers import ELU, GELU, SELU, Blend, LeakyReLU, Mish, PReLU, ReLU, SiLU
from glassnet.nn.scope import Scope
from glassnet.nn.start import fit_start

__all__ = [
    "ELU",
    "GELU",
    "SELU",
    "Average",
    "BatchEnsemble",
    "BatchNorm",
    "Blend",
    "Columns",
    "Dropout",
    "Embedding",
    "Function",
    "GroupInputs",
    "Heaviside",
    "Identity",
    "InFolds",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "MemberLinear",
    "Mish",
    "Module",
    "Neuron",
    "PReLU",
    "Parallel",
    "Parameter",
    "ParametricSigmoid",
    "Periodic",
    "PeriodicEmbedding",
    "PiecewiseEmbedding",
    "PiecewiseLinear",
    "RMSNorm",
    "ReLU",
    "Repeat",
    "Residual",
    "Scope",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
    "fit_start",
]


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if (former := renamed(__name__, name)) is not None:
            return former
        raise missing_name_error(__name__, name, __all__)
