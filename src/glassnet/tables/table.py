"""An opened and checked table; columns are read on demand, in the order of the file.

In: a DuckDB relation. Out: columns as NumPy arrays; in those of numbers, missing and unreadable
cells are told apart.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from glassnet.errors import TableError
from glassnet.tables.cells import Cells, numeric_tokens
from glassnet.tables.forms import Form, date_sql, number_sql
from glassnet.tables.notes import Note
from glassnet.tables.query import table_errors
from glassnet.words import plural

if TYPE_CHECKING:
    import duckdb
    from numpy.typing import NDArray


PLAIN = Form("")


@dataclass(frozen=True)
class Numbers:
    """A numeric column; `values` is NaN for a cell that is missing or not a number."""

    values: NDArray[np.float64]
    missing: NDArray[np.bool_]

    @property
    def unreadable(self) -> NDArray[np.bool_]:
        """Return the mask of cells that are not missing and not numbers."""
        return np.isnan(self.values) & ~self.missing


@dataclass(frozen=True)
class Table:
    """A table of named columns, read lazily."""

    label: str  # its name in messages
    columns: dict[str, Cells]
    rows: int
    relation: str  # SQL after FROM
    connection: duckdb.DuckDBPyConnection = field(repr=False)
    missing: tuple[str, ...] = ()  # texts, or COLUMN=TEXT, that count as missing, besides ""
    notes: tuple[Note, ...] = ()  # what was decided when it was opened
    forms: Mapping[str, Form] = field(
        default_factory=dict[str, Form]
    )  # of columns that are not plain
    aside: Any = field(default=None, repr=False, compare=False)  # its temporary folder
    decimal: str = ""  # the sign before decimals, where the user has named it
    held: dict[tuple[str, str], Any] = field(
        default_factory=dict[tuple[str, str], Any], repr=False, compare=False
    )

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the columns, in the order of the file."""
        return tuple(self.columns)

    def require(self, name: str) -> None:
        """Raise TableError unless the column exists; it names a similar column, or all."""
        if name in self.columns:
            return
        close = self.nearest(name)
        if close is not None:
            raise TableError(f"{self.label} has no column {name!r}; did you mean {close!r}?")
        shown = ", ".join(self.names[:12]) + (", …" if len(self.names) > 12 else "")
        raise TableError(f"{self.label} has no column {name!r}; its columns are {shown}")

    def require_row(self, row: int) -> None:
        """Raise TableError unless there is a row with this number, from 0."""
        if not 0 <= row < self.rows:
            raise TableError(
                f"{self.label} has no row {row}; its {plural(self.rows, 'row')} have the numbers "
                f"0 to {self.rows - 1}"
            )

    def nearest(self, name: str) -> str | None:
        """Return the column with the most similar name, or None if none is similar."""
        lowered = {known.lower(): known for known in self.names}
        close = difflib.get_close_matches(name.lower(), lowered, n=1)
        return lowered[close[0]] if close else None

    def with_missing(self, tokens: Sequence[str]) -> Table:
        """Return the table with these texts as the ones that count as missing."""
        return replace(self, missing=tuple(tokens), held={})

    def with_forms(self, forms: Mapping[str, Form]) -> Table:
        """Return the table with these formats, by column; other columns keep theirs."""
        held = {key: found for key, found in self.held.items() if key[0] not in forms}
        return replace(self, forms={**self.forms, **forms}, held=held)

    def tokens(self, name: str) -> tuple[str, ...]:
        """Return the texts that count as missing in a column, those of its format included."""
        form = self.forms.get(name)
        given: list[str] = []
        for token in self.missing:
            column, text = self._of_column(token)
            if column is None or column == name:
                given.append(text)
        return (*given, *(() if form is None else form.missing))

    def _of_column(self, token: str) -> tuple[str | None, str]:
        """Split COLUMN=TEXT into the column (None without one) and the text."""
        for place, sign in enumerate(token):
            if sign == "=" and token[:place] in self.columns:
                return token[:place], token[place + 1 :]
        return None, token

    def unused_tokens(self) -> list[str]:
        """Return the missing-value texts of `missing` that occur nowhere in the table."""
        if not self.missing:
            return []
        parts: list[str] = []
        for token in self.missing:
            column, text = self._of_column(token)
            names = [name for name in self.columns if column in (None, name)]
            gone = " OR ".join(f"({_is_missing_sql(self.columns[name], text)})" for name in names)
            parts.append(f"coalesce(bool_or({gone}), false)")
        with table_errors(self.label, "cannot be read to its end"):
            query = f"SELECT {', '.join(parts)} FROM {self.relation}"
            found = self.connection.execute(query).fetchone() or ()
        return [token for token, here in zip(self.missing, found, strict=True) if not here]

    def numbers(self, names: Sequence[str]) -> dict[str, Numbers]:
        """Return columns as numbers, by name; TableError if the file cannot be read or changed."""
        asked = [name for name in names if (name, "number") not in self.held]
        plain = [name for name in asked if self._is_plain(name)]
        found = self._floats(plain, lambda name: self.columns[name].plain_number())
        # Only a column with NULLs has to be read again, to tell missing from unreadable cells.
        again = [name for name in asked if name not in found or found[name].missing.any()]
        found |= self._floats(again, self._number)
        self.held.update({(name, "number"): numbers for name, numbers in found.items()})
        return {name: self.held[name, "number"] for name in names}

    def _is_plain(self, name: str) -> bool:
        cells = self.columns[name]
        written = cells.family != "text" or cells.odd_numbers or self.tokens(name)
        return not written and self.forms.get(name, PLAIN).kind == "plain"

    def _number(self, name: str) -> str:
        cells, form, tokens = self.columns[name], self.forms.get(name, PLAIN), self.tokens(name)
        if form.kind not in ("number", "clock", "span") or cells.family != "text":
            return cells.number(tokens)
        text = cells.text(tokens)
        value = f"coalesce({number_sql(form, text)}, CAST('nan' AS DOUBLE))"
        gaps = ", ".join(map(repr, numeric_tokens(tokens)))
        gap = f" OR {value} IN ({gaps})" if gaps else ""
        return f"CASE WHEN {text} IS NULL{gap} THEN NULL ELSE {value} END"

    def lost_digits(self, name: str) -> tuple[str, ...]:
        """Return two different cells that would be the same float64; else one integer that a
        float64 cannot hold; else nothing."""
        cells = self.columns[name]
        text = cells.text(self.tokens(name))
        large = "abs(d) >= 9007199254740992"
        if cells.family == "text":
            large += r" AND regexp_full_match(e, '-?[1-9]\d*')"
        if cells.family == "wide":
            large = "true"
        source = f"(SELECT {text} AS e, {self._number(name)} AS d FROM {self.relation})"
        same = f"SELECT min(e), max(e) FROM {source} WHERE {large} GROUP BY d"
        whole = "CAST(TRY_CAST(d AS DECIMAL(38, 0)) AS VARCHAR)"
        off = f"SELECT min(e) FROM {source} WHERE {large} AND e NOT LIKE '%.%' AND e <> {whole}"
        with table_errors(self.label, "cannot be read to its end"):
            pair = self.connection.execute(f"{same} HAVING min(e) <> max(e) LIMIT 1").fetchone()
            if pair is not None:
                return str(pair[0]), str(pair[1])
            one = self.connection.execute(off).fetchone()
        return () if one is None or one[0] is None else (str(one[0]),)

    def seconds(self, names: Sequence[str]) -> dict[str, Numbers]:
        """Return columns as seconds since 1970, by name; TableError as for `numbers`."""
        return self._floats(names, self._second)

    def _second(self, name: str) -> str:
        cells, form, tokens = self.columns[name], self.forms.get(name, PLAIN), self.tokens(name)
        if form.kind != "date" or cells.family == "time":
            return cells.seconds(tokens)
        if form.formats == ("epoch",):
            return f"({cells.number(tokens)}) * {form.factors[0]!r}"
        text = cells.text(tokens)
        second = f"coalesce(epoch({date_sql(form, text)}), CAST('nan' AS DOUBLE))"
        return f"CASE WHEN {text} IS NULL THEN NULL ELSE {second} END"

    def texts(self, names: Sequence[str]) -> dict[str, NDArray[np.object_]]:
        """Return columns as texts [rows], by name, None for missing cells; TableError as for
        `numbers`."""
        asked = [name for name in names if (name, "text") not in self.held]
        fetched = self._fetch(asked, lambda name: self.columns[name].text(self.tokens(name)))
        self.held.update({(name, "text"): _with_none(column) for name, column in fetched.items()})
        return {name: self.held[name, "text"] for name in names}

    def _floats(self, names: Sequence[str], reading: Callable[[str], str]) -> dict[str, Numbers]:
        found: dict[str, Numbers] = {}
        for name, column in self._fetch(names, reading).items():
            if not np.ma.is_masked(column):
                values = np.asarray(np.ma.getdata(column), np.float64)
                found[name] = Numbers(values, np.zeros(len(values), np.bool_))
                continue
            missing = np.ma.getmaskarray(column)
            values = np.asarray(np.ma.filled(column, np.nan), np.float64)
            found[name] = Numbers(values, missing)
        return found

    def _fetch(
        self, names: Sequence[str], reading: Callable[[str], str]
    ) -> dict[str, NDArray[Any]]:
        """Return the given columns, by name, as SQL of `reading` gives them; the file is read
        once."""
        if not names:
            return {}
        parts = [f"{reading(name)} AS r{place}" for place, name in enumerate(names)]
        query = f"SELECT {', '.join(parts)} FROM {self.relation}"
        with table_errors(self.label, "cannot be read to its end"):
            result: Any = self.connection.execute(query)
            arrays: dict[str, Any] = result.fetchnumpy()
        if len(arrays["r0"]) != self.rows:
            raise TableError(f"{self.label} changed while it was being read; start again")
        return {name: arrays[f"r{place}"] for place, name in enumerate(names)}


def _is_missing_sql(cells: Cells, token: str) -> str:
    """Return SQL for whether the token makes a non-empty cell missing."""
    if cells.family == "nested":
        return "false"
    return f"{cells.text(())} IS NOT NULL AND {cells.text((token,))} IS NULL"


def _with_none(column: NDArray[Any]) -> NDArray[np.object_]:
    texts = np.array(np.ma.getdata(column), object)
    texts[np.ma.getmaskarray(column)] = None
    return texts
