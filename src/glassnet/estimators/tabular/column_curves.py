"""The curve of a column: how the prediction changes with it, other columns unchanged.

In: a model and the cells of a table. Out: for values over the range of the column, the mean
prediction over some rows (partial dependence, Friedman 2001), centred: minus the mean prediction of
the unchanged rows; and the number of rows with such values.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from glassnet.tables.encode import DateEncoder
from glassnet.tables.table import Numbers
from glassnet.tables.text_encoder import TextEncoder

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from glassnet.estimators.tabular.table_model import TableModel
    from glassnet.tables.table_schema import Cells

POINTS = 24  # values of a number
ROWS = 200  # that the mean is taken over
_LEVELS = 10  # values of a category
_EPOCH = datetime.datetime(1970, 1, 1)


@dataclass(frozen=True)
class Curve:
    """Values of a column with the centred mean prediction at each; for classes, one for each class.

    `at` has numbers for a number, seconds since 1970 for a date, texts for other columns: all
    values, or 24 evenly spaced ones between the quantiles 0.01 and 0.99 of a number, or the ten
    most frequent texts. `counts` are the rows of the table with that value, or nearest to it.
    """

    column: str
    kind: str  # number, date, category or boolean
    at: tuple[Any, ...]
    answers: NDArray[np.float64]  # of shape (values, outputs)
    counts: tuple[int, ...]

    @property
    def names(self) -> list[str]:
        """Return the values as texts."""
        return [value_text(value, self.kind) for value in self.at]


def value_text(value: Any, kind: str) -> str:
    """Return a value of a column as text."""
    if kind == "date" and not isinstance(value, str):
        try:
            time = _EPOCH + datetime.timedelta(seconds=float(value))
        except (OverflowError, ValueError):
            return f"{value:.4g}"
        return time.date().isoformat() if time.time() == datetime.time() else f"{time:%F %H:%M}"
    return value if isinstance(value, str) else f"{value:.4g}"


def curve(
    model: TableModel, cells: Mapping[str, Cells], x: NDArray[np.float32], column: str
) -> Curve | None:
    """Return the curve of a column over encoded rows x; None if the column has fewer than two
    values, or holds free text. `cells` are those of the whole table. At most ROWS rows of x, evenly
    spaced, are used."""
    kind, at, counts = _values(model, cells[column], column)
    if len(at) < 2:
        return None
    places = model.schema.places[column]
    encoded = model.schema.encode(
        _with_changed_column(cells, column, _cells_of(at, cells[column]))
    ).x[:, places]
    some = x[np.linspace(0, len(x) - 1, min(len(x), ROWS)).astype(np.int64)]
    many = np.repeat(some[None], len(at), axis=0)
    many[:, :, places] = encoded[:, None, :]
    given = _columns(model.outputs(many.reshape(-1, x.shape[1])))
    mean = _columns(model.outputs(some)).mean(axis=0)
    answers = given.reshape(len(at), len(some), -1).mean(axis=1) - mean
    return Curve(column, kind, tuple(at), answers, tuple(counts))


def _columns(given: NDArray[Any]) -> NDArray[np.float64]:
    return given.astype(np.float64).reshape(len(given), -1)


def _values(
    model: TableModel, column_cells: Cells, column: str
) -> tuple[str, list[Any], list[int]]:
    """Return the type of a column, the values of its curve, and the number of rows at each; a
    number with fewer than two values has none."""
    encoder = next(one for one in model.schema.columns if one.name == column)
    if isinstance(column_cells, Numbers):
        kind = "date" if isinstance(encoder, DateEncoder) else "number"
        present = column_cells.values[~np.isnan(column_cells.values)]
        at: NDArray[np.float64] = np.unique(present)
        if len(at) > POINTS:
            low, high = np.quantile(present, (0.01, 0.99))
            at = np.array(sorted(set(np.linspace(float(low), float(high), POINTS).tolist())))
        if len(at) < 2:
            return kind, [], []
        inside = present[(present >= at[0]) & (present <= at[-1])]
        nearest = np.searchsorted((at[1:] + at[:-1]) / 2, inside)
        return kind, at.tolist(), np.bincount(nearest, minlength=len(at)).tolist()
    if isinstance(encoder, TextEncoder):
        return encoder.kind, [], []
    counted = Counter(text for text in column_cells.tolist() if text is not None)
    ranked = sorted(counted, key=lambda text: (-counted[text], text))[:_LEVELS]
    return encoder.kind, ranked, [counted[text] for text in ranked]


def _cells_of(at: list[Any], like: Cells) -> Cells:
    if isinstance(like, Numbers):
        values = np.array(at, np.float64)
        return Numbers(values, np.isnan(values))
    return np.array(at, object)


def _with_changed_column(
    cells: Mapping[str, Cells], column: str, changed: Cells
) -> dict[str, Cells]:
    """Return the cells of copies of the first row, one for each value in `changed`, which are those
    of one column."""
    count = len(changed.values) if isinstance(changed, Numbers) else len(changed)
    first = np.zeros(count, np.int64)
    found: dict[str, Cells] = {}
    for name, one in cells.items():
        if isinstance(one, Numbers):
            found[name] = Numbers(one.values[first], one.missing[first])
        else:
            found[name] = one[first]
    return {**found, column: changed}
