"""SQL that reads the cells of one column as text, numbers or times.

In: a column's SQL name and type. Out: SQL expressions. In all three readings NULL means missing;
in numbers and times NaN means that the cell is there but cannot be read that way.
"""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

_NUMBERS = {
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "UTINYINT",
    "USMALLINT",
    "UINTEGER",
    "UBIGINT",
    "FLOAT",
    "DOUBLE",
}
_WIDE_NUMBERS = ("DECIMAL", "HUGEINT", "UHUGEINT", "BIGNUM")
_NESTED = ("STRUCT", "MAP", "UNION", "GEOMETRY", "VARIANT")
# Dates with the year first, or with full stops: the order of day and month is then unambiguous.
_ISO_DATE = r"^\d{4}[-/]\d{1,2}[-/]\d{1,2}([ T]\d{1,2}:\d{2}.*)?$"
_DOTTED_DATE, _DOTTED = "%d.%m.%Y", r"^\d{1,2}\.\d{1,2}\.\d{4}$"


def sql_text(text: str) -> str:
    """Return a text as an SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def numeric_tokens(tokens: Sequence[str]) -> list[float]:
    """Return those texts that are finite numbers, as floats; as missing-value tokens they match any
    spelling of the number."""
    found: list[float] = []
    for token in tokens:
        with contextlib.suppress(ValueError):
            found.append(float(token))
    return [value for value in found if math.isfinite(value)]


def sql_name(name: str) -> str:
    """Return a name as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


@functools.cache
def _family(type: str) -> str:
    if type in _NUMBERS:
        return "number"
    if type.startswith(_WIDE_NUMBERS):
        return "wide"
    if type == "DATE" or type.startswith("TIMESTAMP"):
        return "time"
    if type.startswith("TIME"):
        return "clock"
    if type == "INTERVAL":
        return "span"
    if type.startswith(_NESTED) or type.endswith("]"):
        return "nested"
    return "text" if type == "VARCHAR" else "other"


@dataclass(frozen=True)
class Cells:
    """SQL expressions that read one column."""

    column: str  # a quoted SQL name
    type: str  # DuckDB's name of the type
    odd_numbers: bool = True  # texts such as `1_000` or `007` may occur; they are not numbers

    @property
    def family(self) -> str:
        """Return the family of the column's type: "text", "number", "wide" (more digits than a
        float64 has), "time", "clock" (time of day), "span" (duration), "nested" (no single values)
        or "other"."""
        return _family(self.type)

    def text(self, missing: Sequence[str]) -> str:
        """Return SQL for the cell as text, without surrounding spaces, NULL if missing; integers
        without a decimal point. `missing` are the texts that count as missing."""
        column = self.column
        if self.family == "number":
            text = (
                f"CASE WHEN {column} = round({column}) AND abs({column}) < 1e15 "
                f"THEN CAST(CAST({column} AS BIGINT) AS VARCHAR) ELSE CAST({column} AS VARCHAR) END"
            )
            if self.type in {"FLOAT", "DOUBLE"}:
                text = f"CASE WHEN isnan({column}) THEN NULL ELSE {text} END"
        else:
            text = f"nullif(trim(CAST({column} AS VARCHAR), E' \\t\\r\\n'), '')"
        if not missing:
            return text
        tokens = ", ".join(sql_text(token) for token in missing)
        gap = f"{text} IN ({tokens})"
        values = numeric_tokens(missing)
        if values:
            gap += f" OR TRY_CAST({text} AS DOUBLE) IN ({', '.join(map(repr, values))})"
        return f"CASE WHEN {gap} THEN NULL ELSE {text} END"

    def number(self, missing: Sequence[str]) -> str:
        """Return SQL for the cell as the nearest float64: NULL if missing, NaN if it is not a
        number. A time of day is in seconds since midnight, a duration in seconds."""
        if self.family == "number" and not missing:
            value = f"CAST({self.column} AS DOUBLE)"
            if self.type in {"FLOAT", "DOUBLE"}:
                return f"CASE WHEN isnan({self.column}) THEN NULL ELSE {value} END"
            return value
        text = self.text(missing)
        value = {
            "number": self.column,
            "wide": f"CAST({self.column} AS VARCHAR)",
            "clock": f"epoch(CAST({self.column} AS TIME))",
            "span": f"epoch({self.column})",
        }.get(self.family)
        if value is not None:
            return f"CASE WHEN {text} IS NULL THEN NULL ELSE CAST({value} AS DOUBLE) END"
        if self.family != "text":
            return f"CASE WHEN {text} IS NULL THEN NULL ELSE CAST('nan' AS DOUBLE) END"
        guard = ""
        if self.odd_numbers:
            guard = f"WHEN regexp_matches({text}, '_|^[+-]?0[0-9]') THEN CAST('nan' AS DOUBLE) "
        return (
            f"CASE WHEN {text} IS NULL THEN NULL {guard}"
            f"ELSE coalesce(TRY_CAST({text} AS DOUBLE), CAST('nan' AS DOUBLE)) END"
        )

    def plain_number(self) -> str:
        """Return SQL for the cell as a float64, NULL if missing or not a number; cheaper than
        `number`, and only right without `odd_numbers` and missing-value tokens."""
        return f"TRY_CAST({self.column} AS DOUBLE)"

    def seconds(self, missing: Sequence[str]) -> str:
        """Return SQL for the cell as seconds since 1970: NULL if missing, NaN if it is not a date.
        The UTC offset of a text is ignored: the time is the one that is written."""
        text = self.text(missing)
        if self.family == "time":
            time = f"CAST({self.column} AS TIMESTAMP)"
        elif self.family == "text":
            time = (
                f"CASE WHEN regexp_matches({text}, {sql_text(_ISO_DATE)}) "
                f"THEN TRY_CAST({text} AS TIMESTAMP) "
                f"WHEN regexp_matches({text}, {sql_text(_DOTTED)}) "
                f"THEN try_strptime({text}, {sql_text(_DOTTED_DATE)}) END"
            )
        else:
            time = "CAST(NULL AS TIMESTAMP)"
        finite = f"CASE WHEN isfinite({time}) THEN {time} END"
        return (
            f"CASE WHEN {text} IS NULL THEN NULL "
            f"ELSE coalesce(epoch({finite}), CAST('nan' AS DOUBLE)) END"
        )
