"""Successive halving of settings (Jamieson and Talwalkar 2016, "Non-stochastic best arm
identification and hyperparameter optimization").

In: the trained networks of a bracket, with their out-of-fold predictions. Out: the next network to
train, and which networks may predict which rows. Eight settings are trained for a quarter of the
epochs, the better half of them for half of the epochs, two for all, and the best one again with
another seed. The log-loss or squared error decides.

No row influences the choice of the networks that predict it: for each fold, the better half is
chosen on the rows of the other folds, in addition to the choice on all rows, which the model uses.
Each of these choices is a view; what any view chooses is trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import numpy as np

from glassnet.estimators.tabular.blend import losses_of_rows
from glassnet.serialize import Count, Within

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from glassnet.estimators.tabular.evaluation import Evaluation

CANDIDATES = 8
SHARES = (4, 2, 1, 1)  # by level: a network has one part in so many of the epochs


@dataclass(frozen=True)
class Trial:
    """The position of a network in a bracket: the number of its settings, and its level."""

    bracket: Count
    level: Annotated[int, Within(0, len(SHARES) - 1)]
    candidate: Annotated[int, Within(0, CANDIDATES - 1)]


def bracket_work(epochs: int, most: int) -> tuple[int, int]:
    """Return the number of epochs and the number of networks of a whole bracket. The recipe plans
    `epochs` for a network, and no training lasts longer than `most` epochs. All views are assumed
    to choose the same networks; if they differ, a bracket has more."""
    levels = [(CANDIDATES >> level, epochs // share) for level, share in enumerate(SHARES)]
    return sum(count * min(own, most) for count, own in levels), sum(count for count, _ in levels)


def usable(trials: Sequence[Trial | None], answers: Sequence[Evaluation]) -> NDArray[np.bool_]:
    """Return which networks each view may use, [views, networks]: the first view is of all rows,
    the others (if the evaluations have folds) are of the rows outside of each fold, in the order of
    the folds. All views may use networks without a trial, and those of the first level."""
    losses = _losses(answers)
    found = np.ones(losses.shape, np.bool_)
    for place, trial in enumerate(trials):
        if trial is None or not trial.level:
            continue
        before = replace(trial, level=trial.level - 1)
        for view, own in enumerate(found):
            own[place] = trial.candidate in _better(trials, own, losses[view], before)
    return found


def following(trials: Sequence[Trial | None], answers: Sequence[Evaluation]) -> Trial | None:
    """Return the next trial of the bracket that was begun last: the lowest candidate of its level
    that is not yet trained and that a view chooses, else the first one of the next level. None if
    the bracket is complete, or there is none."""
    last = next((trial for trial in reversed(trials) if trial is not None), None)
    if last is None:
        return None
    found, losses = usable(trials, answers), _losses(answers)

    def chosen(level: int) -> set[int]:
        if level < 0:
            return set(range(CANDIDATES))
        before = replace(last, level=level)
        views = zip(found, losses, strict=True)
        return {one for own, loss in views for one in _better(trials, own, loss, before)}

    tried = {one.candidate for one in trials if one is not None and _together(one, last)}
    if left := chosen(last.level - 1) - tried:
        return replace(last, candidate=min(left))
    if last.level + 1 == len(SHARES):
        return None
    return replace(last, level=last.level + 1, candidate=min(chosen(last.level)))


def _together(one: Trial, other: Trial) -> bool:
    return (one.bracket, one.level) == (other.bracket, other.level)


def _better(
    trials: Sequence[Trial | None],
    own: NDArray[np.bool_],
    losses: NDArray[np.float64],
    level: Trial,
) -> set[int]:
    """Return the better half of the candidates in the bracket and level of `level`, among the
    networks that one view may use (`own`), by its `losses`."""
    rivals = [
        (float(losses[place]), trial.candidate)
        for place, trial in enumerate(trials)
        if trial is not None and own[place] and _together(trial, level)
    ]
    return {candidate for _, candidate in sorted(rivals)[: CANDIDATES >> (level.level + 1)]}


def _losses(answers: Sequence[Evaluation]) -> NDArray[np.float64]:
    """Return the mean loss of each network on the rows of each view, [views, networks]."""
    rows, folds = np.stack([losses_of_rows(one) for one in answers], axis=1), answers[0].folds
    means = [rows.mean(axis=0)]
    if folds is not None:
        means += [rows[folds != fold].mean(axis=0) for fold in np.unique(folds)]
    return np.stack(means)
