"""The contribution of each column to the prediction for one row: Shapley values.

In: a model, the encoded row, and encoded background rows. Out: a number per column; with the mean
prediction of the background rows they add up to the prediction for this row. The value of a set of
columns is the mean prediction of the background rows with these columns replaced by the row's
(Lundberg and Lee 2017, "interventional"). With up to ten columns all sets are used; with more,
columns change one after the other in random orders, each order also backwards (antithetic; Mitchell
and others 2022).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from glassnet.ops.philox import permutation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from glassnet.estimators.tabular.table_model import TableModel

    Floats = NDArray[np.float64]

MOST_EXACT = 10  # columns of which all sets are taken
BACKGROUND = 100  # rows that a row is compared with
_EXACT_ROWS = 20_000  # predictions for all sets together
_ORDERS = 200  # pairs of orders
_STREAM = 0x53484150  # "SHAP"


@dataclass(frozen=True)
class Contributions:
    """The contributions of the columns, whose sum with `base` is the prediction for the row. A
    number is one output; for classes, each class is one."""

    columns: tuple[str, ...]
    base: NDArray[np.float64]  # the mean prediction of the background rows, of shape (outputs,)
    values: NDArray[np.float64]  # of shape (columns, outputs)
    errors: NDArray[np.float64]  # standard errors of sampling, as `values`; 0 if `exact`
    answer: NDArray[np.float64]  # the prediction for the row, of shape (outputs,)
    exact: bool  # whether all sets of columns were used
    compared: int  # the number of background rows


def contributions(
    model: TableModel, row: NDArray[np.float32], others: NDArray[np.float32], seed: int = 0
) -> Contributions:
    """Return the contributions of all columns to the prediction for an encoded row.

    At most BACKGROUND of the encoded rows `others`, chosen at random by the seed, are the
    background. With eight to ten columns there are fewer, so that all sets together need at most
    about 20,000 predictions.
    """
    columns = model.schema.places
    compared = others[permutation(len(others), seed, _STREAM)[:BACKGROUND]]
    exact = len(columns) <= MOST_EXACT
    if exact:
        most = max(_EXACT_ROWS >> len(columns), 10)
        compared = compared[:most]
        base, values = _exact_shapley(model, row, compared, list(columns.values()))
        errors = np.zeros_like(values)
    else:
        base, values, errors = _sampled_shapley(model, row, compared, list(columns.values()), seed)
    answer = _outputs(model, row[None])[0]
    return Contributions(
        tuple(columns),
        base,
        _add_up_exactly(values, answer - base),
        errors,
        answer,
        exact,
        len(compared),
    )


def _add_up_exactly(values: Floats, total: Floats) -> Floats:
    """Return values [columns, outputs] whose sums are `total` [outputs]: the rounding error of each
    sum is added to the value that is largest in absolute value."""
    found = values.copy()
    for output in range(values.shape[1]):
        largest = int(np.abs(values[:, output]).argmax())
        found[largest, output] += total[output] - math.fsum(values[:, output])
    return found


def _outputs(model: TableModel, x: NDArray[np.float32]) -> Floats:
    found: NDArray[Any] = model.outputs(x)
    return found.astype(np.float64).reshape(len(x), -1)


def _exact_shapley(
    model: TableModel, row: NDArray[np.float32], others: NDArray[np.float32], parts: list[list[int]]
) -> tuple[Floats, Floats]:
    """Return the base and the contributions by the definition: what a column adds to each set,
    weighted by the share of orders in which exactly this set comes before it."""
    count = len(parts)
    worth = np.stack([
        _outputs(model, _mixed_rows(row, others, [parts[i] for i in range(count) if code >> i & 1]))
        .mean(axis=0)
        for code in range(1 << count)
    ])  # fmt: skip
    codes = np.arange(1 << count)
    sizes = np.array([int(code).bit_count() for code in codes])
    values = np.zeros((count, worth.shape[1]))
    for i in range(count):
        without = codes[(codes >> i & 1) == 0]
        share = np.array([1 / (count * math.comb(count - 1, int(s))) for s in sizes[without]])
        values[i] = share @ (worth[without | (1 << i)] - worth[without])
    return worth[0], values


def _mixed_rows(
    row: NDArray[np.float32], others: NDArray[np.float32], parts: list[list[int]]
) -> NDArray[np.float32]:
    """Return the background rows with some columns replaced by the row's."""
    found = others.copy()
    for places in parts:
        found[:, places] = row[places]
    return found


def _sampled_shapley(
    model: TableModel, row: NDArray[np.float32], others: NDArray[np.float32],
    parts: list[list[int]], seed: int,
) -> tuple[Floats, Floats, Floats]:  # fmt: skip
    """Return the base, the contributions and their standard errors from random orders of the
    columns and their reverses, each pair from one background row."""
    count, pairs = len(parts), max(1, _ORDERS // len(others)) * len(others)
    sums: list[Any] = []
    starts: list[Any] = []
    for pair in range(pairs):
        order = permutation(count, seed, _STREAM, epoch=pair + 1)
        other, steps = others[pair % len(others)], list[Any]()
        for turn in (order, order[::-1]):
            now = other.copy()
            for i in [None, *turn.tolist()]:
                if i is not None:
                    now[parts[i]] = row[parts[i]]
                steps.append(now.copy())
        given = _outputs(model, np.stack(steps)).reshape(2, count + 1, -1)
        change = np.zeros((count, given.shape[2]))
        for turn, path in zip((order, order[::-1]), given, strict=True):
            change[turn] += np.diff(path, axis=0) / 2
        sums.append(change)
        starts.append(given[0, 0])
    changes = np.stack(sums)
    errors = changes.std(axis=0, ddof=1) / math.sqrt(pairs) if pairs > 1 else np.zeros_like(sums[0])
    return np.mean(starts, axis=0), changes.mean(axis=0), errors
