"""Explain a model: feature importances, curves, and contributions for one row.

In: a model and a table. Out: an `Explanation` of all rows (permutation importance, curves) or a
`RowExplanation` (contributions that add up to the prediction), each as text, as JSON values, and as
data for drawings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from glassnet.errors import TableError
from glassnet.estimators.tabular.column_curves import POINTS, ROWS, Curve, curve
from glassnet.estimators.tabular.contributions import Contributions, contributions
from glassnet.estimators.tabular.importance import (
    REPEATS,
    Importance,
    importances,
    main_loss,
    most_rows,
    some_rows,
)
from glassnet.estimators.tabular.table_metrics import metric_named, metric_of, quantile_metric
from glassnet.rounding import computed_to_nearest
from glassnet.words import plural

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from glassnet.estimators.tabular.evaluation import Evaluation
    from glassnet.estimators.tabular.importance import Answer
    from glassnet.estimators.tabular.table_model import TableModel
    from glassnet.tables.table import Table
    from glassnet.tables.table_schema import Cells

CURVES = 6  # columns that have one
_BARS = " ▁▂▃▄▅▆▇█"
_LISTED = 10  # values that have a line each
_WIDE = 24  # signs of the longest bar


@dataclass(frozen=True)
class Explanation:
    """Feature importances, and curves of the most important columns."""

    target: str
    classes: tuple[str, ...]
    metric: str
    rows: int  # that importance is of
    importances: tuple[Importance, ...]
    curves: tuple[Curve, ...]

    @property
    def about(self) -> str:
        """Return a sentence that defines importance."""
        title = metric_named(self.metric).title
        change = "falls" if metric_named(self.metric).greater else "grows"
        return (
            f"importance: by how much {title} {change} when a column is shuffled; mean of "
            f"{REPEATS} shuffles of {plural(self.rows, 'row')}, ± its standard error"
        )

    @property
    def shown(self) -> int:
        """The index of the class that curves show as text: the second of two, else the first; 0 for
        a number."""
        return len(self.classes) - 1 if len(self.classes) == 2 else 0

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> list[str]:
        """Return the explanation as lines of text, 80 characters wide if names are short."""
        wide = min(max((len(importance.column) for importance in self.importances), default=0), 24)
        largest = max((importance.value for importance in self.importances), default=0.0)
        found = [self.about, ""]
        for importance in self.importances:
            bar = "█" * round(_WIDE * max(importance.value, 0.0) / largest) if largest > 0 else ""
            number = f"{importance.value:>9.4g} ± {importance.error:<8.2g}"
            found.append(f"{_cut(importance.column, wide):<{wide}} {number} {bar}".rstrip())
        for shape in self.curves:
            found += ["", *self._curve(shape)]
        return found

    def _curve(self, curve: Curve) -> list[str]:
        of = f"probability of {self.classes[self.shown]!r}" if self.classes else self.target
        values = curve.answers[:, self.shown]
        found = [f"{curve.column}: change of {of}"]
        if len(curve.at) > _LISTED:
            ends = f"{curve.names[0]} … {curve.names[-1]}"
            found.append(f"  {_sparkline(values)}  {values.min():+.4g} … {values.max():+.4g}")
            return [*found, f"  {_sparkline(np.array(curve.counts))}  rows, at {ends}"]
        wide = min(max(map(len, curve.names)), 24)
        for name, value, count in zip(curve.names, values, curve.counts, strict=True):
            found.append(f"  {_cut(name, wide):<{wide}}  {value:+10.4g}  {plural(count, 'row')}")
        return found

    def as_json(self) -> dict[str, Any]:
        """Return the explanation as JSON values."""
        return {
            "target": self.target,
            "classes": list(self.classes),
            "metric": self.metric,
            "rows": self.rows,
            "importance": [
                {"column": one.column, "value": one.value, "standard_error": one.error}
                for one in self.importances
            ],
            "curves": [
                {
                    "column": curve.column, "kind": curve.kind, "at": list(curve.at),
                    "names": curve.names, "change": curve.answers.tolist(),
                    "rows": list(curve.counts),
                }
                for curve in self.curves
            ],
        }  # fmt: skip


@dataclass(frozen=True)
class RowExplanation:
    """The contribution of each column to the prediction for one row."""

    target: str
    classes: tuple[str, ...]
    row: int  # its index in the table, from 0
    cells: dict[str, str]  # its values as texts, by column
    found: Contributions
    of: int  # the index of the class that is explained; 0 for a number

    @property
    def base(self) -> float:
        """The mean prediction of the background rows."""
        return float(self.found.base[self.of])

    @property
    def answer(self) -> float:
        """The prediction for this row: the number, or the probability of the class `of`."""
        return float(self.found.answer[self.of])

    def ranked(self) -> list[tuple[str, float, float]]:
        """Return columns, contributions and their standard errors, by decreasing absolute value."""
        values, errors = self.found.values[:, self.of], self.found.errors[:, self.of]
        both = zip(self.found.columns, values.tolist(), errors.tolist(), strict=True)
        return sorted(both, key=lambda pair: -abs(pair[1]))

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> list[str]:
        """Return the explanation as lines of text."""
        of = f"probability of {self.classes[self.of]!r}" if self.classes else self.target
        wide = min(max(map(len, self.found.columns)), 24)
        largest = max(abs(value) for _, value, _ in self.ranked()) or 1.0
        found = [
            f"row {self.row}: {of} is {self.answer:.5g}",
            f"the mean of {plural(self.found.compared, 'row')} of the table is {self.base:.5g}; "
            "what each column adds to it:",
            "",
        ]
        for column, value, error in self.ranked():
            bar = ("+" if value > 0 else "−") * round(20 * abs(value) / largest)
            sure = "" if self.found.exact else f" ± {error:<8.2g}"
            cell = _cut(self.cells.get(column, ""), 16)
            found.append(
                f"{_cut(column, wide):<{wide}}  {cell:<16} {value:+10.4g}{sure} {bar}".rstrip()
            )
        return [*found, f"{'sum':<{wide}}  {'':<16} {self.answer - self.base:+10.4g}"]

    def as_json(self) -> dict[str, Any]:
        """Return the explanation as JSON values, for all classes."""
        return {
            "target": self.target,
            "classes": list(self.classes),
            "row": self.row,
            "base": self.found.base.tolist(),
            "answer": self.found.answer.tolist(),
            "exact": self.found.exact,
            "compared_with": self.found.compared,
            "contributions": [
                {
                    "column": column, "cell": self.cells.get(column),
                    "values": values.tolist(), "standard_errors": errors.tolist(),
                }
                for column, values, errors in zip(
                    self.found.columns, self.found.values, self.found.errors, strict=True
                )
            ],
        }  # fmt: skip


@computed_to_nearest
def explain(
    model: TableModel, table: Table, *, metric: str | None = None, curves: int = CURVES
) -> Explanation:
    """Return importances and curves of a model on those rows of a table that have a target, or on
    a random part of them. TableError if a column is missing, or the target has no such metric."""
    design, truth, _ = model.schema.labelled(table)
    some = some_rows(len(truth), len(model.schema.columns))
    x, truth = design.x[some], truth[some]
    answers = model.with_constant(truth, model.outputs(x))
    return explain_encoded(model, model.schema.load(table), x, answers, metric, curves)


def rows_answered(rows: int, columns: int) -> int:
    """Return the approximate number of predictions that an explanation needs."""
    return (REPEATS * columns + 1) * min(rows, most_rows(columns)) + CURVES * POINTS * ROWS


def explain_encoded(
    model: TableModel,
    cells: Mapping[str, Cells],
    x: NDArray[np.float32],
    answers: Evaluation,
    metric: str | None = None,
    curves: int = CURVES,
    answer: Answer | None = None,
) -> Explanation:
    """As `explain`, for encoded rows x. `answers` has their truth, `cells` those of the whole
    table. `answer` predicts encoded rows for the importances; curves are those of the model."""
    target = model.schema.target
    of_classes = bool(target.classes)
    name, level = main_loss(of_classes), model.rules.level
    if metric is not None:
        name = metric_of(metric, of_classes, target.ordered).name
    elif level is not None:
        name = quantile_metric(level).name
    found = importances(model, x, answers, name, answer=answer)
    drawn = [curve(model, cells, x, importance.column) for importance in found[:curves]]
    return Explanation(
        target.name, target.classes, name, len(x), tuple(found),
        tuple(shape for shape in drawn if shape is not None),
    )  # fmt: skip


@computed_to_nearest
def explain_row(
    model: TableModel, table: Table, row: int, *, of: str | None = None, seed: int = 0
) -> RowExplanation:
    """Return the contribution of each column to the prediction for row number `row` (from 0): the
    number, or the probability of the class `of`, by default the predicted class. TableError if
    there is no such row, column or class."""
    table.require_row(row)
    target = model.schema.target
    cells = model.schema.load(table)
    x = model.schema.encode(cells).x
    found = contributions(model, x[row], x, seed)
    place = 0
    if target.classes:
        place = int(model.rules.decided(found.answer[None].astype(np.float32))[0])
        if of is not None:
            place = _place(of, target.classes)
    names = model.schema.names
    texts = {name: column[row] or "" for name, column in table.texts(names).items()}
    return RowExplanation(target.name, target.classes, row, texts, found, place)


def _place(name: str, classes: Sequence[str]) -> int:
    if name not in classes:
        raise TableError(f"there is no class {name!r}; the classes are {', '.join(classes[:12])}")
    return list(classes).index(name)


def _sparkline(values: NDArray[Any]) -> str:
    """Return numbers as a line of block characters."""
    low, high = float(values.min()), float(values.max())
    span = (high - low) or 1.0
    return "".join(_BARS[1 + round(7 * (float(value) - low) / span)] for value in values)


def _cut(text: str, wide: int) -> str:
    return text if len(text) <= wide else f"{text[: wide - 1]}…"
