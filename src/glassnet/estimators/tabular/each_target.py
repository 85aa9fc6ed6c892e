"""Fit an estimator of several targets: one estimator of the same class for each.

In: an estimator, and targets with several columns. Out: fitted estimators, one per column, whose
models one file holds.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np

from glassnet.errors import GlassnetError
from glassnet.tables.frames import (
    FrameColumn,
    array_columns,
    collect_frame,
    frame_columns,
    is_frame,
)
from glassnet.words import plural

_SINGLE, _SEVERAL = ("model_", "score_"), ("estimators_",)  # what a fit leaves


def several_columns(y: Any) -> list[FrameColumn] | None:
    """Return the columns of several targets: those of a frame with their names, those of an array
    or a list of rows as y0, y1, …; None for a single target."""
    if is_frame(y):
        found = frame_columns(collect_frame(y))
        return found if len(found) > 1 else None
    array: Any = np.asarray(y, object) if isinstance(y, (list, tuple)) else y
    if getattr(array, "ndim", 1) != 2 or array.shape[1] < 2 or not isinstance(array, np.ndarray):
        return None
    columns = array_columns(cast("np.ndarray", array))
    return [replace(one, name=f"y{place}") for place, one in enumerate(columns)]


def fit_each(
    est: Any,
    X: Any,
    columns: Sequence[FrameColumn],
    sides: dict[str, Any],
    test: tuple[Any, Any] | None,
    taken: set[str],
) -> list[Any]:
    """Return a fitted copy of the estimator for each column.

    The copies share its `time_limit`. A name in `taken` gets underscores appended; all names are
    added to `taken`. ValueError if the targets of `test` are not as many.
    """
    start, made = time.monotonic(), list[Any]()
    scored = None if test is None else several_columns(test[1])
    if test is not None and (scored is None or len(scored) != len(columns)):
        raise ValueError(
            f"y has {len(columns)} targets, and those of test have "
            f"{plural(1 if scored is None else len(scored), 'column')}; give as many"
        )
    for place, column in enumerate(columns):
        one: Any = type(est)(**est.get_params())
        if est.time_limit is not None:
            left = est.time_limit - (time.monotonic() - start)
            one.time_limit = max(left / (len(columns) - place), 1e-3)
        name = column.name
        while name in taken:
            name += "_"
        taken.add(name)
        tested = None if test is None or scored is None else (test[0], scored[place])
        one._fit_target(X, replace(column, name=name), sides, tested)
        made.append(one)
    return made


def forget_others(est: Any, several: bool) -> None:
    """Delete the attributes that an earlier fit left: those of one target if `several`, else those
    of several."""
    for name in _SINGLE if several else _SEVERAL:
        if hasattr(est, name):
            delattr(est, name)


def check_single(est: Any, what: str) -> None:
    """Raise GlassnetError if an estimator has several targets; `what` is the method for one."""
    each = getattr(est, "estimators_", None)
    if each is not None:
        raise GlassnetError(
            f"this estimator has {len(each)} targets, and {what} is of one; call it of one of its "
            "estimators_, such as estimators_[0]"
        )
