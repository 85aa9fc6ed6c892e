"""Estimate the gain of averaging the networks of all folds; the score is of those of one fold.

In: an ensemble, its training rows, and their folds. Out: for each metric, the correction. If errors
of networks are independent, an average of n of them is worse than that of very many by a part that
falls as 1/n. That part is measured within a fold, on rows that it was not trained on: the metric of
its members' average against the mean of their metrics. Members of a fold share weights and so
differ less than networks of different folds; how much less is measured by the variance of
predictions, which needs no targets.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from glassnet.estimators.tabular.answer_rules import Scoring, by_fold, fold_rules
from glassnet.estimators.tabular.evaluation import Evaluation
from glassnet.estimators.tabular.score import Gain, Score
from glassnet.estimators.tabular.table_metrics import Measured, applicable, metric_named

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from glassnet.estimators.tabular.out_of_fold import UnseenOutputs
    from glassnet.estimators.tabular.table_model import TableModel
    from glassnet.training.data_checks import Rows

_MOST_ROWS = 3000
_MOST_TIMES = 8.0  # limit of the factor of the gain inside of a fold


def averaging_gains(
    model: TableModel,
    unseen: UnseenOutputs,
    training: Rows,
    answers: Evaluation,
    asked: Scoring,
) -> dict[str, Gain]:
    """Return the gain of each metric by name, also that of `asked`; empty with fewer than three
    folds or two members, or if members do not differ. `answers` are of the training rows, whose
    last input is their fold; rules are fitted on the other folds than they are applied to."""
    folds, members = model.architecture.folds, model.architecture.members
    if folds < 3 or members < 2:
        return {}
    rows = len(answers.truth)
    places = np.arange(0, rows, -(-rows // _MOST_ROWS))
    x, some = training.x[places], answers.of(places)
    fold_of = x[:, -1].astype(np.int64)
    own = np.empty((len(x), members, model.architecture.outputs), x.dtype)
    seen: list[NDArray[Any]] = []
    for fold in range(folds):
        parts = unseen.members(model.network.W, x, fold)
        own[fold_of == fold] = parts[fold_of == fold]
        seen.append(_predicted(model, parts))
    times = _times(np.stack(seen), fold_of)
    if not times:
        return {}
    rules = fold_rules(asked, model.schema.target, answers)

    def figures(outputs: NDArray[Any]) -> dict[str, Measured]:
        plain = replace(some, given=model.given(outputs), decided=None, ends=None)
        return _figures(by_fold(rules, plain), asked.metric)

    together = figures(unseen.of(model.network.W, x))
    alone = [figures(own[:, place]) for place in range(members)]
    gains = {
        name: _gain(figure, [one[name] for one in alone], times, some)
        for name, figure in together.items()
        if all(name in one for one in alone)
    }
    return {name: gain for name, gain in gains.items() if math.isfinite(gain.value)}


def _figures(answers: Evaluation, metric: str | None) -> dict[str, Measured]:
    found = {one.name: one.measure(answers) for one in applicable(answers, metric)}
    return {name: figure for name, figure in found.items() if figure is not None}


def _gain(together: Measured, alone: Sequence[Measured], times: float, rows: Evaluation) -> Gain:
    value = times * (together.value - math.fsum(one.value for one in alone) / len(alone))
    parts = together.influence * together.unit
    mean = sum((one.influence * one.unit for one in alone), np.zeros(len(parts))) / len(alone)
    before, after = rows.error_of(parts), rows.error_of(parts + times * (parts - mean))
    return Gain(value, after / before if before > 0.0 and math.isfinite(after) else 1.0)


def shrunk(gains: Mapping[str, Gain], share: float) -> dict[str, Gain]:
    """Return the gains, and what they add to the factors of standard errors, multiplied by a
    share."""
    return {
        name: Gain(gain.value * share, 1.0 + (gain.error - 1.0) * share)
        for name, gain in gains.items()
    }


def with_gains(score: Score, gains: Mapping[str, Gain]) -> Score:
    """Return the expected score of all networks together; `averaging` is the part of the gain in
    its value. Without gains, the score itself."""
    if not gains:
        return score
    figures = {
        name: replace(figure, value=_moved(name, figure.value, gains),
                      error=figure.error * gains.get(name, _NONE).error)
        for name, figure in score.figures.items()
    }  # fmt: skip
    others = {
        name: _moved(name, value, gains) if name in gains else value
        for name, value in score.others.items()
    }
    value = _moved(score.metric, score.value, gains)
    return replace(
        score, value=value, error=score.error * gains.get(score.metric, _NONE).error,
        figures=figures, others=others, averaging=value - score.value,
    )  # fmt: skip


def _moved(name: str, value: float, gains: Mapping[str, Gain]) -> float:
    """Return the value of a metric with its gain: at most 1 if greater is better, else at least
    half of the value."""
    moved = value + gains.get(name, _NONE).value
    return min(moved, max(value, 1.0)) if metric_named(name).greater else max(moved, value / 2)


_NONE = Gain(0.0, 1.0)


def _predicted(model: TableModel, outputs: NDArray[Any]) -> NDArray[np.float64]:
    """Return class probabilities, or the network's raw numbers, [rows, members, outputs]."""
    if not model.schema.target.classes:
        return outputs.astype(np.float64)
    flat = model.given(outputs.reshape(-1, outputs.shape[-1]))
    return flat.reshape(outputs.shape).astype(np.float64)


def _times(predicted: NDArray[np.float64], fold_of: NDArray[np.int64]) -> float:
    """Return the gain of averaging all folds as a multiple of that of averaging one fold's members,
    from predictions [folds, rows, members, outputs] of networks that were trained on the row. With
    variance w between members of a fold and b between folds, one fold is worse than very many by b
    + w/m, one member by w(1 − 1/m) more than its fold, and all k folds gain the part 1 − 1/k."""
    folds, rows, members, _ = predicted.shape
    others = (fold_of[:, None] + np.arange(1, folds, dtype=np.int64)) % folds  # of each row
    seen = predicted[others, np.arange(rows)[:, None]]  # [rows, folds − 1, members, outputs]
    middle = seen.mean(axis=2)
    within = math.fsum(np.square(seen - middle[:, :, None]).ravel()) / (members - 1)
    within /= rows * (folds - 1)
    between = math.fsum(np.square(middle - middle.mean(axis=1, keepdims=True)).ravel())
    between = max(between / (folds - 2) / rows - within / members, 0.0)
    if within <= 0.0:
        return 0.0
    gain = (between + within / members) * (1.0 - 1.0 / folds)
    return min(gain / (within * (1.0 - 1.0 / members)), _MOST_TIMES)
