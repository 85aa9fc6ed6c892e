"""Predict one of ordered classes for a metric of distances, and compute quadratic kappa.

In: probabilities of the classes, in their order. Out: for each row the median class, which has the
least expected distance to the true one, or the class nearest to the mean of the class codes, which
has the least expected squared distance.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from glassnet.estimators.tabular.evaluation import Evaluation

if TYPE_CHECKING:
    from numpy.typing import NDArray

Central = Literal["median", "mean"]


def central_class(central: Central, given: NDArray[Any]) -> NDArray[np.int64]:
    """Return the code of the predicted class for each row of probabilities [rows, classes].

    "median" is the first class up to which the probabilities add up to at least half of their sum;
    "mean" is the mean code, rounded, with halves up. Sums are taken class after class, so that they
    have the same bits everywhere.
    """
    wide = given.astype(np.float64)
    if central == "median":
        below = np.cumsum(wide, axis=1)
        return (below < 0.5 * below[:, -1:]).sum(axis=1)
    total, places = np.zeros(len(wide)), np.zeros(len(wide))
    for code, column in enumerate(wide.T):
        total += column
        places += code * column
    return np.floor(places / total + 0.5).astype(np.int64)


def with_central_constant(central: Central, answers: Evaluation) -> Evaluation:
    """Return the evaluation with another constant prediction: the median or mean class by the
    shares (weighted, if there are weights) of the classes among these rows. If no row has a known
    class, it is returned unchanged."""
    known = answers.truth >= 0
    weight = None if answers.weight is None else answers.weight[known]
    shares = np.bincount(answers.truth[known], weight, minlength=answers.given.shape[1])[None]
    if not shares.any():
        return answers
    code = int(central_class(central, shares)[0])
    return replace(answers, constant=np.full(len(answers.truth), code))


def quadratic_kappa(
    truth: NDArray[Any], choice: NDArray[Any], weight: NDArray[np.float64] | None
) -> tuple[float, NDArray[np.float64]] | None:
    """Return quadratic weighted kappa (Cohen 1968, "Weighted kappa"), and each row's influence.

    Kappa is 1 − O/E. O is the mean squared distance of true code t and predicted code c. E is that
    of a true and a predicted code drawn independently: m(t²) + m(c²) − 2 m(t) m(c) with means m.

    Parameters
    ----------
    truth, choice : int ndarray of shape (n,)
        Codes of the true and the predicted classes, from 0; at least one row.
    weight : float64 ndarray of shape (n,) or None
        Weights of the rows; None: all count alike.

    Returns
    -------
    kappa, influence : float and float64 ndarray of shape (n,), or None
        None if all true and predicted classes are the same one, where kappa is undefined.
    """
    t, c = truth.astype(np.int64), choice.astype(np.int64)
    if (t == c[0]).all() and (c == c[0]).all():
        return None
    # without weights all sums are whole numbers, so that a constant answer has exactly 0
    counted = np.ones(len(t), np.int64) if weight is None else weight
    squares, both = (t - c) ** 2, t**2 + c**2
    whole, sum_t, sum_c, seen, mixed = (
        (counted * one).sum().item() for one in (np.ones_like(t), t, c, squares, both)
    )
    chance = whole * mixed - 2 * sum_t * sum_c
    value, apart = 1 - whole * seen / chance, both - 2 * (t * sum_c + c * sum_t) / whole
    apart = apart - (counted * apart).sum() / whole
    influence = ((1 - value) * apart - (squares - seen / whole)) * whole**2 / chance
    return value, counted * influence * (len(t) / whole)
