"""Training rows that are larger than memory: Parquet and Arrow files, read in parts.

In: files, and the columns of inputs, labels and weights. Out: `Stream`, which training accepts in
place of x and y: checked numbers, in the order of the files and their rows.
"""

from __future__ import annotations

import difflib
import glob
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from glassnet.errors import TableError
from glassnet.rounding import computed_to_nearest
from glassnet.tables.stream_files import ColumnPart, RowFile, connection, open_row_file
from glassnet.words import plural

SUFFIXES = (".parquet", ".pq", ".arrow", ".feather", ".ipc")  # of the files of a folder
PART = 1 << 23  # bytes of inputs in a part


@dataclass(frozen=True, repr=False)
class Stream:
    """Rows in files; `stream` makes it, `gn.train` accepts it in place of x and y."""

    label: str  # its name in messages
    names: tuple[str, ...]  # the columns of x
    targets: tuple[str, ...]
    weight: str | None
    scratch: str | None  # the folder for the temporary file
    vector: bool  # whether y is a vector: one target, by its name alone
    files: tuple[RowFile, ...]

    def __repr__(self) -> str:
        weight = "" if self.weight is None else f", weight {self.weight!r}"
        columns = plural(len(self.names), "column")
        target = ", ".join(map(repr, self.targets))
        return f"<{self.label}: {plural(self.rows, 'row')} of {columns}, target {target}{weight}>"

    @property
    def rows(self) -> int:
        """Return the number of rows of all files."""
        return sum(file.rows for file in self.files)

    def described(self) -> dict[str, Any]:
        """Return JSON values from which `stream(**values)` makes an equal stream, from any working
        directory."""
        return {
            "path": [str(file.path.absolute()) for file in self.files],
            "target": self.targets[0] if self.vector else list(self.targets),
            "features": list(self.names),
            "weight": self.weight,
            "scratch": self.scratch,
        }

    def parts(
        self, dtype: str, gaps: bool = False
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray | None]]:
        """Yield all rows in parts of about 8 MiB: x [n, columns] in a dtype, y [n] or [n, targets]
        in the type of the file, and the weights [n] or None.

        TableError, with file, row and column, if a cell is empty or not a finite number in that
        dtype; with `gaps`, a missing target becomes NaN."""
        names = (*self.names, *self.targets, *([] if self.weight is None else [self.weight]))
        size = max(1, PART // (len(self.names) * np.dtype(dtype).itemsize))
        for file in self.files:
            first = 0
            for cuts in file.cuts(names, size):
                count = len(cuts[0].values)
                place = _Place(file.path, first, dtype, gaps)
                yield self._divided(place, names, cuts)
                first += count

    def _divided(
        self, place: _Place, names: Sequence[str], cuts: list[ColumnPart]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Return x, y and weights; the list of columns is emptied, so that memory holds each number
        once."""
        width, last = len(self.names), len(self.names) + len(self.targets)
        found = [
            place.checked(name, cut, place.gaps and width <= number < last)
            for number, (name, cut) in enumerate(zip(names, cuts, strict=True))
        ]
        cuts.clear()
        x = np.empty((len(found[0]), width), place.dtype)
        for number, column in enumerate(found[:width]):
            x[:, number] = column
        y = found[width] if self.vector else np.column_stack(found[width:last])
        return x, y, None if self.weight is None else found[last]


@dataclass(frozen=True)
class _Place:
    """The file and row where a part begins, for messages."""

    path: Path
    first: int
    dtype: str
    gaps: bool  # whether a target may be missing

    def checked(self, name: str, cut: ColumnPart, gaps: bool) -> np.ndarray:
        """Return the numbers of a column; TableError if one is not finite in the dtype, or missing
        while `gaps` is false. With `gaps`, missing ones become NaN."""
        values = cut.values
        if gaps and cut.missing is not None:
            values = np.where(cut.missing, np.nan, values)
        elif cut.missing is not None:
            row = int(np.argmax(cut.missing))
            raise self._refused(name, row, "is empty; drop such rows, or fill them", "IS NULL")
        if values.dtype.kind == "f":
            with np.errstate(over="ignore"):
                fits = np.isfinite(values.astype(self.dtype, copy=False))
            if gaps:
                fits |= np.isnan(values)
            if not fits.all():
                row = int(np.argmin(fits))
                found = values[row]
                if np.isfinite(found):
                    raise TableError(
                        f"{self._where(name, row)} is {found:g}, too large for {self.dtype}; scale "
                        "the column before training, or make the model with dtype='float64'"
                    )
                raise self._refused(name, row, f"is {found:g}; drop such rows", f"= '{found:g}'")
        return values

    def _where(self, name: str, row: int) -> str:
        return f"{self.path}, row {self.first + row} (counted from 0), column {name!r}"

    def _refused(self, name: str, row: int, what: str, such: str) -> TableError:
        return TableError(
            f"{self._where(name, row)} {what} before training: "
            f'SELECT count(*) FROM … WHERE "{name}" {such} counts them'
        )


@computed_to_nearest
def stream(
    path: str | Path | Sequence[str | Path],
    target: str | Sequence[str],
    *,
    features: Sequence[str] | None = None,
    weight: str | None = None,
    scratch: str | Path | None = None,
) -> Stream:
    """Read training data from Parquet or Arrow (Feather) files, which may be larger than memory:
    `gn.train(model, gn.stream("big.parquet", target="y"), loss=…, …)`.

    `path` is a file, a folder, a pattern ("year=*/*.parquet") or a list of files. Rows keep their
    order in the files; the files of a folder or a pattern are sorted by name, a list keeps its
    order. `target` names the column of y, or several; `features` those of x in their order (by
    default all others), `weight` that of the sample weights. All must be numbers, and class labels
    0 … C−1. TableError if files, columns or rows are absent, or a column has another type; and from
    training, for an empty cell or a NaN (except in targets of a loss with `missing="skip"`).

    Training writes the numbers once, in the dtype of the model, to an unnamed file in the folder
    `scratch` (by default $TMPDIR or /var/tmp), which is removed when training ends. The trained
    weights have the bits that the same rows give as arrays. Memory holds one row group of a file
    while it is read; L-BFGS, which uses all rows at once, holds the outputs of all layers for all
    rows.
    """
    label, paths = _files(path)
    link = connection()
    files = tuple(open_row_file(path, link) for path in paths)
    targets = (target,) if isinstance(target, str) else tuple(target)
    names = _features(files[0], features, (*targets, *(() if weight is None else (weight,))))
    used = (*names, *targets, *(() if weight is None else (weight,)))
    if len(set(used)) < len(used):
        twice = next(name for name in used if used.count(name) > 1)
        raise TableError(f"{label}: column {twice!r} is asked for twice; name each column once")
    for file in files:
        _check(file, used, files[0] if features is None else None)
    if not sum(file.rows for file in files):
        raise TableError(f"{label} has no rows; training needs at least one")
    folder = None if scratch is None else str(Path(scratch).absolute())
    return Stream(label, names, targets, weight, folder, isinstance(target, str), files)


def _files(path: str | Path | Sequence[str | Path]) -> tuple[str, list[Path]]:
    """Return the name of the files for messages, and the files in order."""
    if not isinstance(path, str | Path):
        found = [Path(each) for each in path]
        if not found:
            raise TableError("stream: the list of files is empty; name one at least")
        more = f" and {len(found) - 1} more" if found[1:] else ""
        return f"{found[0]}{more}", found
    place = Path(path)
    if place.is_dir():
        inside = [path for path in place.iterdir() if path.suffix.lower() in SUFFIXES]
        found = sorted((path for path in inside if not path.name.startswith(".")), key=str)
        if not found:
            raise TableError(f"{place} has no files that end in {', '.join(SUFFIXES)}")
        return str(place), found
    if place.exists() or not glob.has_magic(str(path)):
        return str(place), [place]
    found = sorted((Path(each) for each in glob.glob(str(path), recursive=True)), key=str)
    if not found:
        raise TableError(f"no file is named like {str(path)!r}; check the pattern and the folder")
    return str(path), found


def _features(
    file: RowFile, features: Sequence[str] | None, others: Sequence[str]
) -> tuple[str, ...]:
    if isinstance(features, str):
        raise TableError(f"features={features!r} is one text\n  right: features=[{features!r}]")
    names = (
        tuple(features)
        if features is not None
        else tuple(name for name in file.columns if name not in others)
    )
    if not names:
        raise TableError(f"{file.path} has no column left for x besides {', '.join(others)}")
    return names


def _check(file: RowFile, used: Sequence[str], first: RowFile | None) -> None:
    """Raise TableError unless a file has the columns, as numbers, and no columns that the first
    file lacks."""
    for name in used:
        column = file.columns.get(name)
        if column is None:
            raise TableError(_no_column(file, name))
        if not column.read:
            raise TableError(
                f"{file.path}: column {name!r} holds values of type {column.type}, and training "
                "reads numbers; leave it out with features=[…], or encode it "
                "(class labels are whole numbers from 0; `glassnet fit` encodes columns of a table)"
            )
    more = [name for name in file.columns if first is not None and name not in first.columns]
    if first is not None and more:
        raise TableError(
            f"{file.path} has a column {more[0]!r} that {first.path} has not; "
            "say which columns x has: features=[…]"
        )


def _no_column(file: RowFile, name: str) -> str:
    lowered = {known.lower(): known for known in file.columns}
    close = difflib.get_close_matches(name.lower(), lowered, n=1)
    if close:
        return f"{file.path} has no column {name!r}; did you mean {lowered[close[0]]!r}?"
    shown = ", ".join(list(file.columns)[:12]) + (", …" if len(file.columns) > 12 else "")
    return f"{file.path} has no column {name!r}; its columns are {shown}"
