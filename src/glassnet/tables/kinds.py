"""Infer the type of each column: number, category, boolean, date, text; or constant, identifier,
empty or nested, which are left out.

In: a table whose formats are decided, and the types that the user set. Out: the columns, each with
its type and its cells.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from glassnet.errors import TableError
from glassnet.hints import Hint, Option, hint
from glassnet.tables.cells import sql_name
from glassnet.tables.decide import BOOLEAN_WORDS, base_kind
from glassnet.tables.notes import Note
from glassnet.tables.table import PLAIN, Numbers, Table
from glassnet.words import plural

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Texts = NDArray[np.object_]

NO_NUMBER = hint("correct it").otherwise(
    "name the text that means missing with ", Option("missing")
)
FIXED_KINDS = ("number", "category", "boolean", "date", "text", "drop")
_ID_NAME = re.compile(
    r"(?i:(^|[_\s.-])(id|uid|uuid|guid|rowid|rownames?)|^index|^no\.?|^nr\.?)$|[a-z](Id|ID)$"
)
_COUNTERS = r"(row|line|record)? ?(number|num|nummer)?|unnamed(:? ?\d+)?|column 1|#|idx|seq"
_COUNTER_NAME = re.compile(rf"(?i){_COUNTERS}")
# Types whose numbers a float64 holds to the last digit.
_SHORT = {"TINYINT", "SMALLINT", "INTEGER", "UTINYINT", "USMALLINT", "UINTEGER", "FLOAT", "DOUBLE"}
_LONGEST = 40  # characters of a cell that are shown
_LEAST_CODE = 9  # a number such as -9 may mean missing, -3 is a number
_SOME = 1000  # texts that are looked at
# So many words, which stand by themselves, in most texts are free text; more, in capitals.
_WORD, _WORDS = re.compile(r"(?:^|(?<=[\s\"'(]))[^\W\d_]{2,}(?!\w)"), 2
_CAPITALS = 5
_FEW = 20  # so many different values are still few


@dataclass(frozen=True)
class Column:
    """A column, its type, and its cells (None for a column that is left out)."""

    name: str
    kind: str
    missing: int
    summary: str
    cells: Numbers | Texts | None
    notes: tuple[Note, ...] = ()

    @property
    def used(self) -> bool:
        """Return whether the column is an input, rather than left out."""
        return self.cells is not None


def infer_columns(table: Table, names: Sequence[str], fixed: Mapping[str, str]) -> list[Column]:
    """Return the named columns with their types and cells, in order. `fixed` are the types that the
    user set, by column; TableError if a cell does not fit them."""
    kept = [
        name
        for name in names
        if fixed.get(name) != "drop" and table.columns[name].family != "nested"
    ]
    timely = [name for name in kept if _is_time(table, name, fixed)]
    times = table.seconds(timely)
    numbers = table.numbers([name for name in kept if name not in times])
    rounded = {name: lost_digits(table, name, numbers[name]) for name in numbers}
    for name, exact in rounded.items():
        if len(exact) == 2 and base_kind(fixed.get(name)) != "number":  # ids, rather than amounts
            numbers[name] = Numbers(np.full(table.rows, np.nan), numbers[name].missing)
    textual = [name for name in numbers if _needs_text(table, name, numbers[name], fixed)]
    texts = table.texts([*textual, *timely])

    def column(name: str, kind: str | None) -> Column:
        if kind == "drop":
            return Column(name, "drop", 0, "left out as asked", None)
        if name not in numbers and name not in times:
            return _nested_column(name, table.columns[name].type, kind)
        cells = times[name] if name in times else numbers[name]
        reading = _Readings(table.label, name, cells, texts.get(name), name in times)
        found = reading.column(kind)
        exact = rounded.get(name, ())
        return replace(found, notes=(*found.notes, _digits_note(name, exact))) if exact else found

    columns = [column(name, fixed.get(name)) for name in names]
    if any(found.used for found in columns):
        return columns
    # If the only column is x = 1, 2, 3 …, it is a feature.
    return [
        column(found.name, "number")
        if found.kind == "identifier" and found.name not in texts
        else found
        for found in columns
    ]


def _is_time(table: Table, name: str, fixed: Mapping[str, str]) -> bool:
    kind = base_kind(fixed.get(name))
    formed = table.forms.get(name, PLAIN).kind == "date" or table.columns[name].family == "time"
    return kind == "date" or (kind is None and formed)


def _needs_text(table: Table, name: str, numbers: Numbers, fixed: Mapping[str, str]) -> bool:
    kind = base_kind(fixed.get(name))
    if kind is None:
        formed = table.forms.get(name, PLAIN).kind in ("number", "clock", "span")
        return bool(numbers.unreadable.any()) and not formed
    return kind != "number"


def lost_digits(table: Table, name: str, numbers: Numbers) -> tuple[str, ...]:
    """Return `Table.lost_digits` of a column that may lose digits as a float64; else ()."""
    cells = table.columns[name]
    wide = cells.family == "wide" or (cells.family != "other" and cells.type not in _SHORT)
    present = numbers.values[np.isfinite(numbers.values)]
    large = len(present) and np.abs(present).max() >= 2**53
    return table.lost_digits(name) if wide and (large or cells.family == "wide") else ()


def _digits_note(name: str, exact: tuple[str, ...]) -> Note:
    if len(exact) == 1:
        number = float(exact[0])
        text = (
            f"has numbers of more digits than a float64 holds: {exact[0]} is read as {number:.17g}"
        )
        way = hint("to keep every digit pass ", Option("kind", "category", name))
        return Note("rounded", text, name, way, True)
    text = f"is read as text: {exact[0]} and {exact[1]} would be the same number"
    way = hint("to round them pass ", Option("kind", "number", name))
    return Note("long numbers", text, name, way, True)


def _nested_column(name: str, type: str, fixed: str | None) -> Column:
    """Return a nested column (lists, maps and the like), which is left out; TableError if the user
    set a type for it."""
    if fixed is not None:
        raise TableError(
            f"column {name!r} holds values of type {type}, not single values, so it cannot be of "
            f"kind {fixed!r}", _part_hint(name),
        )  # fmt: skip
    text = f"is left out: it holds {brief(type)}, not single values"
    way = _part_hint(name)
    note = Note("nested", text, name, way, True)
    return Column(name, "nested", 0, brief(type), None, (note,))


def _part_hint(name: str) -> Hint:
    return hint("take a part of it with ", Option("sql"), f", such as {sql_name(name)}[1]")


@dataclass(frozen=True)
class _Readings:
    """One column in all readings that may be needed."""

    label: str
    name: str
    numbers: Numbers  # or seconds since 1970, where it is a time
    texts: Texts | None
    timely: bool

    def column(self, fixed: str | None) -> Column:
        kind = base_kind(fixed)
        if self.numbers.missing.all():
            return self._made("empty", "no value in any row", None)
        wrong, present = self.numbers.unreadable.sum(), (~self.numbers.missing).sum()
        if self.timely and (kind is not None or wrong * 2 <= present):
            return self._date(asked=kind is not None)
        if kind == "number" or (kind is None and self.texts is None):
            return self._number(kind)
        assert self.texts is not None
        counts: Counter[Any] = Counter(self.texts.tolist())
        counts.pop(None, None)
        if kind == "boolean" or (kind is None and _is_boolean(counts)):
            return self._boolean(counts)
        if kind is None:
            different = len({spelling_key(text) for text in counts})
            if len(counts) == 1 and not self.numbers.missing.any():
                return self._made("constant", f"always {brief(next(iter(counts)))!r}", None)
            if _is_identifier(different, counts.total()):
                if _is_prose(counts):
                    return self._noted_text(counts)
                return self._made("identifier", f"{plural(different, 'different value')}", None)
        if kind == "text":
            return self._text(counts)
        if fixed == "category:exact":
            return self._made("category", _most_common(counts), self.texts)
        return self._category(counts)

    def _text(self, counts: Mapping[str, int]) -> Column:
        words = sorted(len(text.split()) for text in counts)[len(counts) // 2]
        shown = f"{plural(len(counts), 'different text')} of about {plural(words, 'word')}"
        return self._made("text", shown, self.texts)

    def _noted_text(self, counts: Mapping[str, int]) -> Column:
        text = f"holds free text, such as {brief(min(counts))!r}, and is used by parts of its words"
        way = hint("to leave it out pass ", Option("kind", "drop", self.name))
        return replace(self._text(counts), notes=(Note("free text", text, self.name, way),))

    def _made(self, kind: str, summary: str, cells: Numbers | Texts | None) -> Column:
        return Column(self.name, kind, int(self.numbers.missing.sum()), summary, cells)

    def _category(self, counts: Counter[str]) -> Column:
        one_of = spellings(counts)
        if not one_of:
            return self._made("category", _most_common(counts), self.texts)
        assert self.texts is not None
        texts = np.empty(len(self.texts), object)
        texts[:] = [one_of.get(text, text) for text in self.texts.tolist()]
        joined: Counter[str] = Counter()
        for text, count in counts.items():
            joined[one_of.get(text, text)] += count
        column = self._made("category", _most_common(joined), texts)
        return replace(column, notes=(spelling_note(self.name, one_of),))

    def _number(self, fixed: str | None) -> Column:
        numbers, notes = self.numbers, ()
        wrong = np.flatnonzero(numbers.unreadable)
        if len(wrong) and fixed is not None:
            raise TableError(
                f"{self.label}: row {wrong[0] + 1} of column {self.name!r} holds no number",
                NO_NUMBER,
            )
        if len(wrong):
            numbers = Numbers(numbers.values, numbers.missing | numbers.unreadable)
            rows = plural(len(wrong), "row")
            text = (
                f"holds no number in {rows}, the first is row {wrong[0] + 1}; it counts as missing"
            )
            way = hint("correct it").otherwise("pass ", Option("kind", "category", self.name))
            notes = (Note("not a number", text, self.name, way, True),)
        values = numbers.values[~numbers.missing]
        ordered = np.sort(values)
        low, high = ordered[0], ordered[-1]
        if fixed is None and not numbers.missing.any():
            if low == high:
                return self._made("constant", f"always {low:.12g}", None)
            if self._names_rows(values):
                return self._made("identifier", f"{low:.12g} … {high:.12g}, all different", None)
        middle = ordered[(len(ordered) - 1) // 2 : len(ordered) // 2 + 1]
        summary = f"{low:.6g} … {high:.6g}, median {middle.mean():.6g}"
        column = Column(self.name, "number", int(numbers.missing.sum()), summary, numbers)
        return replace(column, notes=(*notes, *self._infinite(), *self._sentinel(values)))

    def _infinite(self) -> tuple[Note, ...]:
        infinite = np.flatnonzero(np.isinf(self.numbers.values))
        if not len(infinite):
            return ()
        where = f"infinite in {plural(len(infinite), 'row')}, the first is row {infinite[0] + 1}"
        text = f"is {where}; that counts as beyond all other numbers"
        way = hint("to take them as missing pass ", Option("missing", "inf"))
        return (Note("infinite", text, self.name, way),)

    def _sentinel(self, values: NDArray[np.float64]) -> tuple[Note, ...]:
        """Return a note on a number that is far from all others, occurs twice or more, and looks
        like a code for missing, such as -999 or 9999; else nothing."""
        finite = values[np.isfinite(values)]
        for odd in (finite.min(), finite.max()) if len(finite) else ():
            rest = finite[finite != odd]
            count = len(finite) - len(rest)
            if len(rest) < 3 or count < 2:
                continue
            far = min(abs(odd - rest.min()), abs(odd - rest.max()))
            digits = f"{abs(odd):g}"
            nines = len(digits) > 1 and set(digits) <= {"9"}
            round_number = odd == np.floor(odd) and abs(odd) >= _LEAST_CODE
            coded = nines or (odd < 0 <= rest.min() and round_number)
            if coded and far > (rest.max() - rest.min()) / 2:
                where = f"is {odd:g} in {plural(count, 'row')}, far from all others"
                way = hint("if it does pass ", Option("missing", f"{odd:g}", self.name))
                return (Note("sentinel", f"{where}; it may mean missing", self.name, way, True),)
        return ()

    def _names_rows(self, values: NDArray[np.float64]) -> bool:
        """Return whether numbers only name the rows: all different integers in a column that is
        named like an id or a row number. Integers that increase or decrease with the rows are
        features, unless they are consecutive."""
        if not (values == np.floor(values)).all() or len(np.unique(values)) < len(values):
            return False
        steps = np.diff(values)
        called = _ID_NAME.search(self.name) is not None
        if len(values) > 1 and (steps == 1).all():
            return called or _COUNTER_NAME.fullmatch(self.name) is not None
        return called and not ((steps > 0).all() or (steps < 0).all())

    def _date(self, *, asked: bool) -> Column:
        times, notes = self.numbers, ()
        wrong = np.flatnonzero(times.unreadable)
        assert self.texts is not None
        if len(wrong) and asked:
            raise TableError(
                f"{self.label}: row {wrong[0] + 1} of column {self.name!r} holds "
                f"{brief(str(self.texts[wrong[0]]))!r}, not a date like 2024-12-31 or 31.12.2024",
                hint("correct it").otherwise("give the column another ", Option("kind")),
            )
        if len(wrong):
            shown = brief(str(self.texts[wrong[0]]))
            times = Numbers(times.values, times.missing | times.unreadable)
            text = (
                f"holds {shown!r} in row {wrong[0] + 1}, not a date; such cells are missing values"
            )
            way = hint("correct it").otherwise("pass ", Option("kind", "category", self.name))
            notes = (Note("not a date", text, self.name, way, True),)
        values = times.values[~times.missing].astype("datetime64[s]")
        low, high = values.min(), values.max()
        if low == high and not times.missing.any():
            return self._made("constant", f"always {low}", None)
        summary = f"{low.astype('M8[D]')} … {high.astype('M8[D]')}"
        return Column(self.name, "date", int(times.missing.sum()), summary, times, notes)

    def _boolean(self, counts: Counter[str]) -> Column:
        if not _is_boolean(counts):
            some = ", ".join(map(brief, sorted(counts)[:4]))
            raise TableError(
                f"{self.label}: column {self.name!r} holds {some}, "
                "which are not true/false, yes/no, t/f or y/n",
                hint("give it another ", Option("kind")),
            )
        return self._made("boolean", _most_common(counts), self.texts)


def spelling_key(text: str) -> str:
    """Return a key that is equal for texts that differ only in case and spaces."""
    return " ".join(text.casefold().split())


def spellings(counts: Mapping[str, int]) -> dict[str, str]:
    """Return for each text that has a more frequent spelling the most frequent one."""
    groups: dict[str, list[str]] = {}
    for text in counts:
        groups.setdefault(spelling_key(text), []).append(text)
    found: dict[str, str] = {}
    for group in groups.values():
        if len(group) > 1:
            best = min(group, key=lambda text: (-counts[text], text))
            found |= {text: best for text in group if text != best}
    return found


def known_spelling(text: str, known: Sequence[str]) -> str:
    """Return the known text with the same spelling key, if it is the only one; else the text."""
    key = spelling_key(text)
    same = [text for text in known if spelling_key(text) == key]
    return same[0] if len(same) == 1 else text


def spelling_note(name: str, one_of: Mapping[str, str]) -> Note:
    """Return the note on spellings that were merged; `one_of` maps each to the one that is used."""
    shown = ", ".join(
        f"{brief(text)!r} with {brief(one_of[text])!r}" for text in sorted(one_of)[:3]
    )
    more = ", …" if len(one_of) > 3 else ""
    text = f"spells values in several ways; {shown}{more} are merged"
    way = hint("to keep them apart pass ", Option("kind", "category:exact", name))
    return Note("spelling", text, name, way)


def brief(text: str) -> str:
    """Return a cell's text on one line, shortened to 40 characters."""
    line = "".join(sign if sign.isprintable() else " " for sign in text[:_LONGEST])
    return line if len(text) <= _LONGEST else line[:-1] + "…"


def check_finite(label: str, name: str, numbers: Numbers) -> None:
    """Raise TableError for infinite numbers, and numbers too large for float64."""
    infinite = np.flatnonzero(np.isinf(numbers.values))
    if len(infinite):
        raise TableError(
            f"{label}: row {infinite[0] + 1} of column {name!r} is infinite or beyond 1.8e308; "
            "correct it, or empty the cell to mark it as missing"
        )


def _is_boolean(counts: Mapping[Any, int]) -> bool:
    words = {word.lower() for word in counts}
    return len(words) == 2 and any(words == set(pair) for pair in BOOLEAN_WORDS)


def _is_identifier(different: int, present: int) -> bool:
    return different == present or (different > _FEW and different * 2 > present)


def _is_prose(counts: Mapping[str, int]) -> bool:
    """Return whether most texts are prose, titles or names: two words or more, not all in capitals,
    or many in capitals."""
    some = [*counts][:_SOME]
    return sum(map(_has_words, some)) * 2 > len(some)


def _has_words(text: str) -> bool:
    words = _WORD.findall(text)
    if not any(word[1:].islower() for word in words):
        return len(words) >= _CAPITALS  # fewer are a code: LOT 7 BATCH XK
    return len(words) >= _WORDS


def _most_common(counts: Counter[str]) -> str:
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    shown = ", ".join(f"{brief(text)} {count}" for text, count in ranked[:3])
    return f"{plural(len(counts), 'value')}: {shown}" + (", …" if len(ranked) > 3 else "")
