"""Out-of-fold predictions: each training row is predicted by networks that were not trained on it.

In: the ensemble of a fit, and for each fold the epoch that the other folds chose. Out: `OutOfFold`,
from which the score, thresholds, intervals and calibration are computed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from glassnet.estimators.tabular.evaluation import Evaluation
from glassnet.estimators.tabular.fold_choice import FoldChoice
from glassnet.estimators.tabular.score import Gain
from glassnet.estimators.tabular.table_model import TEMPERATURES, TableModel, temperature_losses
from glassnet.estimators.tabular.table_network import Architecture, build
from glassnet.nn.fold_members import FoldMembers
from glassnet.training.data_checks import Rows

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class OutOfFold:
    """Out-of-fold predictions of all rows of a fit in folds.

    Each row is predicted by the networks that were trained without its fold. What is chosen by
    looking at predictions (the epoch, the temperature) is chosen for each fold on the rows of the
    other folds. The model consists of all folds' networks, after the epoch that is best on all
    rows; since it averages them, it is somewhat better than these predictions.

    rows: int64 [n], the rows' indices in the table.

    folds: int64 [n], the fold of each row.

    answers: truth and predictions: probabilities float32 [n, classes] in the order of
    `schema.target.classes`, or numbers float64 [n] in the unit of the target; `units` if rows are
    not independent.

    epochs: for each fold the epoch, from 1, of its weights.

    calibrations: for each fold the temperature that raw class scores were divided by, or the factor
    that turns medians into means for a logarithmic target; else 1.

    gains: by metric, the estimated gain of all folds' networks together; it is in the score, not in
    the answers.
    """

    rows: NDArray[np.int64]
    folds: NDArray[np.int64]
    answers: Evaluation
    epochs: tuple[int, ...]
    calibrations: tuple[float, ...]
    gains: Mapping[str, Gain] = field(default_factory=dict[str, Gain])


class UnseenOutputs:
    """The outputs of each fold's networks for the rows of the fold."""

    def __init__(self, architecture: Architecture) -> None:
        self._pack = build(architecture)
        alone = FoldMembers.of(self._pack)
        assert alone is not None
        self._alone, self._outputs = alone, architecture.outputs
        self._each = alone.network[:-1]
        self._members = architecture.members

    def of(self, weights: NDArray[Any], x: NDArray[Any]) -> NDArray[Any]:
        """Return raw outputs [n, outputs] for rows whose last input is their fold: the mean of that
        fold's members. `weights` is W of the whole ensemble."""
        self._pack.W[...] = weights
        fold_of = x[:, -1]
        found = np.empty((len(x), self._outputs), x.dtype)
        for fold in range(self._alone.folds):
            mask = fold_of == fold
            if mask.any():
                self._alone.take(fold)
                found[mask] = self._alone.network(self._alone.rows(x[mask], fold))
        return found

    def members(self, weights: NDArray[Any], x: NDArray[Any], fold: int) -> NDArray[Any]:
        """Return raw outputs [n, members, outputs] of each member of a fold; the last input of the
        rows is ignored."""
        self._pack.W[...] = weights
        self._alone.take(fold)
        given = self._each(self._alone.rows(x, fold))
        return np.asarray(given).reshape(len(x), self._members, self._outputs)


def best_temperature(losses: Sequence[float]) -> float:
    """Return the square root of the temperature with the least log-loss, half of the way to 1 on a
    logarithmic scale: the average of all folds is rightly more confident than one fold. `losses`
    are those of `TEMPERATURES`."""
    return math.sqrt(min(zip(losses, TEMPERATURES, strict=True))[1])


def calibrate(model: TableModel, validation: Rows, unseen: UnseenOutputs | None) -> TableModel:
    """Return the calibrated model: an ensemble divides class scores by the best temperature on the
    validation rows (out-of-fold if there are `unseen` outputs), and predictions of a logarithmic
    target become means. Other models are returned unchanged."""
    target, network, x = model.schema.target, model.network, validation.x
    if not (target.log or (target.classes and model.architecture.members)):
        return model
    outputs = np.asarray(network(x)) if unseen is None else unseen.of(network.W, x)
    if target.classes:
        losses = [math.fsum(of_row) for of_row in _losses(outputs, validation)]
        return _with_calibration(model, best_temperature(losses))
    return _with_calibration(model, target.calibrated(outputs[:, 0], validation.y[:, 0]).factor)


def _losses(outputs: NDArray[Any], validation: Rows) -> Iterator[NDArray[np.float64]]:
    """Yield the log-loss of each row, times its weight, for each temperature."""
    for of_row in temperature_losses(outputs, validation.y):
        yield of_row if validation.weight is None else of_row * validation.weight


def _with_calibration(model: TableModel, value: float) -> TableModel:
    """Return the model with a temperature, or with a factor for a logarithmic target."""
    target = model.schema.target
    if target.classes:
        return replace(model, architecture=replace(model.architecture, temperature=value))
    return replace(model, schema=replace(model.schema, target=replace(target, factor=value)))


def out_of_fold(
    model: TableModel,
    unseen: UnseenOutputs,
    choice: FoldChoice,
    training: Rows,
    validation: Rows,
    epochs: tuple[int, int],
) -> OutOfFold:
    """Return the out-of-fold predictions of a calibrated model for all training rows. `epochs` are
    the number of epochs, and the best one on all rows, which all folds use, with the calibration of
    the model, if the choice is not complete."""
    target, folds = model.schema.target, range(model.architecture.folds)
    chosen, weights = [epochs[1] for _ in folds], {epochs[1]: model.network.W}
    value = model.architecture.temperature if target.classes else target.factor
    values = [value for _ in folds]
    if choice.complete(epochs[0]):
        chosen, weights = choice.epochs, choice.weights
        values = _calibrations(model, unseen, choice, validation)
    fold_of = training.x[:, -1].astype(np.int64)
    epoch_of = np.array(chosen)[fold_of]
    outputs = np.empty((len(fold_of), model.architecture.outputs), training.x.dtype)
    for epoch in sorted(set(chosen)):
        mask = epoch_of == epoch
        outputs[mask] = unseen.of(weights[epoch], training.x[mask])
    given = model.given(outputs)
    for fold in folds:
        mask = fold_of == fold
        given[mask] = _with_calibration(model, values[fold]).given(outputs[mask])
    truth = training.y if target.classes else target.truth(training.y[:, 0])
    rows = training.numbers if training.numbers is not None else np.arange(len(fold_of))
    answers = replace(model.with_constant(truth, given), folds=fold_of, rows=training.numbers)
    return OutOfFold(rows, fold_of, answers, tuple(chosen), tuple(values))


def _calibrations(
    model: TableModel, unseen: UnseenOutputs, choice: FoldChoice, validation: Rows
) -> list[float]:
    """Return for each fold the temperature, or the factor of a logarithmic target, by the
    validation rows of the other folds, at the epoch at which the fold is scored; 1 for plain
    numbers."""
    target, fold_of = model.schema.target, validation.x[:, -1]
    folds = range(model.architecture.folds)
    if not (target.classes or target.log):
        return [1.0 for _ in folds]
    outputs = {e: unseen.of(choice.weights[e], validation.x) for e in sorted(set(choice.epochs))}
    if target.log:
        goals = validation.y[:, 0]
        return [
            target.calibrated(outputs[epoch][fold_of != fold, 0], goals[fold_of != fold]).factor
            for fold, epoch in enumerate(choice.epochs)
        ]
    sums = {  # by epoch: of each temperature the loss of each fold
        epoch: [
            [math.fsum(one[fold_of == fold]) for fold in folds]
            for one in _losses(scores, validation)
        ]
        for epoch, scores in outputs.items()
    }
    return [
        best_temperature([math.fsum(one[:fold] + one[fold + 1 :]) for one in sums[epoch]])
        for fold, epoch in enumerate(choice.epochs)
    ]
