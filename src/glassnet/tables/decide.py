"""Decide the format of each column of a table, before its type is inferred.

In: a table, and the types that the user set. Out: the table with a `Form` for each column that
needs one, and notes. Which cells are missing is decided by one rule, for inputs and target.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from glassnet.errors import TableError
from glassnet.hints import Option, hint
from glassnet.serialize import parse, read_value
from glassnet.tables.forms import Form
from glassnet.tables.notes import Note
from glassnet.tables.recognise import (
    GAPS,
    SURE_GAPS,
    FoundForm,
    Hints,
    find_clock,
    find_date,
    find_number,
    find_span,
    gap_words,
)
from glassnet.tables.table import Numbers, Table
from glassnet.words import plural

if TYPE_CHECKING:
    from numpy.typing import NDArray

# The first word of each pair means false.
BOOLEAN_WORDS = (("false", "true"), ("no", "yes"), ("f", "t"), ("n", "y"))
_CODE = re.compile(r"[+-]?0\d+")
_PLAIN = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?|(?i:[-+]?(inf|infinity))")
_TIME_NAME = re.compile(r"(?i)(time|date|epoch|stamp|created|updated|(^|_)ts$|_at$)")
SCALES = ("log", "plain")
ORDERED = "ordered"  # the kind of a target whose classes have an order, which follows
_CLASSES = 20  # so many different bounds or ranges of a target are classes
_MOST_STRANGE = 5  # up to so many different words among numbers are missing values; more are codes
_LONG_AGO, _FAR = 946_684_800, 2_208_988_800  # 2000 and 2040 in seconds since 1970


@dataclass(frozen=True)
class FormedTable:
    """A table with the formats of its columns, and the notes on each column by name."""

    table: Table
    notes: Mapping[str, tuple[Note, ...]]


@dataclass(frozen=True)
class _Decision:
    form: Form
    notes: tuple[Note, ...] = ()


def decide_forms(
    table: Table, names: Sequence[str], fixed: Mapping[str, str], target: str | None = None
) -> FormedTable:
    """Return the table with a format for each of the named columns that is not plain, and notes.

    `fixed` are the types that the user set, by column. The `target` is a number or classes, never
    a date.
    """
    kept = [name for name in names if _is_read(table, name, fixed)]
    numbers = table.numbers(kept)
    textual = [name for name in kept if _is_textual(table, name, numbers[name], fixed)]
    texts = table.texts(textual)
    counts = {name: _token_counts(texts[name]) for name in textual}
    hints = Hints(table.decimal)

    def decided(name: str, hints: Hints) -> _Decision:
        return _decide(name, counts[name], fixed.get(name), hints, dates=name != target)

    found = {name: decided(name, hints) for name in textual}
    hints = _learn_hints(found, hints)
    for name in textual:  # another column may decide what this one leaves open
        if any(note.rule in ("thousands", "date order") for note in found[name].notes):
            found[name] = decided(name, hints)
    for name in kept:
        if name not in found:
            kind = "number" if name == target else fixed.get(name)
            found[name] = _date_numbers(table, name, numbers[name], kind, hints)
    forms = {name: decision.form for name, decision in found.items() if decision.form != Form(name)}
    return FormedTable(
        table.with_forms(forms), {name: decision.notes for name, decision in found.items()}
    )


def scale_of(kind: str | None) -> str | None:
    """Return the scale in a target's type, `log` or `plain`: `log` of `number:log`; else None."""
    last = (kind or "").rpartition(":")[2]
    return last if last in SCALES and base_kind(kind) == "number" else None


def order_of(kind: str | None) -> tuple[str, ...] | None:
    """Return the classes of a target from the lowest to the highest, of `ordered:low<high`,
    `ordered:low,high` or `ordered:["low", "high"]`; None for another type. TableError unless they
    are two or more different classes."""
    if kind is None or base_kind(kind) != ORDERED:
        return None
    text = kind.partition(":")[2]
    try:
        found: list[str] = read_value(list[str], parse(text), "the order")
    except ValueError:
        found = [part.strip() for part in text.split("<" if "<" in text else ",")]
    if len(set(found)) < len(found) or len(found) < 2 or "" in found:
        raise TableError(
            f"{text!r} is no order of classes; name two or more, from the lowest to the highest: "
            "low<medium<high"
        )
    return tuple(found)


def base_kind(kind: str | None) -> str | None:
    """Return the type without its options: `date` of `date:%d.%m.%y`."""
    return None if kind is None else kind.partition(":")[0]


def _is_read(table: Table, name: str, fixed: Mapping[str, str]) -> bool:
    return fixed.get(name) != "drop" and table.columns[name].family != "nested"


def _is_textual(table: Table, name: str, numbers: Numbers, fixed: Mapping[str, str]) -> bool:
    if table.columns[name].family not in ("text", "other"):
        return False
    kind = fixed.get(name)
    asked = kind is not None and (":" in kind or kind == "date")
    return bool(numbers.unreadable.any()) or asked


def _token_counts(texts: NDArray[Any]) -> Counter[str]:
    counts: Counter[Any] = Counter(texts.tolist())
    counts.pop(None, None)
    return counts


def _decide(
    name: str, counts: Counter[str], fixed: str | None, hints: Hints, *, dates: bool
) -> _Decision:
    kind, _, detail = (fixed or "").partition(":")
    if scale_of(fixed) is not None and kind == "number":
        detail = detail.rpartition(":")[0]
    if kind == ORDERED:
        return _word_column(name, counts)
    if kind in ("category", "text"):
        return _word_column(name, counts) if not detail else _Decision(Form(name))
    if kind == "date" and detail:
        gaps = gap_words(counts, GAPS)
        return _Decision(Form(name, "date", formats=(detail,), missing=gaps))
    if kind == "number" and detail:
        hints = replace(hints, decimal=detail)
    gaps = gap_words(counts, GAPS)
    rest = Counter({text: count for text, count in counts.items() if text not in gaps})
    if not rest:
        return _Decision(Form(name, missing=gaps), _gap_notes(name, gaps, counts))
    if kind == "boolean" or (not kind and _is_boolean(rest)):
        return _Decision(Form(name, missing=gaps), _gap_notes(name, gaps, counts))
    for wanted, found in _readings(name, rest, hints):
        if (kind and kind != wanted) or (wanted == "date" and not dates):
            continue
        if found is None or (
            found.form.ranges and not dates and not kind and len(rest) <= _CLASSES
        ):
            continue  # a target of a few ranges has them for classes
        if kind or _covers_enough(found, rest, wanted):
            return _accept_form(name, found, gaps, counts, take_all=bool(kind))
    return _word_column(name, counts)


def _readings(name: str, rest: Counter[str], hints: Hints) -> list[tuple[str, FoundForm | None]]:
    return [
        ("date", find_date(name, rest, hints)),
        ("number", find_clock(name, rest)),
        ("number", find_span(name, rest)),
        ("number", find_number(name, rest, hints)),
    ]


def _is_boolean(counts: Mapping[str, int]) -> bool:
    words = {word.lower() for word in counts}
    return any(words == set(pair) for pair in BOOLEAN_WORDS)


def _covers_enough(found: FoundForm, rest: Counter[str], kind: str) -> bool:
    """Return whether enough cells match the format to treat the others as missing: nine tenths; of
    numbers half, if up to 5 different texts do not match."""
    strange = sum(rest[text] for text in found.strange)
    if any(_CODE.fullmatch(text) for text in found.strange):
        return False  # codes with leading zeros, such as 00501
    if strange * 10 <= rest.total():
        return True
    few = len(found.strange) <= _MOST_STRANGE
    return kind == "number" and few and strange * 2 <= rest.total()


def _accept_form(
    name: str, found: FoundForm, gaps: tuple[str, ...], counts: Counter[str], *, take_all: bool
) -> _Decision:
    strange = () if take_all else found.strange
    form = replace(found.form, missing=(*gaps, *strange))
    plain = replace(Form(name), missing=form.missing)
    usual = all(_PLAIN.fullmatch(text) for text in counts if text not in form.missing)
    if form == replace(plain, kind="number") and usual:
        form = plain
    notes = [*found.notes, *_gap_notes(name, gaps, counts)]
    if strange:
        what = "dates" if form.kind == "date" else "numbers"
        cells = sum(counts[text] for text in strange)
        shown = ", ".join(repr(text[:40]) for text in strange[:3])
        more = ", …" if len(strange) > 3 else ""
        rows, one = plural(cells, "row"), "a date" if form.kind == "date" else "a number"
        text = (
            f"holds {what}, but {shown}{more} in {rows} is not {one}; such a cell counts as missing"
        )
        way = hint("correct them").otherwise("pass ", Option("kind", "category", name))
        notes.append(Note("not a number", text, name, way, True))
    return _Decision(form, tuple(notes))


def _gap_notes(name: str, gaps: Sequence[str], counts: Mapping[str, int]) -> tuple[Note, ...]:
    if not gaps:
        return ()
    cells = sum(counts[text] for text in gaps)
    shown = ", ".join(map(repr, gaps))
    text = f"has {shown} in {plural(cells, 'row')}, which is taken for missing"
    way = hint("to keep it as a value pass ", Option("kind", "category:exact", name))
    return (Note("gap word", text, name, way),)


def _word_column(name: str, counts: Counter[str]) -> _Decision:
    """Return the format of a text column, where only unambiguous tokens mean missing."""
    gaps = gap_words(counts, SURE_GAPS)
    return _Decision(Form(name, missing=gaps), _gap_notes(name, gaps, counts))


def _learn_hints(found: Mapping[str, _Decision], hints: Hints) -> Hints:
    """Return what the columns with clear formats say (order of dates, decimal sign) for the unclear
    ones; the sign that the user named has priority."""
    sure = [
        decision.form
        for decision in found.values()
        if not any(note.rule in ("thousands", "date order") for note in decision.notes)
    ]
    commas = any(form.kind == "number" and form.decimal == "," for form in sure)
    orders = {
        form.formats[0].startswith("%d")
        for form in sure
        if form.kind == "date" and re.match(r"%[dm][-/.]%[dm]", form.formats[0])
    }
    decimal = hints.decimal or ("," if commas else "")
    return Hints(decimal, orders.pop() if len(orders) == 1 else None)


def _date_numbers(
    table: Table, name: str, numbers: Numbers, fixed: str | None, hints: Hints
) -> _Decision:
    """Return the format of a column of plain numbers: dates as day numbers or counts since 1970,
    points as thousands separators if other columns have decimal commas, else plain."""
    plain = _Decision(Form(name))
    present = numbers.values[~numbers.missing & np.isfinite(numbers.values)]
    if hints.decimal == "," and table.columns[name].family == "text":
        return _thousands_points(table, name, plain)
    if fixed not in (None, "date") or len(present) < 2 or table.columns[name].family == "time":
        return plain
    whole = bool((present == np.floor(present)).all()) and present.min() < present.max()
    if whole and _are_day_numbers(present):
        way = hint("to read them as numbers pass ", Option("kind", "number", name))
        what = f"has dates such as {present[0]:.0f}, the year first"
        note = Note("compact date", what, name, way)
        return _Decision(Form(name, "date", formats=("%Y%m%d",)), (note,))
    for factor in (1.0, 1e-3):
        seconds = present * factor
        timed = bool((seconds >= _LONG_AGO).all() and (seconds <= _FAR).all())
        if whole and timed and (fixed == "date" or _TIME_NAME.search(name)):
            unit = "seconds" if factor == 1 else "milliseconds"
            way = hint("to read it as a number pass ", Option("kind", "number", name))
            note = Note("epoch", f"counts {unit} since 1970 and is read as a date", name, way)
            return _Decision(Form(name, "date", formats=("epoch",), factors=(factor,)), (note,))
    return plain


def _are_day_numbers(values: NDArray[np.float64]) -> bool:
    """Return whether integers are dates such as 20241231, of the years 1900 to 2100."""
    if values.min() < 19_000_101 or values.max() > 21_001_231:
        return False
    month, day = values // 100 % 100, values % 100
    return bool(((month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)).all())


def _thousands_points(table: Table, name: str, plain: _Decision) -> _Decision:
    """Return the format of a column in a table with decimal commas: 1.413 is 1413 if each point is
    before three digits, else `plain`."""
    texts = table.texts([name])[name]
    pointed = [text for text in texts.tolist() if text is not None and "." in text]
    if not pointed or not all(
        re.fullmatch(r"[-+]?[1-9]\d{0,2}(\.\d{3})+", number) for number in pointed
    ):
        return plain
    value = pointed[0].replace(".", "")
    text = f"has numbers such as {pointed[0]}, read as {value}, since others have decimal commas"
    way = hint("if the point is the decimal sign pass ", Option("kind", "number:.", name))
    form = Form(name, "number", decimal=",", thousands=".")
    return _Decision(form, (Note("thousands", text, name, way),))


def read_otherwise(
    table: Table, names: Sequence[str], kind: str, cells: Mapping[str, Numbers]
) -> Table:
    """Return the table with another format for each of these columns that has cells which the
    model's format cannot read, if one format reads all of them. Words for missing count as read.

    `kind` is "number" or "date", `cells` are the columns in the model's formats.
    """
    odd = [name for name in names if cells[name].unreadable.any()]
    odd = [name for name in odd if table.columns[name].family == "text"]
    forms: dict[str, Form] = {}
    for name, texts in table.texts(odd).items():
        form = table.forms.get(name, Form(name))
        counts = _token_counts(texts)
        gaps = gap_words(counts, GAPS)
        strange = {texts[row] for row in np.flatnonzero(cells[name].unreadable)} - {*gaps}
        missing = (*form.missing, *gaps)
        if not strange:
            forms[name] = replace(form, missing=missing)
            continue
        rest = {text: count for text, count in counts.items() if text not in gaps}
        day_first = form.formats[0].startswith("%d") if form.formats else None
        options = {"date": [find_date(name, rest, Hints(day_first=day_first))]}
        options["number"] = [
            find_number(name, rest, Hints()),
            find_clock(name, rest),
            find_span(name, rest),
        ]
        for found in options[kind]:
            if found is not None and not found.strange:
                forms[name] = replace(found.form, missing=missing)
                break
    return table.with_forms(forms)
