"""The record of a fit by L-BFGS, iteration by iteration.

In: the course of such a fit. Out: its run file. SciPy keeps to itself what it remembers of earlier
iterations, so that a fit that goes on does all of them again, and compares them with the file.
"""

# scikit-learn has no types, and an estimator's attributes are what its users set
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportPrivateUsage=false

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from glassnet.estimators.mlp_convert import in_layers
from glassnet.estimators.mlp_recorder import FitRecord
from glassnet.optim.search import LBFGS
from glassnet.training.again import Same
from glassnet.training.record_file import Checkpoint


class SearchRecord(FitRecord):
    """As of a fit by steps, with an iteration for an epoch and all rows, as they lie, in a batch.

    Reads the `Course` of the fit where the other reads a `Descent`.
    """

    def _values(self) -> dict[str, Any]:
        return {**super()._values(), "shuffle": False}

    def _rule(self) -> LBFGS:
        return LBFGS(tolerance=float(self.est.tol))

    def _continue(
        self, state: Checkpoint, known: Mapping[str, Any], values: Mapping[str, Any]
    ) -> None:
        """Back to the start; the file is written again once all that it holds has been done."""
        self._restore(self.file.checkpoint(0), known)
        losses = self.file.history()[0]
        self.recorder: Any = Same(self.recorder, losses, state, self.est.max_iter)
        self.recorder.train_begin(self.run)

    def epoch(self, descent: Any, stopped: str) -> None:
        self.model.W[...] = in_layers(self.network, descent.block)
        super().epoch(descent, stopped)
