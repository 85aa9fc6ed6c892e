"""Blend several models: average their predictions with weights, and find the weights.

In: the predictions of each model for the same rows, and the truth. Out: their weighted mean, and
weights by greedy selection (Caruana and others 2004, "Ensemble selection from libraries of
models"): models are added one after the other, each time the one that gives the best mean; a model
may be added again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from glassnet.estimators.tabular.evaluation import Evaluation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

TURNS = 24  # models that are added, each time counted
_ENOUGH = 1e-6  # the share of the loss by which it must fall


def mixed(parts: Sequence[NDArray[Any]], weights: Sequence[float]) -> NDArray[Any]:
    """Return the weighted mean of predictions, added in float64 in the given order, in the dtype of
    the first; of one, that array itself."""
    if len(parts) == 1:
        return parts[0]
    total = np.zeros(parts[0].shape)
    for part, weight in zip(parts, weights, strict=True):
        if weight:
            total += part.astype(np.float64) * weight
    return (total / math.fsum(weights)).astype(parts[0].dtype)


def greedy_weights(answers: Sequence[Evaluation]) -> list[float]:
    """Return a weight for each of several predictions for the same rows, with sum 1, by greedy
    selection for the least log-loss or squared error of the mean."""
    if len(answers) == 1:
        return [1.0]
    truth, classes = answers[0].truth, answers[0].given.ndim == 2
    rows = np.stack([_of_truth(one) for one in answers])
    total, counts = np.zeros(rows.shape[1]), [0] * len(answers)
    best, least = list(counts), math.inf
    for turn in range(TURNS):
        losses = [_loss((total + row) / (turn + 1), truth, classes) for row in rows]
        chosen = min(range(len(rows)), key=losses.__getitem__)
        counts[chosen] += 1
        total += rows[chosen]
        if losses[chosen] < least - _ENOUGH * abs(least if math.isfinite(least) else 0.0):
            best, least = list(counts), losses[chosen]
    return [count / sum(best) for count in best]


def blended(
    answers: Sequence[Evaluation], usable: NDArray[np.bool_] | None = None
) -> tuple[Evaluation, list[float]]:
    """Return the blended predictions, without decisions and intervals, and the weights of all
    models by all rows. With folds, each row is blended with weights that were found on the other
    folds, so that its target has no influence; else with those of all rows. `usable` [1 + folds,
    models] says which models may have a weight: for all rows, and outside of each fold; None: all
    may."""
    first = answers[0]
    if usable is None:
        views = 1 if first.folds is None else 1 + len(np.unique(first.folds))
        usable = np.ones((views, len(answers)), np.bool_)
    weights = _weights_of(answers, usable[0])
    given = mixed([one.given for one in answers], weights)
    if first.folds is not None and len(answers) > 1:
        given = given.copy()
        for fold, own in zip(np.unique(first.folds), usable[1:], strict=True):
            inside = first.folds == fold
            elsewhere = _weights_of([one.of(~inside) for one in answers], own)
            given[inside] = mixed([one.given[inside] for one in answers], elsewhere)
    return replace(first, given=given, decided=None, ends=None), weights


def _weights_of(answers: Sequence[Evaluation], usable: NDArray[np.bool_]) -> list[float]:
    """Return the greedy weights of all models, 0 for those that are not usable."""
    places = np.flatnonzero(usable).tolist()
    found = dict(zip(places, greedy_weights([answers[place] for place in places]), strict=True))
    return [found.get(place, 0.0) for place in range(len(answers))]


def losses_of_rows(answers: Evaluation) -> Floats:
    """Return the log-loss or the squared error of each row, [rows]; all classes must be known."""
    own = _of_truth(answers)
    return _losses(own, answers.truth, answers.given.ndim == 2)


def _of_truth(answers: Evaluation) -> Floats:
    """Return the probability of the true class, or the predicted number, of each row."""
    given = answers.given
    if given.ndim == 1:
        return given.astype(np.float64)
    return given[np.arange(len(given)), answers.truth].astype(np.float64)


def _loss(mean: Floats, truth: NDArray[Any], classes: bool) -> float:
    return float(np.mean(_losses(mean, truth, classes)))


def _losses(mean: Floats, truth: NDArray[Any], classes: bool) -> Floats:
    if not classes:
        return np.square(mean - truth)
    return -np.log(np.maximum(mean, np.finfo(np.float32).tiny))
