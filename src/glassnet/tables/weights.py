"""Sample weights of a training: from a column of the table, from class weights, or both.

In: the user's options, and the rows. Out: a weight per row, or None if the user asked for none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np

from glassnet.errors import TableError
from glassnet.serialize import LATER, Name, Within

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from glassnet.tables.table import Table

BALANCED: Literal["balanced"] = "balanced"
Weight = Annotated[float, Within(0.0)]


@dataclass(frozen=True)
class WeightOptions:
    """The column of sample weights, which is not an input, and the class weights by name (1 if not
    given); `balanced` is rows / (classes · rows of the class)."""

    column: Name | None = field(default=None, metadata=LATER)
    classes: dict[str, Weight] | Literal["balanced"] | None = field(default=None, metadata=LATER)

    def __bool__(self) -> bool:
        return self.column is not None or self.classes is not None

    def of(
        self, table: Table, rows: NDArray[np.int64], truth: NDArray[Any], classes: Sequence[str]
    ) -> NDArray[np.float64] | None:
        """Return a weight for each of `rows`, float64; None if the user asked for none.

        Parameters
        ----------
        rows
            Row numbers of the table.
        truth
            The class code (or the number) of each of these rows.
        classes
            The names of the classes; empty for a numeric target.

        Raises
        ------
        TableError
            If the column does not exist, a weight in it is missing, infinite or negative, class
            weights are given for a numeric target or an unknown class, or all weights are 0.
        """
        if not self:
            return None
        found = np.ones(len(rows)) if self.column is None else _of_column(table, self.column, rows)
        if self.classes is not None:
            found = found * _of_classes(self.classes, truth, classes)
        if not found.any():
            raise TableError(f"{table.label}: the weights of all rows are zero; give some above 0")
        return found

    def concern(self, classes: Sequence[str]) -> bool:
        """Return whether class weights are given, and apply to some of these classes."""
        if self.classes is None or not classes:
            return False
        known = set(map(_plain, classes))
        return isinstance(self.classes, str) or any(_plain(name) in known for name in self.classes)


EQUAL = WeightOptions()


def _of_column(table: Table, name: str, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    table.require(name)
    found = table.numbers([name])[name]
    values = found.values[rows]
    wrong = np.flatnonzero(found.unreadable[rows] | ~np.isfinite(values) | (values < 0))
    if len(wrong):
        text = str(table.texts([name])[name][rows[wrong[0]]])[:40]
        raise TableError(
            f"{table.label}: row {rows[wrong[0]] + 1} of {name!r}, which is to give the weights, "
            f"is {text!r}; every row needs a number from 0 on"
        )
    return values


def _of_classes(
    asked: dict[str, float] | str, truth: NDArray[Any], classes: Sequence[str]
) -> NDArray[np.float64]:
    if not classes:
        raise TableError("weights of classes are for a target of classes; this one is a number")
    if isinstance(asked, str):
        counts = np.bincount(truth, minlength=len(classes))
        return (len(truth) / (len(classes) * np.maximum(counts, 1)))[truth]
    places = {_plain(name): place for place, name in enumerate(classes)}
    found = np.ones(len(classes))
    for name, weight in asked.items():
        place = places.get(_plain(name))
        if place is None or not np.isfinite(weight) or weight < 0:
            why = f"{weight} is not a weight" if place is not None else "there is no such class"
            raise TableError(
                f"the weight of class {name!r} is {weight}: {why}; weights are numbers from 0 on, "
                f"and the classes are {', '.join(classes[:12])}"
            )
        found[place] = weight
    return found[truth]


def _plain(name: str) -> str | float:
    """Return a class name, as a float if it is a number: "1" and "1.0" are the same class."""
    try:
        return float(name)
    except ValueError:
        return name
