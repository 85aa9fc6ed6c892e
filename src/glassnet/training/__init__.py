"""Training: optimisation loops, their history and callbacks."""

from __future__ import annotations

from glassnet.training.callbacks import Callback, EarlyStopping, TimeLimit
from glassnet.training.finder import Rates, find_lr
from glassnet.training.functional import derivative, value_and_grad
from glassnet.training.history import History, Run
from glassnet.training.progress_line import Progress

__all__ = [
    "Callback",
    "EarlyStopping",
    "History",
    "Progress",
    "Rates",
    "Run",
    "TimeLimit",
    "derivative",
    "find_lr",
    "value_and_grad",
]
