"""Which of ordered classes is answered where a metric counts how far off an answer is, and kappa.

In: probabilities of the classes, in their order. Out: for each row the median class, which has the
least expected distance to the true one, or the class nearest to the mean place, which has the least
expected squared distance.
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
    """The code of the class that is answered for each row of probabilities [rows, classes]. Sums
    are taken class after class, so that they have the same bits everywhere."""
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
    """The answers beside a constant one that is chosen in the same way, by the shares of the
    classes among these rows."""
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
    """Cohen 1968, "Weighted kappa", with squares of distances, and the influence of each row on it.

    It is 1 − O/E: O the mean squared distance of truth t and answer c, E that of a true and an
    answered class drawn apart, which is m(t²) + m(c²) − 2 m(t) m(c) with means m. None where all
    are one class.
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
