"""Choose the epoch at which each fold is scored: the best one on the rows of the other folds.

In: the validation losses of the folds by epoch. Out: for each fold an epoch, chosen without the
rows of the fold, and the weights after it. The choice is stored in run files, so that a fit that is
interrupted and resumed chooses the same.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from glassnet.errors import ModelFileError
from glassnet.runs.disk import COPY
from glassnet.serialize import AnyFloat, Length, Total, from_plain, to_plain
from glassnet.training.callbacks import Resumable
from glassnet.training.fold_evaluator import share_weighted_mean
from glassnet.training.history import Run

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class ChoiceNotes:
    """The state of the choice in a run file, without weights."""

    seen: Total  # epochs
    losses: Annotated[tuple[AnyFloat, ...], Length(1, 1 << 10)]  # of the other folds, by fold
    epochs: Annotated[tuple[Total, ...], Length(1, 1 << 10)]


class FoldChoice(Resumable):
    """A callback of all phases of one fit. `shares` are the weights of the folds' validation rows;
    `epochs` has the chosen epoch of each fold, from 1 (0: none yet), and `weights` by epoch a copy
    of W after it."""

    def __init__(self, shares: Sequence[float]) -> None:
        self.shares = [float(share) for share in shares]
        self.seen = 0  # epochs of all phases
        self.losses = [math.inf] * len(self.shares)
        self.epochs = [0] * len(self.shares)
        self.weights: dict[int, NDArray[Any]] = {}

    def epoch_end(self, run: Run) -> None:
        """For each fold, choose this epoch if it has the smallest loss on the other folds, and
        store its weights. Epochs without a loss per fold are ignored."""
        if len(run.fold_losses) != len(self.shares):
            return
        self.seen += 1
        for fold in range(len(self.shares)):
            others = [share * (place != fold) for place, share in enumerate(self.shares)]
            loss = share_weighted_mean(run.fold_losses, others)
            if loss < self.losses[fold]:
                self.losses[fold], self.epochs[fold] = loss, self.seen
        if self.seen in self.epochs:
            chosen = {epoch: array for epoch, array in self.weights.items() if epoch in self.epochs}
            self.weights = {**chosen, self.seen: run.model.W.copy()}

    def complete(self, epochs: int) -> bool:
        """Return whether it has seen `epochs` epochs and chosen one for each fold. That is false
        for a run whose recording an earlier version began, without the first epochs."""
        return self.seen == epochs and all(self.epochs)

    def state(self, name: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return the choice, and the weights of the chosen epochs, for a checkpoint."""
        notes = ChoiceNotes(self.seen, tuple(self.losses), tuple(self.epochs))
        arrays = {f"{name}.epoch{epoch}": array for epoch, array in self.weights.items()}
        return {name: to_plain(notes)}, arrays

    def restore(
        self, name: str, notes: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], run: Run
    ) -> None:
        """Restore the choice of a checkpoint, if it has one; ModelFileError if it is damaged."""
        if name not in notes:
            return
        try:
            known = from_plain(ChoiceNotes, notes[name], name)
        except ValueError as error:
            raise ModelFileError(f"the run file is damaged: {error}; {COPY}") from None
        chosen = sorted({epoch for epoch in known.epochs if epoch})
        found = {epoch: arrays.get(f"{name}.epoch{epoch}") for epoch in chosen}
        W, folds = run.model.W, len(self.shares)
        fits = len(known.losses) == len(known.epochs) == folds
        if not fits or any(
            array is None or not _has_same_form(array, W) for array in found.values()
        ):
            raise ModelFileError(
                f"the run file is damaged: the epochs chosen for {folds} folds, or their weights, "
                f"are those of another model; {COPY}"
            )
        self.seen, self.losses, self.epochs = known.seen, [*known.losses], [*known.epochs]
        self.weights = {epoch: np.array(array) for epoch, array in found.items()}


def _has_same_form(array: NDArray[Any], other: NDArray[Any]) -> bool:
    return array.shape == other.shape and array.dtype == other.dtype
