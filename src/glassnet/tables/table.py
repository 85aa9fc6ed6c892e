"""A table that has been opened and checked; columns are read on demand, in the file's order.

In: a DuckDB relation. Out: columns as NumPy arrays, with missing and unreadable cells told apart.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from glassnet.errors import TableError
from glassnet.tables.cells import Cells
from glassnet.tables.notes import Note
from glassnet.tables.query import explained

if TYPE_CHECKING:
    import duckdb
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Numbers:
    """A column read as numbers: `values` is NaN where a cell is missing or no number."""

    values: NDArray[np.float64]
    missing: NDArray[np.bool_]

    @property
    def unreadable(self) -> NDArray[np.bool_]:
        """Cells that hold something which is no number."""
        return np.isnan(self.values) & ~self.missing


@dataclass(frozen=True)
class Table:
    """Rows and named columns, read lazily."""

    label: str  # how messages call it
    columns: dict[str, Cells]
    rows: int
    relation: str  # SQL after FROM
    connection: duckdb.DuckDBPyConnection = field(repr=False)
    missing: tuple[str, ...] = ()  # texts that count as missing, besides the empty cell
    notes: tuple[Note, ...] = ()  # what was decided when it was opened

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.columns)

    def require(self, name: str) -> None:
        """Fail, with the nearest name there is, unless the column exists."""
        if name in self.columns:
            return
        close = self.nearest(name)
        if close is not None:
            raise TableError(f"{self.label} has no column {name!r}; did you mean {close!r}?")
        shown = ", ".join(self.names[:12]) + (", …" if len(self.names) > 12 else "")
        raise TableError(f"{self.label} has no column {name!r}; its columns are {shown}")

    def nearest(self, name: str) -> str | None:
        """The column whose name is most like this one, if any is."""
        lowered = {known.lower(): known for known in self.names}
        close = difflib.get_close_matches(name.lower(), lowered, n=1)
        return lowered[close[0]] if close else None

    def with_missing(self, tokens: Sequence[str]) -> Table:
        """The same table, with other texts that count as missing."""
        return replace(self, missing=tuple(tokens))

    def numbers(self, names: Sequence[str]) -> dict[str, Numbers]:
        """Columns as numbers."""
        plain = [name for name in names if self._is_plain(name)]
        found = self._floats(plain, lambda cells, _: cells.plain_number())
        # Only a column with gaps has to be asked again which of them are missing cells.
        again = [name for name in names if name not in found or found[name].missing.any()]
        found |= self._floats(again, Cells.number)
        return {name: found[name] for name in names}

    def _is_plain(self, name: str) -> bool:
        cells = self.columns[name]
        return cells.family == "text" and not cells.odd_numbers and not self.missing

    def rounded(self, name: str) -> tuple[str, ...]:
        """Two cells that differ and would be the same float64, or else one whole number that a
        float64 cannot hold, or nothing."""
        cells = self.columns[name]
        text = cells.text(self.missing)
        large = "abs(d) >= 9007199254740992"
        if cells.family == "text":
            large += r" AND regexp_full_match(e, '-?[1-9]\d*')"
        if cells.family == "wide":
            large = "true"
        source = f"(SELECT {text} AS e, {cells.number(self.missing)} AS d FROM {self.relation})"
        same = f"SELECT min(e), max(e) FROM {source} WHERE {large} GROUP BY d"
        whole = "CAST(TRY_CAST(d AS DECIMAL(38, 0)) AS VARCHAR)"
        off = f"SELECT min(e) FROM {source} WHERE {large} AND e NOT LIKE '%.%' AND e <> {whole}"
        with explained(self.label, "cannot be read to its end"):
            pair = self.connection.execute(f"{same} HAVING min(e) <> max(e) LIMIT 1").fetchone()
            if pair is not None:
                return str(pair[0]), str(pair[1])
            one = self.connection.execute(off).fetchone()
        return () if one is None or one[0] is None else (str(one[0]),)

    def seconds(self, names: Sequence[str]) -> dict[str, Numbers]:
        """Columns as seconds since 1970."""
        return self._floats(names, Cells.seconds)

    def texts(self, names: Sequence[str]) -> dict[str, NDArray[np.object_]]:
        """Columns as text, None where a cell is missing."""
        return {name: _with_none(column) for name, column in self._fetch(names, Cells.text).items()}

    def _floats(
        self, names: Sequence[str], reading: Callable[[Cells, Sequence[str]], str]
    ) -> dict[str, Numbers]:
        found: dict[str, Numbers] = {}
        for name, column in self._fetch(names, reading).items():
            missing = np.ma.getmaskarray(column)
            values = np.asarray(np.ma.filled(column, np.nan), np.float64)
            found[name] = Numbers(values, missing)
        return found

    def _fetch(
        self, names: Sequence[str], reading: Callable[[Cells, Sequence[str]], str]
    ) -> dict[str, NDArray[Any]]:
        """One pass over the file for all columns asked for."""
        if not names:
            return {}
        parts = [
            f"{reading(self.columns[name], self.missing)} AS r{place}"
            for place, name in enumerate(names)
        ]
        query = f"SELECT {', '.join(parts)} FROM {self.relation}"
        with explained(self.label, "cannot be read to its end"):
            result: Any = self.connection.execute(query)
            arrays: dict[str, Any] = result.fetchnumpy()
        if len(arrays["r0"]) != self.rows:
            raise TableError(f"{self.label} changed while it was being read; start again")
        return {name: arrays[f"r{place}"] for place, name in enumerate(names)}


def _with_none(column: NDArray[Any]) -> NDArray[np.object_]:
    texts = np.array(np.ma.getdata(column), object)
    texts[np.ma.getmaskarray(column)] = None
    return texts
