"""Optimisers, whose update rules become part of the compiled training step, and learning rate
schedules; written with ops only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glassnet.foreign import missing_name_error
from glassnet.optim.adam import Adam, AdamW
from glassnet.optim.muon import Muon
from glassnet.optim.optimizer import Group, Optimizer
from glassnet.optim.rms import Adagrad, RMSprop
from glassnet.optim.schedule import (
    Constant,
    Cosine,
    CosLog4,
    Exponential,
    FlatCos,
    InverseScaling,
    OneCycle,
    ReduceOnPlateau,
    Schedule,
    StepDecay,
    Switched,
    Warmup,
)
from glassnet.optim.search import LBFGS, RandomSearch
from glassnet.optim.sgd import SGD

__all__ = [
    "LBFGS",
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "Constant",
    "CosLog4",
    "Cosine",
    "Exponential",
    "FlatCos",
    "Group",
    "InverseScaling",
    "Muon",
    "OneCycle",
    "Optimizer",
    "RMSprop",
    "RandomSearch",
    "ReduceOnPlateau",
    "Schedule",
    "StepDecay",
    "Switched",
    "Warmup",
]


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        raise missing_name_error(__name__, name, __all__)
