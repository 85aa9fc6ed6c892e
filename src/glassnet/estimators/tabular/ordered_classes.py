"""Which of ordered classes is answered where a metric counts how far off an answer is.

In: probabilities of the classes, in their order. Out: for each row the median class, which has the
least expected distance to the true one, or the class nearest to the mean place, which has the least
expected squared distance.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from glassnet.estimators.tabular.evaluation import Evaluation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from glassnet.estimators.tabular.table_metrics import Central


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
