"""Encode users' columns as inputs of an MLP estimator's network.

In: rows, an array or a data frame; some columns are categories or have missing cells. Out: one
array: a category is one-hot encoded, a missing cell becomes the mean of its column, and each column
with missing cells in training gets an indicator column.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from glassnet.estimators.mlp.value_checks import refuse_cells, unreadable_column_error
from glassnet.tables.frames import (
    FrameColumn,
    array_columns,
    as_words,
    collect_frame,
    frame_columns,
    is_frame,
)
from glassnet.words import plural

MOST = 1000  # values of a category: each becomes a column
WORDS = ("category", "text")
KNOWN = ("number", *WORDS)


@dataclass(frozen=True)
class EncodedColumns:
    """The encoding of one column: the `values` of a category, or the `mean` for missing cells."""

    name: str
    values: tuple[Any, ...] | None
    mean: float
    gaps: bool  # whether there is an indicator column of missing values

    @property
    def names(self) -> list[str]:
        """The names of the column's inputs, as scikit-learn's encoders give them."""
        columns = [self.name] if self.values is None else [f"{self.name}_{v}" for v in self.values]
        return [*columns, *([f"missingindicator_{self.name}"] if self.gaps else [])]

    def encode(self, column: FrameColumn, refuse: bool) -> list[np.ndarray]:
        """Return the inputs of a column, each [rows]; a value unknown in training is 0 in all of
        them. ValueError for a missing value if `refuse` is true."""
        if self.values is None:
            missing = np.isnan(column.values)
            parts = [np.where(missing, self.mean, column.values)]
        else:
            place = {value: i for i, value in enumerate((None, *self.values))}
            codes = np.array([place.get(value, -1) for value in column.values], int)
            missing = codes == 0
            parts = [codes == i for i in range(1, len(place))]
        if refuse and missing.any():
            raise ValueError(
                f"Input X contains NaN: column {self.name!r}, row {int(missing.argmax())} (counted "
                'from 0). missing="indicator" allows missing values'
            )
        return [*parts, *([missing] if self.gaps else [])]


class ColumnEncoder:
    """The encodings of all columns; `learn` fits them. `categories` is the mask of categorical
    columns, `gaps` says whether missing values are allowed."""

    def __init__(
        self, columns: Sequence[EncodedColumns], categories: Sequence[bool], gaps: bool
    ) -> None:
        self.columns, self.categories, self.gaps = tuple(columns), tuple(categories), gaps

    @classmethod
    def learn(cls, X: Any, categorical_features: Any, missing: str | None) -> ColumnEncoder:
        """Return an encoder fitted on the training rows; ValueError or TypeError if they cannot be
        read, or a parameter does not match them."""
        columns = named_columns(X)
        mask = categorical_columns(columns, categorical_features, is_frame(X))
        gaps = missing == "indicator"
        read = [
            read_column(column, category) for column, category in zip(columns, mask, strict=True)
        ]
        return cls([fit_column(column, gaps) for column in read], mask, gaps)

    @property
    def names(self) -> list[str]:
        """The names of all inputs."""
        return [name for column in self.columns for name in column.names]

    def encode(self, X: Any) -> np.ndarray:
        """Return encoded rows [rows, inputs]: float32 if X has columns of numbers and all are
        float32, else float64. ValueError if the number of columns is another, or a cell cannot be
        read."""
        columns = named_columns(X)
        if len(columns) != len(self.columns):
            raise ValueError(
                f"X has {len(columns)} features, but the estimator is expecting "
                f"{len(self.columns)} features as input"
            )
        read = [
            read_column(c, category) for c, category in zip(columns, self.categories, strict=True)
        ]
        numbers = [c.values.dtype for c in read if c.kind == "number"]
        narrow = bool(numbers) and all(dtype == np.float32 for dtype in numbers)
        parts = [
            part
            for how, column in zip(self.columns, read, strict=True)
            for part in how.encode(column, refuse=not self.gaps)
        ]
        count = len(read[0].values)
        rows = np.empty((count, len(parts)), np.float32 if narrow else np.float64)
        for place, part in enumerate(parts):
            rows[:, place] = part
        return rows


def as_frame(X: Any) -> Any:
    """Return X; a frame with unique column names, an Arrow record batch as a table. TypeError for a
    mapping of columns, TableError for a lazy frame, ValueError for dates, time spans and numbers
    beyond float64."""
    given: Any = X
    if type(given) is np.ndarray and given.dtype.kind in "fiub":
        return given
    if isinstance(X, (np.ndarray, list, tuple)):
        if type(given) is np.ndarray and given.dtype.kind in "mM":
            raise unreadable_column_error(named_columns(given)[0])
        refuse_cells(given)
        return given
    if not hasattr(given, "toarray") and isinstance(given, Mapping):  # a sparse DOK is one, too
        raise TypeError(
            "X is a mapping of columns; pass a data frame or an array: pandas.DataFrame(X)"
        )
    given = collect_frame(given)
    types: list[Any] = list(given.dtypes) if is_frame(given) and hasattr(given, "dtypes") else []
    if any(_is_time(type) for type in types):
        raise unreadable_column_error(
            next(column for column in named_columns(given) if column.kind not in KNOWN)
        )
    if any(str(type).lower() == "object" for type in set(types)):
        refuse_cells(given)
    return given


def _is_time(dtype: Any) -> bool:
    """Return whether a dtype of pandas, polars or NumPy is a date or a time span: as numbers,
    NumPy's would count from 1970 in units that depend on their source."""
    test: Any = getattr(dtype, "is_temporal", None)
    return getattr(dtype, "kind", "") in ("m", "M") or (test is not None and bool(test()))


def with_column_hint(error: Exception, X: Any) -> Exception:
    """Return scikit-learn's error about a cell, with the column or the parameter that would allow
    it; other errors unchanged."""
    text = str(error)
    if isinstance(error, TypeError):
        if not text.startswith("float() argument"):
            return error
        other = next((column for column in named_columns(X) if column.kind not in KNOWN), None)
        return error if other is None else TypeError(f"{text}: {unreadable_column_error(other)}")
    if "contains NaN" in text and text.startswith("Input X"):
        head = text.partition("\n")[0]
        return ValueError(
            f'{head} missing="indicator" allows them: each becomes the mean of its column'
        )
    if "could not convert" not in text and "Cannot cast" not in text:
        return error
    columns = frame_columns(X) if is_frame(X) else []
    of_words = next((column for column in columns if column.kind in WORDS), None)
    return ValueError(f"{text}. {NAME_IT}") if of_words is None else word_column_error(of_words)


NAME_IT = (
    "Columns of words are named in categorical_features=[...]; "
    "categorical_features='from_dtype' finds those of a data frame"
)


def word_column_error(column: FrameColumn) -> ValueError:
    """Return (not raise) the error for a text column that is not in `categorical_features`."""
    sample = next((value for value in column.values if value is not None), None)
    text = f"could not convert string to float: {sample!r} in column {column.name!r}"
    return ValueError(f"{text}. {NAME_IT}")


def named_columns(X: Any) -> list[FrameColumn]:
    """Return the columns of a frame, or those of an array with the names x0, x1, …; TypeError for
    sparse rows, ValueError unless there are rows and columns."""
    if is_frame(X):
        return frame_columns(X)
    if hasattr(X, "toarray"):
        raise TypeError(
            "missing= and categorical_features= take dense rows, and X is sparse; pass X.toarray()"
        )
    known: Any = getattr(X, "dtype", None)
    array: Any = np.asarray(X, known if isinstance(known, np.dtype) else object)  # pyright: ignore
    if array.ndim != 2 or not array.shape[1]:
        raise ValueError(
            f"Expected 2D array with at least one column, got an array of shape {array.shape}. "
            "Reshape your data: X.reshape(-1, 1) for one column, X.reshape(1, -1) for one row"
        )
    return array_columns(array)


def categorical_columns(columns: Sequence[FrameColumn], asked: Any, framed: bool) -> list[bool]:
    """Return the mask of categorical columns; `framed` says whether X is a data frame. ValueError
    if `asked` (`categorical_features`) does not match the columns."""
    if asked is None:
        return [False] * len(columns)
    if isinstance(asked, str):
        if asked != "from_dtype":
            raise ValueError(
                f"categorical_features={asked!r}: the only string allowed is 'from_dtype'; pass "
                "names of columns as a list"
            )
        return [framed and column.kind in WORDS for column in columns]
    given = np.asarray(asked)
    if given.dtype == bool:
        if given.shape != (len(columns),):
            raise ValueError(
                f"categorical_features set as a boolean mask should have shape ({len(columns)},), "
                f"one for every column of X, got: {given.shape}"
            )
        return given.tolist()
    places = (
        _columns_by_name(columns, given)
        if given.dtype.kind in "OU"
        else _columns_by_number(columns, given)
    )
    return [place in places for place in range(len(columns))]


def _columns_by_name(columns: Sequence[FrameColumn], given: np.ndarray) -> set[int]:
    names = [column.name for column in columns]
    unknown = [name for name in given.tolist() if name not in names]
    if unknown:
        raise ValueError(
            f"categorical_features has {unknown[0]!r}, which is not a column name of X; "
            f"its columns are {names}"
        )
    return {names.index(name) for name in given.tolist()}


def _columns_by_number(columns: Sequence[FrameColumn], given: np.ndarray) -> set[int]:
    if given.size and given.dtype.kind not in "iu":
        raise ValueError(
            "categorical_features must be an array-like of bool, int or str, or 'from_dtype', "
            f"got: {given.dtype.name}"
        )
    last = len(columns) - 1
    wrong = [place for place in given.tolist() if not 0 <= place <= last]
    if wrong:
        raise ValueError(
            f"categorical_features has {wrong[0]}; as feature indices it must be in the range "
            f"[0, {last}]"
        )
    return set(given.tolist())


def read_column(column: FrameColumn, category: bool) -> FrameColumn:
    """Return a column read as a category or as numbers; ValueError if it cannot be read so, or a
    number is infinite."""
    if category and column.kind not in ("other", "date"):
        values = column.values if column.kind in WORDS else as_words(column.values.tolist())
        return FrameColumn(column.name, "category", column.type, values)
    if column.kind == "number":
        if np.isinf(column.values).any():
            raise ValueError(f"Input X contains infinity in column {column.name!r}")
        return column
    if column.kind in WORDS:
        raise word_column_error(column)
    raise unreadable_column_error(column)


def fit_column(column: FrameColumn, gaps: bool) -> EncodedColumns:
    """Return the encoding of a column, fitted on the training rows: the mean of its numbers (0 if
    all are missing), or its values, sorted; ValueError for more than MOST values."""
    if column.kind == "number":
        missing = np.isnan(column.values)
        known = column.values[~missing].astype(float)
        mean = float(known.mean()) if len(known) else 0.0
        return EncodedColumns(column.name, None, mean, gaps and bool(missing.any()))
    found = {value for value in column.values if value is not None}
    if len(found) > MOST:
        raise ValueError(
            f"categorical feature {column.name!r} has {plural(len(found), 'different value')}, "
            "each of which would become a column; at most "
            f"{MOST:,} are taken. Leave it out or group its values"
        )
    values = tuple(sorted(found, key=lambda value: (isinstance(value, str), value)))
    missing = any(value is None for value in column.values)
    return EncodedColumns(column.name, values, 0.0, gaps and missing)
