"""Decides what each column is: number, category, boolean, date; or constant, identifier, empty or
nested, which are left out.

In: a table, and the kinds that the user fixed. Out: the columns, each with its kind and its cells.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from glassnet.errors import TableError
from glassnet.tables.cells import named
from glassnet.tables.notes import Note
from glassnet.tables.table import Numbers, Table
from glassnet.words import counted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Texts = NDArray[np.object_]

FIXED_KINDS = ("number", "category", "boolean", "date", "drop")
# The first word of each pair is the false one.
BOOLEAN_WORDS = (("false", "true"), ("no", "yes"), ("f", "t"), ("n", "y"))
_CODE = re.compile(r"[+-]?0\d+")
_DATE = re.compile(r"\d{4}[-/]\d{1,2}[-/]\d{1,2}([ T].*)?|\d{1,2}\.\d{1,2}\.\d{4}")
_DRESSED_NUMBER = re.compile(
    r"[+-]?\d+,\d+|[+-]?\d{1,3}(,\d{3})+(\.\d+)?|[$€£]\s?\d.*|.*\d\s?[%$€£]"
)
_ID_NAME = re.compile(r"(?i:(^|[_\s.-])(id|uid|uuid|guid|index|rowid|rownames?))$|[a-z](Id|ID)$")
# Types whose numbers a float64 holds to the last digit.
_SHORT = {"TINYINT", "SMALLINT", "INTEGER", "UTINYINT", "USMALLINT", "UINTEGER", "FLOAT", "DOUBLE"}
_LONGEST = 40  # signs of a cell that are shown
_FEW = 20  # so many different values are still few


@dataclass(frozen=True)
class Column:
    """A column, what it is taken for, and its cells (none for a column that is left out)."""

    name: str
    kind: str
    missing: int
    summary: str
    cells: Numbers | Texts | None
    notes: tuple[Note, ...] = ()

    @property
    def used(self) -> bool:
        return self.cells is not None


def infer_columns(table: Table, names: Sequence[str], fixed: Mapping[str, str]) -> list[Column]:
    """Read the named columns once and decide what they are."""
    kept = [
        name
        for name in names
        if fixed.get(name) != "drop" and table.columns[name].family != "nested"
    ]
    numbers = table.numbers(kept)
    rounded = {name: exactness(table, name, numbers[name]) for name in kept}
    for name in kept:
        if len(rounded[name]) == 2 and fixed.get(name) != "number":  # ids, rather than amounts
            numbers[name] = Numbers(np.full(table.rows, np.nan), numbers[name].missing)
    textual = [name for name in kept if _needs_text(numbers[name], fixed.get(name))]
    texts = table.texts(textual)
    timely = [name for name in textual if fixed.get(name, "date") == "date" and _dated(texts[name])]
    times = table.seconds(timely)

    def column(name: str, kind: str | None) -> Column:
        if kind == "drop":
            return Column(name, "drop", 0, "left out as asked", None)
        if name not in numbers:
            return _nested(name, table.columns[name].type, kind)
        reading = _Reading(table.label, name, numbers[name], texts.get(name), times.get(name))
        found = reading.column(kind)
        exact = rounded[name]
        return replace(found, notes=(*found.notes, _about(name, exact))) if exact else found

    columns = [column(name, fixed.get(name)) for name in names]
    if any(found.used for found in columns):
        return columns
    # A lone x = 1, 2, 3 … is there to be learnt from.
    return [
        column(found.name, "number")
        if found.kind == "identifier" and found.name not in texts
        else found
        for found in columns
    ]


def exactness(table: Table, name: str, numbers: Numbers) -> tuple[str, ...]:
    """What `Table.rounded` says, for a column that may lose digits."""
    cells = table.columns[name]
    wide = cells.family == "wide" or (cells.family != "other" and cells.type not in _SHORT)
    present = numbers.values[np.isfinite(numbers.values)]
    large = len(present) and np.abs(present).max() >= 2**53
    return table.rounded(name) if wide and (large or cells.family == "wide") else ()


def _about(name: str, exact: tuple[str, ...]) -> Note:
    if len(exact) == 1:
        number = float(exact[0])
        text = f"has numbers of more digits than are kept: {exact[0]} is read as {number:.17g}"
        return Note(
            "rounded", text, name, f"to keep every digit pass --kind '{name}=category'", True
        )
    text = f"is read as text: {exact[0]} and {exact[1]} would be the same number"
    return Note("long numbers", text, name, f"to round them pass --kind '{name}=number'", True)


def _nested(name: str, type: str, fixed: str | None) -> Column:
    """A column of lists, maps or the like."""
    if fixed is not None:
        raise TableError(
            f"column {name!r} holds values of type {type}, not single values, so it cannot be of "
            f"kind {fixed!r}; take a part of it with --sql, such as {named(name)}[1]"
        )
    text = f"is left out: it holds {brief(type)}, not single values"
    note = Note(
        "nested", text, name, f"take a part of it with --sql, such as {named(name)}[1]", True
    )
    return Column(name, "nested", 0, brief(type), None, (note,))


def _needs_text(numbers: Numbers, kind: str | None) -> bool:
    if kind is None:
        return bool(numbers.unreadable.any())
    return kind != "number"


def _dated(texts: Texts) -> bool:
    first = next((text for text in texts if text is not None), None)
    return first is not None and _DATE.fullmatch(first) is not None


@dataclass(frozen=True)
class _Reading:
    """One column in every reading that may be needed."""

    label: str
    name: str
    numbers: Numbers
    texts: Texts | None
    times: Numbers | None

    def column(self, fixed: str | None) -> Column:
        if self.numbers.missing.all():
            return self._made("empty", "no value in any row", None)
        if fixed == "number" or (fixed is None and self.texts is None):
            return self._number(fixed)
        assert self.texts is not None
        counts = Counter(text for text in self.texts if text is not None)
        if fixed == "date" or (fixed is None and self.times is not None and self._all_times()):
            return self._date()
        if fixed == "boolean" or (fixed is None and _is_boolean(counts)):
            return self._boolean(counts)
        if fixed is None:
            self._refuse_mixture(counts)
            if len(counts) == 1 and not self.numbers.missing.any():
                return self._made("constant", f"always {brief(next(iter(counts)))!r}", None)
            if _is_identifier(len(counts), counts.total()):
                return self._made("identifier", f"{counted(len(counts), 'different value')}", None)
        return self._made("category", _most_common(counts), self.texts)

    def _made(self, kind: str, summary: str, cells: Numbers | Texts | None) -> Column:
        return Column(self.name, kind, int(self.numbers.missing.sum()), summary, cells)

    def _number(self, fixed: str | None) -> Column:
        numbers = self.numbers
        wrong = np.flatnonzero(numbers.unreadable)
        if len(wrong):
            raise TableError(
                f"{self.label}: row {wrong[0] + 1} of column {self.name!r} holds no number; "
                "correct it, or name the text that means missing with --missing"
            )
        values = numbers.values[~numbers.missing]
        low, high = values.min(), values.max()
        if fixed is None and not numbers.missing.any():
            if low == high:
                return self._made("constant", f"always {low:.12g}", None)
            if self._counts_rows(values):
                return self._made("identifier", f"{low:.12g} … {high:.12g}, all different", None)
        summary = f"{low:.6g} … {high:.6g}, median {np.median(values):.6g}"
        column = self._made("number", summary, numbers)
        infinite = np.flatnonzero(np.isinf(numbers.values))
        if not len(infinite):
            return column
        where = f"infinite in {counted(len(infinite), 'row')}, the first is row {infinite[0] + 1}"
        text = f"is {where}; that counts as beyond all other numbers"
        note = Note("infinite", text, self.name, "to take them as missing pass --missing inf")
        return replace(column, notes=(note,))

    def _counts_rows(self, values: NDArray[np.float64]) -> bool:
        """Whole numbers that only count the rows, or name them."""
        steps = np.diff(values) if abs(values[0]) < len(values) else values
        if len(values) > _FEW and (steps == 1).all():
            return True
        if not _ID_NAME.search(self.name) or not (values == np.floor(values)).all():
            return False
        return len(np.unique(values)) == len(values)

    def _all_times(self) -> bool:
        return self.times is not None and not self.times.unreadable.any()

    def _date(self) -> Column:
        if self.times is None or self.times.unreadable.any():
            wrong = 0 if self.times is None else int(np.flatnonzero(self.times.unreadable)[0])
            assert self.texts is not None
            raise TableError(
                f"{self.label}: row {wrong + 1} of column {self.name!r} holds "
                f"{brief(self.texts[wrong])!r}, no date like 2024-12-31 or 31.12.2024; "
                "correct it, or give the column another --kind"
            )
        values = self.times.values[~self.times.missing].astype("datetime64[s]")
        low, high = values.min(), values.max()
        if low == high and not self.times.missing.any():
            return self._made("constant", f"always {low}", None)
        return self._made("date", f"{low.astype('M8[D]')} … {high.astype('M8[D]')}", self.times)

    def _boolean(self, counts: Counter[str]) -> Column:
        if not _is_boolean(counts):
            some = ", ".join(map(brief, sorted(counts)[:4]))
            raise TableError(
                f"{self.label}: column {self.name!r} holds {some}, "
                "which are not true/false, yes/no, t/f or y/n; give it another --kind"
            )
        return self._made("boolean", _most_common(counts), self.texts)

    def _refuse_mixture(self, counts: Counter[str]) -> None:
        """A column that is mostly numbers is either damaged or needs a word from the user."""
        numbers = self.numbers
        texts: Any = self.texts
        odd = np.flatnonzero(numbers.unreadable)
        if all(_CODE.fullmatch(texts[row]) for row in odd):
            return  # codes with leading zeros, such as 00501
        dressed = sum(count for text, count in counts.items() if _DRESSED_NUMBER.fullmatch(text))
        if len(counts) > _FEW and dressed * 2 > counts.total():
            row = next(row for row in odd if _DRESSED_NUMBER.fullmatch(texts[row]))
            raise TableError(
                f"{self.label}: column {self.name!r} writes numbers as in row {row + 1}, "
                f"{brief(texts[row])!r}; write them with a decimal point and nothing else, or pass "
                f"--kind '{self.name}=category'"
            )
        strange = {texts[row] for row in odd}
        if len(strange) > _FEW and len(odd) * 10 > counts.total():
            return  # codes of letters and digits, some of which have digits only
        if len(odd) * 2 <= counts.total():
            row, text = int(odd[0]), brief(texts[odd[0]])
            raise TableError(
                f"{self.label}: column {self.name!r} holds numbers, but row {row + 1} holds "
                f"{text!r}; correct it, or pass --missing {text!r} or --kind '{self.name}=category'"
            )


def brief(text: str) -> str:
    """A text from a cell, short and on one line."""
    line = "".join(sign if sign.isprintable() else " " for sign in text[:_LONGEST])
    return line if len(text) <= _LONGEST else line[:-1] + "…"


def check_finite(label: str, name: str, numbers: Numbers) -> None:
    """Refuse infinite numbers, and numbers too large for float64."""
    infinite = np.flatnonzero(np.isinf(numbers.values))
    if len(infinite):
        raise TableError(
            f"{label}: row {infinite[0] + 1} of column {name!r} is infinite or beyond 1.8e308; "
            "correct it, or empty the cell to mark it as missing"
        )


def _is_boolean(counts: Counter[str]) -> bool:
    words = {word.lower() for word in counts}
    return len(words) == 2 and any(words == set(pair) for pair in BOOLEAN_WORDS)


def _is_identifier(different: int, present: int) -> bool:
    return different == present or (different > _FEW and different * 2 > present)


def _most_common(counts: Counter[str]) -> str:
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    shown = ", ".join(f"{brief(text)} {count}" for text, count in ranked[:3])
    return f"{counted(len(counts), 'value')}: {shown}" + (", …" if len(ranked) > 3 else "")
