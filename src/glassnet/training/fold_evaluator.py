"""The validation loss of an `InFolds` network: each row is predicted only by members that were
trained without it.

In: a network that ends with `InFolds`, a loss, rows whose last column is their fold. Out: the mean
loss over all rows, and that of each fold. The members of the other folds are not computed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from glassnet.nn.fold_members import FoldMembers
from glassnet.nn.loss import Loss
from glassnet.nn.module import Module
from glassnet.run.program import Program
from glassnet.training.data_checks import Rows
from glassnet.training.programs import loss_program
from glassnet.training.step_graph import parameter_arrays
from glassnet.training.step_runner import Evaluator


class FoldEvaluator:
    """Computes the mean loss of all rows when called; `parts` are then the losses of the folds, NaN
    for one without rows, and `shares` the sums of the weights of their rows."""

    def __init__(self, alone: FoldMembers, loss: Loss, rows: Rows, threads: int | None) -> None:
        self.alone, self.parts = alone, [math.nan] * alone.folds
        self.shares = [0.0] * alone.folds
        self._judges: dict[int, Evaluator] = {}
        network, fold_of = alone.network, rows.x[:, -1]
        make: Callable[[], Program] = partial(
            loss_program, network, loss, alone.rows(rows.x[:1], 0).shape[1], rows.weighting
        )
        for fold in range(alone.folds):
            part = rows.part(np.flatnonzero(fold_of == fold))
            if len(part):
                part = replace(part, x=alone.rows(part.x, fold))
                judge = Evaluator(make, part, parameter_arrays(network), threads)
                self._judges[fold] = judge
                self.shares[fold] = math.fsum(judge.weights)

    @classmethod
    def of(cls, model: Module, loss: Loss, rows: Rows, threads: int | None) -> FoldEvaluator | None:
        """Return an evaluator; None where the network has no folds, or some row has no fold."""
        if rows.mapped is not None or rows.in_batches or not len(rows):
            return None
        alone = FoldMembers.of(model)
        if alone is None or not np.isin(rows.x[:, -1], np.arange(alone.folds)).all():
            return None
        return cls(alone, loss, rows, threads)

    def __call__(self) -> float:
        for fold, judge in self._judges.items():
            self.alone.take(fold)
            self.parts[fold] = judge()
        return share_weighted_mean(self.parts, self.shares)


def share_weighted_mean(parts: list[float], shares: list[float]) -> float:
    """Return the mean of losses, weighted by `shares`; the sums have no rounding errors. Losses
    with weight 0 are ignored; the result is infinite or NaN where another one is."""
    pairs = [(part, share) for part, share in zip(parts, shares, strict=True) if share]
    if not all(math.isfinite(part) for part, _ in pairs):
        return math.nan if any(math.isnan(part) for part, _ in pairs) else math.inf
    total = math.fsum(share for _, share in pairs)
    return math.fsum(part * share for part, share in pairs) / total if total else 0.0
