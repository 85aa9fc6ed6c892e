"""The training loop, its history and its callbacks."""

from __future__ import annotations

from glassnet.training.callbacks import Callback, EarlyStopping, TimeLimit
from glassnet.training.finder import Rates, find_lr
from glassnet.training.functional import value_and_grad
from glassnet.training.history import History, Run
from glassnet.training.loop import train
from glassnet.training.record_source import Recording

__all__ = [
    "Callback",
    "EarlyStopping",
    "History",
    "Rates",
    "Recording",
    "Run",
    "TimeLimit",
    "find_lr",
    "train",
    "value_and_grad",
]
