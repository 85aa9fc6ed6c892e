"""Optimisers: update rules that become part of the compiled step; written with ops only."""

from __future__ import annotations

from glassnet.optim.adam import Adam
from glassnet.optim.optimizer import Optimizer
from glassnet.optim.sgd import SGD

__all__ = ["SGD", "Adam", "Optimizer"]
