"""Labels and numbers to predict that nothing can be learnt from.

In: y as users have it. Out: an error that names the row and what stands there, where NumPy would
only say what it cannot do with it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from glassnet.estimators.mlp_cells import refuse_beyond, refuse_long
from glassnet.tables.frames import words


def refuse_mixed(y: Any, name: str = "y") -> None:
    """A TypeError that says it, where labels are strings and numbers, or one is missing (of NaN
    among numbers, and of what pandas' own types of numbers miss, scikit-learn tells); a ValueError
    where one is a number longer than NumPy's."""
    refuse_long(y, name)
    listed = isinstance(y, (list, tuple))
    labels: Any = np.asarray(y, dtype=object) if listed else np.asarray(y)
    if labels.dtype.kind != "O" or labels.ndim != 1:
        return
    kinds = {isinstance(label, str) for label in labels}
    theirs = str(getattr(y, "dtype", "object")) != "object"
    for row, (label, known) in enumerate(zip(labels, words(labels), strict=True)):
        if known is None and (True in kinds or not (theirs or isinstance(label, float))):
            raise TypeError(
                f"{name} has {label!r} among its labels, in row {row} (counted from 0); drop the "
                "rows without a label, or give them one of their own"
            )
    if len(kinds) == 2:
        text = next(label for label in labels if isinstance(label, str))
        other = next(label for label in labels if not isinstance(label, str))
        raise TypeError(
            f"{name} has strings and numbers among its labels, {text!r} and {other!r}; give all of "
            "them one type: y = [str(label) for label in y]"
        )


def refuse_no_numbers(y: Any, name: str = "y") -> None:
    """A ValueError that says it, where something to predict is no number, or one is missing."""
    try:
        array = np.asarray(y)
    except ValueError:  # rows of several lengths, of which scikit-learn tells
        return
    if array.dtype.kind in "mM":
        raise ValueError(
            f"{name} has type {array.dtype}, and a regressor predicts numbers; turn it into some, "
            "such as days: (y - y.min()) / numpy.timedelta64(1, 'D')"
        )
    refuse_beyond(y, name, "scale the numbers, or predict their logarithms")
    if array.dtype.kind not in "OU" or not array.ndim:
        return
    cells: list[Any] = array.ravel().tolist()
    for place, (cell, known) in enumerate(zip(cells, words(cells), strict=True)):
        row = f"{cell!r} in row {place * len(array) // len(cells)} (counted from 0)"
        if known is None:
            raise ValueError(f"{name} has {row}; drop the rows without a number, or fill them in")
        try:
            float(cell)
        except (TypeError, ValueError):
            raise ValueError(
                f"{name} has {row}, and a regressor predicts numbers; a classifier takes words"
            ) from None
