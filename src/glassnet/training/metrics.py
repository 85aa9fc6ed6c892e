"""Metrics of a network after every epoch.

In: names or functions. Out: a callback that predicts once per epoch and stores a list for each.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

import numpy as np

from glassnet.errors import TrainingError, warn_user
from glassnet.nn.classify import BCEWithLogits, ClassLoss
from glassnet.nn.loss import Loss
from glassnet.training.callbacks import Callback
from glassnet.training.data_checks import Rows
from glassnet.training.history import Run

PART = 1 << 16  # number of rows predicted at a time
WANTED = (
    "metrics={!r}: wanted names, {}, functions f(y, prediction) that give one number, or losses\n"
    '  right: metrics=["accuracy"]\n'
    '  right: metrics={{"largest error": lambda y, prediction: abs(y - prediction).max()}}'
)
CODE = (
    "the run has {}, a function that files do not contain: from here on its values are NaN\n"
    "  right: metrics={{{!r}: f}}"
)

Measure = Callable[[np.ndarray, np.ndarray, np.ndarray | None], float]


def _accuracy(y: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None) -> float:
    if y.ndim == 1 and prediction.shape[1] > 1:
        right = prediction.argmax(1) == y
    else:
        right = ((prediction > 0) == (y.reshape(prediction.shape) > 0.5)).mean(1)
    return float(np.average(right, weights=weight))


def _mae(y: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None) -> float:
    return float(np.average(np.abs(y - prediction).mean(1, dtype=float), weights=weight))


def _mse(y: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None) -> float:
    away = np.subtract(y, prediction, dtype=float)
    return float(np.average(np.square(away).mean(1), weights=weight))


def _rmse(y: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None) -> float:
    return math.sqrt(_mse(y, prediction, weight))


def _r2(y: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None) -> float:
    """Return R² = 1 − Σ (y − ŷ)² / Σ (y − mean)² of each output, averaged over outputs."""
    truth = y.astype(float)
    residual = np.average(np.square(truth - prediction), axis=0, weights=weight)
    mean = np.average(truth, axis=0, weights=weight)
    with np.errstate(divide="ignore", invalid="ignore"):
        each = 1 - residual / np.average(np.square(truth - mean), axis=0, weights=weight)
    return float(each.mean())


NAMED: dict[str, Measure] = {
    "accuracy": _accuracy, "mae": _mae, "mse": _mse, "rmse": _rmse, "r2": _r2,
}  # fmt: skip


class Metrics(Callback):
    """Computes metrics of predictions for some rows after every epoch."""

    def __init__(self, given: Mapping[str, Any], loss: Loss, rows: Rows) -> None:
        self.given, self.loss, self.rows = dict(given), loss, rows
        self.columns: dict[str, list[float]] = {}
        for metric in self.given.values():
            classes = isinstance(loss, ClassLoss | BCEWithLogits)
            if isinstance(metric, str) and classes != (metric == "accuracy"):
                fits = "accuracy" if classes else "mae, mse, rmse, r2"
                raise TrainingError(
                    f"metrics: {metric!r} does not fit {loss!r}, whose labels are "
                    f"{'classes' if classes else 'numbers'}; use {fits}, or a function"
                )
            if (
                isinstance(metric, str)
                and not classes
                and loss.label_type(1, 2, "float32").rank != 2
            ):
                raise TrainingError(f"metrics: {metric!r} needs one numeric label per output")

    @property
    def noted(self) -> dict[str, str | None]:
        """The metrics as stored in a file: names, and None for functions."""
        return {
            name: metric if isinstance(metric, str) else None for name, metric in self.given.items()
        }

    def train_begin(self, run: Run) -> None:
        """Begin the lists; earlier epochs without a metric get NaN."""
        for name in self.given:
            column = run.history.metrics.setdefault(name, [])
            column[:] = [*column, *[math.nan] * (run.epoch - len(column))][: run.epoch]
        self.columns = run.history.metrics

    def epoch_end(self, run: Run) -> None:
        y, prediction, weight = self._predicted(run.model)
        for name, metric in self.given.items():
            self.columns[name].append(self._figure(name, metric, y, prediction, weight))

    def series(self) -> dict[str, Any]:
        return {"metrics": {name: self.columns.get(name, []) for name in self.given}}

    def _predicted(self, model: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Return labels, predictions and weights of the rows whose labels are not missing."""
        rows, count = self.rows, len(self.rows)
        parts = [model(rows.x[first : first + PART]) for first in range(0, count, PART)]
        prediction, y, weight = np.concatenate(parts), rows.y, rows.weight
        if weight is not None and weight.ndim == 2:
            weight = weight.mean(1)
        if self.loss.skips_missing:
            mask = np.asarray(self.loss.known(y)).reshape(count, -1).all(1)
            y, prediction = y[mask], prediction[mask]
            weight = None if weight is None else weight[mask]
        return y, prediction, weight

    def _figure(
        self,
        name: str,
        metric: Any,
        y: np.ndarray,
        prediction: np.ndarray,
        weight: np.ndarray | None,
    ) -> float:
        if metric is None:
            return math.nan
        if metric == "accuracy" and isinstance(self.loss, ClassLoss) and y.ndim == 2:
            y = y.argmax(1)  # y has probabilities
        if isinstance(metric, str) and y.ndim == 2 and prediction.shape != y.shape:
            raise TrainingError(
                f"metrics: {name!r} compares labels with predictions, whose shapes are "
                f"{y.shape} and {prediction.shape}; use a function to choose what to compare"
            )
        if isinstance(metric, str):
            return NAMED[metric](y, prediction, weight)
        if isinstance(metric, Loss):
            return float(metric(prediction, y, weight))
        found = metric(y, prediction)
        try:
            return float(found)
        except (TypeError, ValueError):
            shape = f" of shape {np.shape(found)}" if np.ndim(found) else ""
            raise TrainingError(
                f"metrics: {name!r} gave {type(found).__name__}{shape}; wanted one number\n"
                f'  right: metrics={{"{name}": lambda y, prediction: float(…)}}'
            ) from None


def metric_callback(given: Mapping[str, Any], loss: Loss, rows: Rows) -> list[Metrics]:
    """Return the callback that computes metrics, in a list; [] without metrics."""
    return [Metrics(given, loss, rows)] if given else []


def described_metrics(callbacks: Iterable[Any]) -> dict[str, Any]:
    """Return the description of the metrics among callbacks for a run file."""
    found = [callback.noted for callback in callbacks if isinstance(callback, Metrics)]
    return {"measured": found[0]} if found else {}


def as_metrics(given: Any) -> dict[str, Any]:
    """Return metrics by name; each is a built-in name, a loss, or a function. Raises
    TrainingError."""
    if given is None:
        return {}
    if isinstance(given, Mapping):
        items = list(cast("Mapping[Any, Any]", given).items())
    else:
        several = isinstance(given, Sequence) and not isinstance(given, str)
        each = cast("list[Any]", given if several else [given])
        items = [(_name(item), item) for item in each]
    found: dict[str, Any] = {}
    for name, item in items:
        is_valid = item in NAMED if isinstance(item, str) else callable(item)
        if not isinstance(name, str) or not name or not is_valid or isinstance(item, type):
            raise TrainingError(WANTED.format(cast(object, given), ", ".join(map(repr, NAMED))))
        if name in found or name in ("loss", "validation loss", "validation_loss"):
            raise TrainingError(
                f"metrics: {name!r} is used twice, or is the name of the loss; give each another "
                "name, metrics={name: f}"
            )
        found[name] = item
    return found


def _name(metric: Any) -> Any:
    if isinstance(metric, str):
        return metric
    if isinstance(metric, Loss):
        return type(metric).__name__.lower()
    name = getattr(metric, "__name__", type(metric).__name__)
    return "metric" if name == "<lambda>" else name


def restore_metrics(noted: Mapping[str, str | None], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metrics of a resumed run: those named in its file, and those passed again. A
    function that is not passed again becomes None, with a warning."""
    found: dict[str, Any] = {
        name: metric if metric in NAMED else None for name, metric in noted.items()
    }
    found |= given
    lost = [name for name, metric in found.items() if metric is None]
    if lost:
        warn_user(CODE.format(", ".join(map(repr, lost)), lost[0]))
    return found
