"""Class factors: probabilities are multiplied by them before the largest one is predicted.

In: probabilities of three classes or more, and the truth. Out: a factor for each class, for the
best accuracy, balanced accuracy or F1. For two classes this would be a threshold. The search
changes one factor after the other, starting from 1 and from 1 / share of the class, first in large
steps, then in small ones, and keeps improvements. Rows whose prediction changes are found in one
pass: a class is predicted if its factor is at least (largest other product) / (its probability).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_MOST = 1_500_000  # probabilities that are looked at
_STEPS = (0.25, 0.25, 0.0625, 0.0625)  # of the logarithm to base 2, one a turn
_REACH = 16  # steps to each side
_BETTER = 1e-9


def best_factors(given: NDArray[Any], truth: NDArray[Any], metric: str) -> tuple[float, ...]:
    """Return the best factors for a metric that the search finds.

    Parameters
    ----------
    given : ndarray of shape (n, classes)
        Out-of-fold probabilities; of very many, evenly spaced rows are used.
    truth : int ndarray of shape (n,)
        Codes of their classes; rows with a code below 0 are left out.
    metric : str
        "accuracy", "balanced_accuracy" or "f1" (the mean over the classes).

    Returns
    -------
    factors : tuple of float
        One per class, with four digits, 1 for the most frequent class; all 1 if no others are
        better.
    """
    rows = np.flatnonzero(truth >= 0)
    rows = rows[:: max(1, -(-given.size // _MOST))]
    chances, codes = given[rows].astype(np.float64), truth[rows].astype(np.int64)
    counts = np.bincount(codes, minlength=given.shape[1])
    equal = np.ones(len(counts))
    found, least = equal, _figure(chances, codes, equal, metric) + _BETTER
    for start in (equal, counts.max(initial=1) / np.maximum(counts, 1)):
        factors = _climbed(chances, codes, start, metric)
        rounded = np.array([float(f"{one:.4g}") for one in factors / factors[counts.argmax()]])
        figure = _figure(chances, codes, rounded, metric)
        if figure > least:
            found, least = rounded, figure + _BETTER
    return tuple(found.tolist())


def decided_by(factors: tuple[float, ...], given: NDArray[Any]) -> NDArray[np.int64]:
    """Return the predicted class code for each row of probabilities."""
    return (given.astype(np.float64) * np.array(factors)).argmax(axis=1)


def _climbed(chances: Floats, codes: NDArray[np.int64], start: Floats, metric: str) -> Floats:
    """Return the factors after one pass over the classes for each of `_STEPS`: each factor in turn
    moves to the best of `2 * _REACH + 1` values, if the metric gets better."""
    factors = start.astype(np.float64)
    for step in _STEPS:
        places = np.arange(-_REACH, _REACH + 1)
        places = places[np.argsort(np.abs(places), kind="stable")]  # of equal ones the nearest
        for code in range(len(factors)):
            tried = factors[code] * 2.0 ** (places * step)
            figures = _figures_at(chances, codes, factors, code, tried, metric)
            best = int(figures.argmax())
            if figures[best] > figures[0] + _BETTER:
                factors[code] = tried[best]
    return factors


def _figures_at(
    chances: Floats,
    codes: NDArray[np.int64],
    factors: Floats,
    code: int,
    tried: Floats,
    metric: str,
) -> Floats:
    """Return the metric for each tried factor of one class, with the other factors fixed."""
    count = len(factors)
    others = chances * factors
    others[:, code] = -1.0
    other = others.argmax(axis=1)
    highest = others[np.arange(len(codes)), other]
    own = chances[:, code]
    needed = np.divide(highest, own, out=np.full(len(own), np.inf), where=own > 0)
    order = np.argsort(tried, kind="stable")
    place = np.searchsorted(tried[order], needed)  # the first factor by which it is answered
    shape = len(tried) + 1, count
    lost = np.bincount(place * count + other, minlength=shape[0] * count).reshape(shape)
    right = other == codes
    missed = np.bincount(
        place[right] * count + other[right], minlength=shape[0] * count
    ).reshape(shape)  # fmt: skip
    gained = np.bincount(place[codes == code], minlength=shape[0])
    predicted = lost.sum(axis=0) - np.cumsum(lost, axis=0)
    hits = missed.sum(axis=0) - np.cumsum(missed, axis=0)
    predicted[:, code], hits[:, code] = np.cumsum(lost.sum(axis=1)), np.cumsum(gained)
    found = np.empty(len(tried))
    true = np.bincount(codes, minlength=count)
    found[order] = _of_counts(hits[:-1], predicted[:-1], true, metric)
    return found


def _figure(chances: Floats, codes: NDArray[np.int64], factors: Floats, metric: str) -> float:
    choice = (chances * factors).argmax(axis=1)
    predicted, true, hits = (
        np.bincount(one, minlength=len(factors)) for one in (choice, codes, codes[choice == codes])
    )
    return float(_of_counts(hits[None], predicted[None], true, metric)[0])


def _of_counts(
    hits: NDArray[np.int64], predicted: NDArray[np.int64], true: NDArray[np.int64], metric: str
) -> Floats:
    """Return metrics [n] from the counts of correct predictions [n, classes], of predictions [n,
    classes] and of true rows [classes]. Balanced accuracy is the mean over the classes that occur,
    F1 over those that occur or are predicted."""
    if metric == "accuracy":
        return hits.sum(axis=1) / max(int(true.sum()), 1)
    if metric == "balanced_accuracy":
        present = true > 0
        return (hits[:, present] / true[present]).sum(axis=1) / max(int(present.sum()), 1)
    both = predicted + true
    scores = np.divide(2.0 * hits, both, out=np.zeros(hits.shape), where=both > 0)
    return scores.sum(axis=1) / np.maximum((both > 0).sum(axis=1), 1)
