"""The order of the classes of a target, from the user or from a categorical column.

In: `class_order` of an estimator, and labels. Out: the kind of the target.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from glassnet.errors import TableError
from glassnet.tables.decide import ORDERED
from glassnet.tables.target_column import number_label

OfClasses = Sequence[Any] | bool | None


def target_kind(order: OfClasses, y: Any) -> str:
    """Return the type of the target: `ordered:` and a JSON list of the classes, or `category`.

    If `order` is None, an ordered categorical of pandas has the order of its categories, without
    those that do not occur. TableError if `order` is True or a text.
    """
    if order is None:
        order = _own_order(y)
    if order is None or order is False:
        return "category"
    if order is True or isinstance(order, str):
        raise TableError(
            f"class_order={order!r} names no classes; pass them from the lowest to the highest, "
            "such as ['low', 'medium', 'high'], or False for none"
        )
    return f"{ORDERED}:{json.dumps([class_label(one) for one in order])}"


def _own_order(y: Any) -> list[Any] | None:
    """Return the categories of an ordered categorical that occur in it; None if fewer than two do,
    or y is not one."""
    dtype: Any = getattr(y, "dtype", None)
    if getattr(dtype, "ordered", None) is not True:
        return None
    found = [one for one in dtype.categories.tolist() if bool((y == one).any())]
    return found if len(found) > 1 else None


def class_label(value: Any) -> str:
    """Return the text of a class in a model: 1 and 1.0 are "1", True is "true"."""
    plain: Any = value.item() if hasattr(value, "item") else value
    if isinstance(plain, bool):
        return str(plain).lower()
    return number_label(float(plain)) if isinstance(plain, (int, float)) else str(plain)
