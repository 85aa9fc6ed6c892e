"""The format of a column's cells, and SQL that reads it.

In: a `Form`, which is found once and stored in the model file. Out: SQL for a number or a time;
cells in another format are NaN. The regular expressions mean the same in Python and DuckDB, since a
format is found by Python and applied by DuckDB.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from glassnet.serialize import Length, Name
from glassnet.tables.cells import sql_text

# Signs that look like another: spaces of all widths, minus signs, apostrophes.
LOOKALIKES = str.maketrans("\u00a0\u202f\u2009\u2007\u2212\u2013\u2019\u00b4`", "    --'''")
CURRENCIES = (
    "us$", "$", "€", "£", "¥", "₹", "₽", "₩", "usd", "eur", "gbp", "chf", "jpy", "inr", "rs.",
    "rs", "cad", "aud", "sek", "nok", "dkk", "pln", "czk", "cny", "rmb", "kr", "~", "≈", "#",
)  # fmt: skip
BELOW = ("<=", "<", "≤", "below", "under", "less than", "up to", "at most", "unter", "bis")
ABOVE = (">=", ">", "≥", "above", "over", "more than", "at least", "über", "ab")
TAILS = r"\+|and over|and above|and older|or more|or over|plus|or less|and under|and below"
_BETWEEN = r"-|to|bis|\.\."


_USUAL_TIMES = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f")
USUAL_DATES = {f"%Y{s}%m{s}%d{time}" for s in "-/" for time in _USUAL_TIMES} | {"%d.%m.%Y"}


@dataclass(frozen=True)
class Form:
    """The format of a column. `kind` is "plain" (numbers with a decimal point, dates with the year
    first), "number", "clock" (hours, minutes and optional seconds), "span" (durations such as 1h
    30m) or "date"."""

    column: Name
    kind: Literal["plain", "number", "clock", "span", "date"] = "plain"
    decimal: Literal[".", ","] = "."
    thousands: Literal["", ",", ".", "'", " ", "_"] = ""
    units: Annotated[
        tuple[Name, ...], Length(0, 100)
    ] = ()  # in lower case, before or after the digits
    factors: tuple[float, ...] = ()  # what a number of that unit is multiplied by
    ranges: bool = False
    formats: Annotated[
        tuple[Name, ...], Length(0, 100)
    ] = ()  # of dates, as strptime has them, in the order they are tried
    missing: tuple[Name, ...] = ()  # words that mean missing in this column

    def check(self) -> None:
        """Raise ValueError if the fields do not match each other."""
        if len(self.units) != len(self.factors) and self.kind != "date":
            raise ValueError(f"{len(self.units)} units have {len(self.factors)} factors")
        if self.decimal == self.thousands:
            raise ValueError("the decimal sign and the thousands separator are the same")
        if self.kind == "date" and not self.formats:
            raise ValueError("a date has no format")

    @property
    def usual(self) -> bool:
        """Return whether the plain format reads the same, so that this one need not be stored."""
        return not self.missing and self.kind == "date" and set(self.formats) <= USUAL_DATES


def number_pattern(form: Form) -> str:
    """Return a regular expression with nine groups: bound, sign, unit, sign, digits, unit, further
    digits, unit, tail."""
    point, mark = re.escape(form.decimal), re.escape(form.thousands)
    grouped = rf"[1-9]\d{{0,2}}(?:{mark}\d{{2,3}})*{mark}\d{{3}}|" if form.thousands else ""
    digits = rf"(?:(?:{grouped}0|[1-9]\d*)(?:{point}\d*)?|{point}\d+)(?:[eE][+-]?\d+)?"
    unit = "|".join(re.escape(unit) for unit in sorted(form.units, key=len, reverse=True))
    unit = f"(?i:{unit})" if unit else ""
    bounds = "|".join(re.escape(word) for word in (*BELOW, *ABOVE)) if form.ranges else ""
    more = rf"(?:(?:{_BETWEEN})\s*(?:{unit}|)\s*({digits})\s*)?" if form.ranges else "()"
    plus = r"\+?\s*" if form.ranges else ""
    tail = rf"(?i:{TAILS}|\)|)" if form.ranges else r"[-)]?"
    return (
        rf"^(?i:({bounds}|))\s*([-+(]?)\s*({unit}|)\s*([-+]?)\s*({digits})\s*{plus}({unit}|)\s*{more}"
        rf"({unit}|)\s*({tail})$"
    )


_GROUPS = ("bound", "sign", "before", "minus", "low", "unit", "high", "after", "tail")


def number_sql(form: Form, text: str) -> str:
    """Return SQL for the number in a cell, seconds for a clock or span; NULL if it has another
    format. `text` is SQL for the cell as text."""
    if form.kind == "clock":
        return _clock_sql(text)
    if form.kind == "span":
        return _span_sql(text)
    names = ", ".join(map(sql_text, _GROUPS))
    found = f"regexp_extract({plain_sql(text)}, {sql_text(number_pattern(form))}, [{names}])"

    def value(group: str) -> str:
        cell = f"f['{group}']"
        if form.thousands:
            cell = f"replace({cell}, {sql_text(form.thousands)}, '')"
        if form.decimal != ".":
            cell = f"replace({cell}, {sql_text(form.decimal)}, '.')"
        return f"TRY_CAST(nullif({cell}, '') AS DOUBLE)"

    result = value("low")
    if form.ranges:
        result = f"coalesce(({result} + {value('high')}) / 2, {result})"
    minus = "(f['minus'] = '-' OR f['tail'] = '-')"
    result += f" * (CASE WHEN (f['sign'] IN ('-', '(')) <> {minus} THEN -1 ELSE 1 END)"
    if any(factor != 1 for factor in form.factors):
        unit = "lower(coalesce(nullif(f['unit'], ''), nullif(f['after'], ''), f['before']))"
        cases = " ".join(
            f"WHEN {sql_text(unit)} THEN {factor!r}"
            for unit, factor in zip(form.units, form.factors, strict=True)
        )
        result += f" * (CASE {unit} {cases} ELSE 1 END)"
    return f"list_transform([{found}], lambda f: {result})[1]"


def plain_sql(text: str) -> str:
    """Return SQL for the text with look-alike characters replaced by the common ones."""
    signs = "".join(map(chr, LOOKALIKES))
    usual = "".join(map(str, (chr(code) for code in LOOKALIKES.values())))
    return f"trim(translate({text}, {sql_text(signs)}, {sql_text(usual)}))"


CLOCK = r"^(\d{1,3}):(\d{2})(?::(\d{2}(?:\.\d+)?))?\s*(?i:([ap])\.?m\.?|)$"


def _clock_sql(text: str) -> str:
    found = f"regexp_extract({text}, {sql_text(CLOCK)}, ['h', 'm', 's', 'half'])"
    hour = (
        "(TRY_CAST(nullif(f['h'], '') AS DOUBLE) % (CASE WHEN f['half'] = '' THEN 1000 ELSE 12 END)"
        " + (CASE WHEN lower(f['half']) = 'p' THEN 12 ELSE 0 END))"
    )
    seconds = "coalesce(TRY_CAST(nullif(f['s'], '') AS DOUBLE), 0)"
    result = f"{hour} * 3600 + TRY_CAST(f['m'] AS DOUBLE) * 60 + {seconds}"
    return f"list_transform([{found}], lambda f: {result})[1]"


# Parts of a duration: the seconds of one, and its spellings.
SPANS = (
    (604800, "weeks|week|wks|wk|w|wochen|woche"),
    (86400, "days|day|d|tage|tag"),
    (3600, "hours|hour|hrs|hr|h|stunden|stunde|std"),
    (60, "minutes|minute|mins|min|m|minuten"),
    (1, "seconds|second|secs|sec|s|sekunden"),
)


def _span_pattern() -> str:
    """Return a pattern with six groups: weeks, days, hours, minutes, seconds, and minutes after
    hours without a unit."""
    amount = r"(\d+(?:[.,]\d+)?)"
    parts = [rf"(?:{amount}\s*(?:{words})\.?(?:\s*(?:,|and|und|t)\s*|\s*))?" for _, words in SPANS]
    return rf"^(?i:p?t?{''.join(parts[:2])}t?{''.join(parts[2:])}(\d\d)?)$"


SPAN = _span_pattern()


def _span_sql(text: str) -> str:
    names = ", ".join(map(sql_text, ("w", "d", "h", "m", "s", "rest")))
    found = f"regexp_extract(nullif({plain_sql(text)}, ''), {sql_text(SPAN)}, [{names}])"

    def part(name: str, worth: int) -> str:
        cell = f"replace(f['{name}'], ',', '.')"
        return f"coalesce(TRY_CAST(nullif({cell}, '') AS DOUBLE), 0) * {worth}"

    total = " + ".join(part(n, w) for n, (w, _) in zip("wdhms", SPANS, strict=True))
    some = " || ".join(f"f['{name}']" for name in "wdhms")
    result = f"CASE WHEN {some} = '' THEN NULL ELSE {total} + {part('rest', 60)} END"
    return f"list_transform([{found}], lambda f: {result})[1]"


# Months by the beginning of their names in English, German, French, Spanish and Italian.
_MONTHS = {
    "Jan": "jan|ene|gen", "Feb": "feb|fév|fev", "Mar": "mar|mär|mae|mrz", "Apr": "apr|avr|abr",
    "Jun": "juin|jun|giu", "Jul": "juil|jul|lug", "May": "may|mai|mag", "Aug": "aug|aoû|aou|ago",
    "Sep": "sep|set", "Oct": "oct|okt|ott", "Nov": "nov", "Dec": "dec|dez|déc|dic",
}  # fmt: skip
_LETTER = "[a-zäöüéèûôç]"
_TIDY = (
    (r"^(?i:mon|tue|wed|thu|fri|sat|sun|mo|di|mi|do|fr|sa|so)[a-z]*\.?,?\s+", ""),
    (r"(\d)(?i:st|nd|rd|th)([^a-z]|$)", r"\1\2"),
    (r"\s+(?i:of|de|at|um|à)\s+", " "),
    (r"(\d)[Tt](\d)", r"\1 \2"),
    (r"(:\d{2})(?:[.,](\d{1,6})\d*)", r"\1.\2"),
    (r"(:\d{2}(?:\.\d+)?)\s*(?:[Zz]|[+-]\d{2}:?\d{2}|[+-]\d{2}|UTC|GMT|[A-Z]{3,4}T)$", r"\1"),
    (r"(:\d{2})\s*(?i:([ap])\.?\s*m\.?)$", r"\1 \2M"),
    (r",", " "),
    (r"^(\d{4})年(\d{1,2})月(\d{1,2})日", r"\1-\2-\3"),
    (r"(\d{4}):(\d{2}:\d{2})", r"\1 \2"),
    (r"^([A-Za-z]{3} +\d{1,2}) (\d{1,2}:\d{2}(?::\d{2})?)(?: [A-Z]{3,4})? (\d{4})$", r"\1 \3 \2"),
    *((rf"^{n}[qQ][-/ ]?(\d{{4}})$", rf"\1-{3 * n - 2:02}") for n in range(1, 5)),
    *((rf"^(\d{{4}})[-/ ]?[qQ]{n}$", rf"\1-{3 * n - 2:02}") for n in range(1, 5)),
    *((rf"^[qQ]{n}[-/ ]?(\d{{4}})$", rf"\1-{3 * n - 2:02}") for n in range(1, 5)),
    (r"^(\d{4})-?[wW](\d{2})$", r"\1-W\2-1"),
    (r"\s+", " "),
)
_WORDS = (
    (r"(\d)([A-Za-z])", r"\1 \2"),
    (r"([a-z])(\d)", r"\1 \2"),
    *(
        (rf"(?i)(^|[^a-z])(?:{month}){_LETTER}*\.?", rf"\1{name}")
        for name, month in _MONTHS.items()
    ),
    (r"[-/. ]+([A-Z][a-z][a-z])[-/. ]+", r" \1 "),
    (r"^([A-Z][a-z][a-z])[-/. ]+", r"\1 "),
    (r"[-/. ]+([A-Z][a-z][a-z])$", r" \1"),
    (r"\s+", " "),
)


def has_word(text: str) -> bool:
    """Return whether a date has three letters in a row, as a month's name has."""
    return re.search(r"[A-Za-zäéû]{3}", text) is not None


def tidy(text: str) -> str:
    """Return a date without weekday, time zone, commas and ordinal endings; quarters become their
    first month, and month names their first three English letters."""
    for pattern, by in _TIDY:
        text = re.sub(pattern, by, text)
    if has_word(text) and "-W" not in text:
        for pattern, by in _WORDS:
            text = re.sub(pattern, by, text)
    return text.strip()


def date_sql(form: Form, text: str) -> str:
    """Return SQL for the time in a cell as a TIMESTAMP; NULL if it has another format or a year
    before 100. `text` is SQL for the cell as text."""
    steps = list(_TIDY)
    if any("%b" in format for format in form.formats):
        steps += _WORDS
    for pattern, by in steps:
        text = f"regexp_replace({text}, {sql_text(pattern)}, {sql_text(by)}, 'g')"
    formats = ", ".join(map(sql_text, form.formats))
    time = f"try_strptime(trim({text}), [{formats}])"
    # %Y reads the year of 31.12.24 as 24: that format does not apply.
    return f"CASE WHEN year({time}) >= 100 THEN {time} END"
