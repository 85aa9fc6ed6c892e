"""Recognise the format of a text column: numbers, dates or times of day, if any.

In: the distinct texts of a column with their counts. Out: a `Form` with notes, or None. Decisions
use all texts together, never one alone.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from glassnet.hints import Option, hint
from glassnet.tables.forms import (
    ABOVE,
    BELOW,
    CLOCK,
    CURRENCIES,
    LOOKALIKES,
    SPAN,
    TAILS,
    Form,
    number_pattern,
    tidy,
)
from glassnet.tables.notes import Note

_MOST = 5_000  # different texts that a form is found from; it is then tried on all
# Words that mean missing also among words, and those that do only among numbers and dates.
_SURE = "na n/a n.a. #n/a #na nan null (null) <na> \\n - -- --- ? #value! #ref!"
_ALSO = "n.a none nil . .. * missing unknown undefined tbd nd n.d. k.a. n/d #div/0! #num!"
_PHRASES = ("not available", "not applicable", "no data", "not known", "no value")
SURE_GAPS = frozenset(_SURE.split())
GAPS = SURE_GAPS | frozenset(_ALSO.split()) | frozenset(_PHRASES)
_CODE = re.compile(r"[A-Z]{2}")
# Units of one kind, by what a number of them is worth.
_UNITS: tuple[Mapping[str, float], ...] = (
    {"k": 1e3, "m": 1e6, "b": 1e9, "bn": 1e9, "mn": 1e6, "mio": 1e6, "mio.": 1e6, "t": 1e12,
     "thousand": 1e3, "million": 1e6, "billion": 1e9, "mrd": 1e9, "mrd.": 1e9, "tsd": 1e3,
     "lakh": 1e5, "crore": 1e7},
    {"mg": 1e-3, "g": 1, "kg": 1e3, "t": 1e6},
    {"mm": 1e-3, "cm": 1e-2, "m": 1, "km": 1e3},
    {"ms": 1e-3, "s": 1, "sec": 1, "min": 60, "mins": 60, "h": 3600, "hr": 3600, "hrs": 3600,
     "d": 86400},
    {"b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12},
    {"w": 1, "kw": 1e3, "mw": 1e6},
    {"ml": 1e-3, "cl": 1e-2, "l": 1},
    {"oz": 1, "lb": 16, "lbs": 16},
    {"st": 1, "nd": 1, "rd": 1, "th": 1},
)  # fmt: skip
_BLOB = re.compile(
    r"(?P<before>\D*?)(?P<minus>[-+]?)(?P<digits>\d[\d.,' _]*|[.,]\d+)(?P<power>[eE][+-]?\d+)?"
    r"(?P<after>\D*?)(?:(?:-|to|bis|\.\.)\s*\D{0,4}\d[\d.,]*(?P<last>\D*))?"
)
_MONEY = {"$", "€", "£", "¥", "₹", "usd", "eur", "gbp", "chf", "jpy", "inr", "cad", "aud"}
_CODED = re.compile(r"\d+[A-Za-z]\d+")


@dataclass(frozen=True)
class Hints:
    """Formats of numbers and dates, as other columns or the user say."""

    decimal: str = ""  # the sign before decimals, where it is known
    day_first: bool | None = None


@dataclass(frozen=True)
class FoundForm:
    """A format, its notes, and the texts that do not match it."""

    form: Form
    notes: tuple[Note, ...]
    strange: tuple[str, ...]


def gap_words(counts: Mapping[str, int], words: frozenset[str]) -> tuple[str, ...]:
    """Return the texts that mean missing, sorted. NA does not, if half of the others are two-letter
    codes such as countries."""
    found = [text for text in counts if text.lower() in words]
    others = [text for text in counts if text.lower() not in words]
    codes = sum(_CODE.fullmatch(text) is not None for text in others)
    if others and codes * 2 >= len(others):
        found = [text for text in found if text != "NA"]
    return tuple(sorted(found))


def find_number(name: str, counts: Mapping[str, int], hints: Hints) -> FoundForm | None:
    """Return the format of numbers with thousands separators, decimal commas, units, currencies or
    bounds. None if fewer than half of the cells have a number, or if they are codes."""
    texts = _sample(counts)
    blobs = {text: _BLOB.fullmatch(text.translate(LOOKALIKES).strip()) for text in texts}
    dressed = {text: blob for text, blob in blobs.items() if blob is not None}
    if sum(counts[text] for text in dressed) * 2 < sum(counts[text] for text in texts):
        return None
    decimal, thousands, notes = _signs(name, [blob["digits"] for blob in dressed.values()], hints)
    form = Form(name, "number", decimal, thousands)
    units, factors = _unit(dressed, counts)
    ranges = _has_ranges(texts)
    form = replace(form, units=units, factors=factors, ranges=ranges)
    fits = re.compile(number_pattern(form))
    strange = tuple(t for t in texts if not fits.match(t.translate(LOOKALIKES).strip()))
    codes = [text for text in texts if _CODED.fullmatch(text)]
    if any(text in strange or not re.search("[eE]", text) for text in codes):
        return None  # 1E5 beside 1A5 is a code
    return FoundForm(
        form, (*notes, *_example(name, form, texts, fits, doubted=bool(notes))), strange
    )


def _sample(counts: Mapping[str, int]) -> list[str]:
    return sorted(counts, key=lambda text: (-counts[text], text))[:_MOST]


Point = Literal[".", ","]
Mark = Literal["", ",", ".", "'", " ", "_"]
_MARKS: tuple[Mark, ...] = ("'", " ", "_")


def _signs(name: str, digits: Sequence[str], hints: Hints) -> tuple[Point, Mark, tuple[Note, ...]]:
    """Return the decimal sign, the thousands separator, and a note if they are uncertain."""
    groups = {sign: sum(_groups(digit, sign) for digit in digits) for sign in ",.' _"}
    points = {sign: sum(_decimal(digit, sign) for digit in digits) for sign in ",."}
    unclear = {sign: [digit for digit in digits if _is_ambiguous(digit, sign)] for sign in ",."}
    decimal: Point = "," if hints.decimal == "," else "."
    if not hints.decimal:
        comma = points[","] > groups[","] or (groups["."] > points["."] and not groups[","])
        decimal = "," if comma else "."
    other: Point = "." if decimal == "," else ","
    candidates: tuple[Mark, ...] = (",", *_MARKS) if other == "," else (".", *_MARKS)
    thousands: Mark = ""
    for sign in candidates:
        if not thousands and (groups[sign] or unclear.get(sign)):
            thousands = sign
    clear = points[decimal] or groups[other] or hints.decimal
    if clear or not unclear[other]:
        return decimal, thousands, ()
    one = unclear[other][0].strip()
    value, else_value = one.replace(other, ""), one.replace(other, ".")
    short = [digit for digit in digits if digit.isdigit() and int(digit) >= 1000]
    note = Note(
        "thousands", f"has numbers such as {one}, which are read as {value}; they could be "
        f"{else_value}", name, hint("pass ", Option("decimal", other), " if they are"),
        bool(short) or other == ".",
    )  # fmt: skip
    return decimal, thousands, (note,)


def _groups(digits: str, sign: str) -> bool:
    """Return whether this sign is certainly a thousands separator."""
    number = digits.strip()
    grouped = re.fullmatch(
        rf"\d{{1,3}}(?:{re.escape(sign)}\d{{2,3}})*{re.escape(sign)}\d{{3}}(.*)", number
    )
    if grouped is None:
        return False
    return sign not in ",." or number.count(sign) > 1 or bool(grouped[1])


def _decimal(digits: str, sign: str) -> bool:
    """Return whether this sign is certainly the decimal sign."""
    number = digits.strip()
    if number.count(sign) != 1:
        return False
    whole, part = number.split(sign)
    return len(part) != 3 or whole in ("", "0") or len(whole) > 3 or any(s in whole for s in ",.' ")


def _is_ambiguous(digits: str, sign: str) -> bool:
    return re.fullmatch(rf"[1-9]\d{{0,2}}{re.escape(sign)}\d{{3}}", digits.strip()) is not None


def _unit(
    dressed: Mapping[str, re.Match[str]], counts: Mapping[str, int]
) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """Return units and currencies, and the factor of each; texts with other units do not match."""
    after: Counter[str] = Counter()
    before: set[str] = set()
    for text, blob in dressed.items():
        word = _bare_unit(blob["last"] or blob["after"], ("+", ")", "-", *_TAIL_WORDS))
        if word:
            after[word] += counts[text]
        word = _bare_unit(blob["before"], (*ABOVE, *BELOW, "(", "-", "+"))
        if word in CURRENCIES:
            before.add(word)
    money = [word for word in after if word in CURRENCIES]
    rest = Counter({word: count for word, count in after.items() if word not in CURRENCIES})
    units: dict[str, float] = dict.fromkeys([*sorted(before), *money], 1.0)
    scale = _UNITS[0]
    for word in [*rest]:  # 1.5M USD
        factor = _scaled_currency(word, scale)
        if factor is not None:
            units[word] = factor
            del rest[word]
    stems = {word.rstrip("s.").replace(" ", "") for word in rest}
    kind = next((letters for letters in _UNITS if rest and set(rest) <= set(letters)), None)
    if rest and set(rest) <= set(scale) and (units or len(rest) > 1 or set(rest) & {"k", "bn"}):
        kind = scale
    if len(stems) == 1:
        factor = scale[min(rest)] if kind is scale else 1.0
        units |= dict.fromkeys(sorted(rest), factor)
    elif kind is not None:
        common = 1.0 if kind is scale else kind[rest.most_common(1)[0][0]]
        units |= {word: kind[word] / common for word in sorted(rest)}
    elif rest:
        word, count = rest.most_common(1)[0]
        if count >= 0.9 * rest.total():
            units[word] = 1.0
    return tuple(units), tuple(units.values())


def _scaled_currency(word: str, scale: Mapping[str, float]) -> float | None:
    """Return the factor of a unit such as `m usd` or `k€`; None if the word is not one."""
    for currency in CURRENCIES:
        head = word.removesuffix(currency).strip()
        if head != word and head in scale:
            return scale[head]
    return None


_TAIL_WORDS = tuple(word for word in TAILS.replace("\\", "").split("|") if word[0].isalpha())


def _bare_unit(text: str, signs: Iterable[str]) -> str:
    """Return a unit in lower case, without bounds and brackets."""
    word = text.strip().lower()
    for sign in sorted(signs, key=len, reverse=True):
        word = word.removeprefix(sign).removesuffix(sign).strip()
    return word


_RANGE = re.compile(r"\D*(\d+(?:[.,]\d+)?)[^\d.,]*?(?:-|to|bis|\.\.)[^\d]*?(\d+(?:[.,]\d+)?)\D*")
_BOUND = re.compile(
    rf"(?i:{'|'.join(re.escape(word) for word in (*BELOW, *ABOVE))})\s*\d.*|\d[\d.,]*\s*\+.*"
    r"|.*\d.*\b(?:and|or) (?:over|above|more|under|below|less|older).*"
)


def _has_ranges(texts: Sequence[str]) -> bool:
    """Return whether some texts are bounds or ranges, and all ranges are increasing."""
    found = False
    for text in texts:
        plain = text.translate(LOOKALIKES)
        pair = _RANGE.fullmatch(plain)
        if pair is not None:
            low, high = (float(part.replace(",", ".")) for part in pair.groups())
            if low >= high:
                return False
            found = True
        elif _BOUND.fullmatch(plain):
            found = True
    return found and not _bounds_collide(texts)


def _bounds_collide(texts: Sequence[str]) -> bool:
    """Return whether two bounds on the same number, such as <=50 and >50, would be read as
    equal."""
    seen: dict[str, str] = {}
    for text in texts:
        number = "".join(re.findall(r"[\d.,]+", text))
        plain = text.translate(LOOKALIKES).strip().lower()
        side = "below" if plain.startswith(BELOW) else "above"
        bound = number and (plain.startswith((*BELOW, *ABOVE)) or "+" in plain)
        if bound and seen.setdefault(number, side) != side:
            return True
    return False


def _example(
    name: str, form: Form, texts: Sequence[str], fits: re.Pattern[str], *, doubted: bool
) -> tuple[Note, ...]:
    """Return the notes on the format, each with an example; `doubted` if there is a note on the
    signs."""
    notes: list[Note] = []
    plain = re.compile(r"[-+]?\d+(\.\d+)?")
    odd = [
        text
        for text in texts
        if not plain.fullmatch(text) and fits.match(text.translate(LOOKALIKES).strip())
    ]
    way = hint("to leave them as text pass ", Option("kind", "category", name))
    if form.units:
        units = ", ".join(form.units)
        scaled = any(factor != 1 for factor in form.factors)
        how = ", each converted by its factor" if scaled else ""
        one = next(
            (t for t in odd if any(u in t.lower() for u in form.units)), odd[0] if odd else ""
        )
        several = len(set(form.units) & _MONEY) > 1
        if several:
            how = ", whose numbers are not converted by any rate of exchange"
        text = f"has numbers with a unit ({units}){how}, such as {one!r}"
        notes.append(Note("unit", text, name, way, several))
    elif odd and not form.ranges and not doubted:
        signs = [f"{form.decimal!r} is the decimal sign"]
        if form.thousands:
            signs.append(f"{form.thousands!r} the thousands separator")
        text = f"has numbers written like {odd[0]!r}: {' and '.join(signs)}"
        notes.append(Note("number signs", text, name, way))
    if form.ranges:
        one = next((t for t in odd if _RANGE.fullmatch(t) or _BOUND.fullmatch(t)), "")
        text = f"has bounds or ranges such as {one!r}, read as the bound or the middle of the range"
        notes.append(Note("ranges", text, name, way))
    return tuple(notes)


# --- dates -------------------------------------------------------------------------------------

_TIMES = {
    r"": "",
    r" \d{1,2}:\d{2}": " %H:%M",
    r" \d{1,2}:\d{2}:\d{2}": " %H:%M:%S",
    r" \d{1,2}:\d{2}:\d{2}\.\d+": " %H:%M:%S.%f",
    r" \d{1,2}:\d{2} [AaPp]M": " %I:%M %p",
    r" \d{1,2}:\d{2}:\d{2} [AaPp]M": " %I:%M:%S %p",
    r" \d{4}": " %H%M",
    r" \d{6}": " %H%M%S",
}  # fmt: skip
_SHAPES = {
    r"\d{4}([-/. ])\d{1,2}\1\d{1,2}": "%Y{0}%m{0}%d",
    r"\d{1,2} [A-Z][a-z]{2} \d{4}": "%d %b %Y",
    r"\d{1,2} [A-Z][a-z]{2} \d{2}": "%d %b %y",
    r"[A-Z][a-z]{2} \d{1,2} \d{4}": "%b %d %Y",
    r"[A-Z][a-z]{2} \d{1,2} \d{2}": "%b %d %y",
    r"\d{4} [A-Z][a-z]{2} \d{1,2}": "%Y %b %d",
    r"[A-Z][a-z]{2} \d{4}": "%b %Y",
    r"[A-Z][a-z]{2} \d{2}": "%b %y",
    r"\d{4} [A-Z][a-z]{2}": "%Y %b",
    r"\d{4}([-/])\d{1,2}": "%Y{0}%m",
    r"\d{1,2}([-/.])\d{4}": "%m{0}%Y",
    r"\d{4}-W\d{2}-\d": "%G-W%V-%u",
    r"(?:19|20)\d{6}": "%Y%m%d",
}  # fmt: skip
_NUMERIC = re.compile(r"(\d{1,2})([-/. ])(\d{1,2})\2(\d{4}|\d{2})")
_PARTS = re.compile(
    r"(.+?)((?: \d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?: [AaPp]M)?)|(?<=\d{8}) \d{4}(?:\d{2})?|)"
)


def find_date(name: str, counts: Mapping[str, int], hints: Hints) -> FoundForm | None:
    """Return the formats of dates and times, of which all cells together decide the order of day
    and month; None if no cell is a date in a common format."""
    texts = _sample(counts)
    formats: dict[str, None] = {}
    pairs: list[tuple[int, int]] = []
    open_forms: dict[tuple[str, str, str], None] = {}
    strange: list[str] = []
    for text in texts:
        parts = _PARTS.fullmatch(tidy(text))
        time = None if parts is None else _time(parts[2])
        if parts is None or time is None:
            strange.append(text)
            continue
        numeric = _NUMERIC.fullmatch(parts[1])
        shape = _shape(parts[1])
        if shape is not None:
            formats[shape + time] = None
        elif numeric is not None:
            pairs.append((int(numeric[1]), int(numeric[3])))
            year = "%y" if len(numeric[4]) == 2 else "%Y"
            open_forms[numeric[2], year, time] = None
        else:
            strange.append(text)
    if not formats and not open_forms:
        return None
    day_first, notes = _order(name, pairs, open_forms, hints)
    for sign, year, time in open_forms:
        first, second = ("%d", "%m") if day_first else ("%m", "%d")
        formats[f"{first}{sign}{second}{sign}{year}{time}"] = None
    formats = _year_first(texts, formats)
    ordered = sorted(
        formats, key=lambda format: ("%Y" in format, format)
    )  # two digits of a year first
    return FoundForm(Form(name, "date", formats=tuple(ordered)), notes, tuple(strange))


_YEAR_FIRST = re.compile(r"\d{4}([-/. ])(\d{1,2})\1(\d{1,2})(\D.*)?")


def _year_first(texts: Sequence[str], formats: dict[str, None]) -> dict[str, None]:
    """Return the formats, with the day before the month (2024-31-01) if some cells require it and
    none contradicts."""
    found = [match for text in texts if (match := _YEAR_FIRST.fullmatch(tidy(text))) is not None]
    second = any(int(match[2]) > 12 for match in found)
    if not second or any(int(match[3]) > 12 for match in found):
        return formats
    turned = re.compile(r"%Y(.)%m\1%d")
    return {turned.sub(r"%Y\1%d\1%m", format): None for format in formats}


def _time(text: str) -> str | None:
    return next((time for shape, time in _TIMES.items() if re.fullmatch(shape, text)), None)


def _shape(text: str) -> str | None:
    for shape, form in _SHAPES.items():
        match = re.fullmatch(shape, text)
        if match is not None:
            return form.format(*match.groups())
    return None


def _order(
    name: str, pairs: Sequence[tuple[int, int]], forms: Iterable[tuple[str, str, str]], hints: Hints
) -> tuple[bool, tuple[Note, ...]]:
    """Return whether the day comes before the month, and a note if that is uncertain."""
    day_first = sum(first > 12 for first, _ in pairs)
    month_first = sum(second > 12 for _, second in pairs)
    if not pairs or bool(day_first) != bool(month_first):
        return bool(day_first), ()
    if day_first:  # some of each: the larger part decides, the others do not fit
        return day_first >= month_first, ()
    if hints.day_first is not None:
        return hints.day_first, ()
    dots = all(sign != "/" for sign, _, _ in forms)
    if dots or all(first == second for first, second in pairs):
        return dots, ()
    text = "has dates whose order no cell decides; they are read with the month first"
    way = hint("if the day comes first pass ", Option("kind", "date:%d/%m/%Y", name))
    return False, (Note("date order", text, name, way, True),)


def find_span(name: str, counts: Mapping[str, int]) -> FoundForm | None:
    """Return the format of durations such as 1h 30m, 2 days, PT45M. None unless some have several
    parts or they have several units; short units alone, such as 5m and 3d, are not enough."""
    pattern, texts = re.compile(SPAN), _sample(counts)
    found: dict[str, int] = {}  # how many parts it has
    kinds: set[int] = set()
    for text in texts:
        match = pattern.match(text.strip())
        given: Sequence[str | None] = [None] * 6 if match is None else match.groups()
        if any(given[:5]) and (given[2] or not given[5]):
            found[text] = sum(map(bool, given))
            kinds |= {place for place in range(5) if given[place]}
    several = any(parts > 1 for parts in found.values())
    if not several and len(kinds) < 2:
        return None
    if not several and kinds & {3} and not any(_LONG_SPAN.search(text) for text in found):
        return None  # 5m and 3d may be metres and something else
    strange = tuple(text for text in texts if text not in found)
    one = max(found, key=lambda text: found[text])
    note = Note(
        "span", f"has durations such as {one!r}, read as seconds", name,
        hint("to leave them as text pass ", Option("kind", "category", name)),
    )  # fmt: skip
    return FoundForm(Form(name, "span"), (note,), strange)


_LONG_SPAN = re.compile(r"(?i)min|hour|day|week|sec|stunde|tag|woche")


def find_clock(name: str, counts: Mapping[str, int]) -> FoundForm | None:
    """Return the format of times of day, or durations, in hours, minutes and optional seconds, such
    as 14:30; None if no cell is one."""
    clock = re.compile(CLOCK)
    texts = _sample(counts)
    strange = tuple(text for text in texts if not clock.match(text))
    if len(strange) == len(texts):
        return None
    note = Note(
        "clock",
        f"has times such as {next(t for t in texts if t not in strange)!r}, read as seconds",
        name,
        hint("to leave them as text pass ", Option("kind", "category", name)),
    )
    return FoundForm(Form(name, "clock"), (note,), strange)
