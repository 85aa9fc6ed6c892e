"""Several models as one: answers that are averaged with weights, and how the weights are found.

In: what each model answers for the same rows, and the truth. Out: their weighted mean, and weights
by greedy selection (Caruana and others 2004, "Ensemble selection from libraries of models"): one
model after the other joins, each time the one with which the mean is best; a model may join again.
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

TURNS = 24  # models that join, the same one counted each time
_ENOUGH = 1e-6  # of the loss by which it has to fall


def mixed(parts: Sequence[NDArray[Any]], weights: Sequence[float]) -> NDArray[Any]:
    """The weighted mean of answers, added in float64 in the order given, in the dtype of these."""
    if len(parts) == 1:
        return parts[0]
    total = np.zeros(parts[0].shape)
    for part, weight in zip(parts, weights, strict=True):
        if weight:
            total += part.astype(np.float64) * weight
    return (total / math.fsum(weights)).astype(parts[0].dtype)


def greedy_weights(answers: Sequence[Evaluation]) -> list[float]:
    """A weight for each of several answers to the same rows, all together 1: those whose mean has
    the least log-loss or squared error."""
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


def blended(answers: Sequence[Evaluation]) -> tuple[Evaluation, list[float]]:
    """The answers as one, honestly, and the weights of all of them. Where rows have folds, a row is
    answered with weights that are found in the other folds; else with those of all rows."""
    weights, first = greedy_weights(answers), answers[0]
    given = mixed([one.given for one in answers], weights)
    if first.folds is not None and len(answers) > 1:
        given = given.copy()
        for fold in np.unique(first.folds):
            inside = first.folds == fold
            elsewhere = greedy_weights([one.of(~inside) for one in answers])
            given[inside] = mixed([one.given[inside] for one in answers], elsewhere)
    return replace(first, given=given, decided=None, ends=None), weights


def _of_truth(answers: Evaluation) -> Floats:
    """What the loss goes by: the probability of the true class, or the number."""
    given = answers.given
    if given.ndim == 1:
        return given.astype(np.float64)
    return given[np.arange(len(given)), answers.truth].astype(np.float64)


def _loss(mean: Floats, truth: NDArray[Any], classes: bool) -> float:
    if not classes:
        return float(np.mean(np.square(mean - truth)))
    return -float(np.mean(np.log(np.maximum(mean, np.finfo(np.float32).tiny))))
