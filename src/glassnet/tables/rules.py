"""The rules of reading a table, in the order in which they are tried.

In: nothing. Out: a record per rule, and the page docs/reading.md. The name of a rule is that of the
note which `glassnet look` and `glassnet fit` print if it was applied.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from glassnet.hints import Option, Words


@dataclass(frozen=True)
class Rule:
    """One rule: the name of its note, what is found, how it is read, how to override it. An option
    stands in braces: {kind COLUMN=number}."""

    name: str
    found: str
    made: str
    otherwise: str


TEXT = (
    Rule("encoding", "bytes that are not UTF-8: UTF-16, UTF-32, Windows, Mac Roman, Latin-1",
         "the text in that encoding", "{encoding NAME}"),
    Rule("line ends", "line ends of several kinds", "one kind", ""),
    Rule("blank lines", "blank lines", "left out", ""),
    Rule("comment lines", "lines that begin with `#`",
         "left out; the last one above the rows is the header where it fits", ""),
    Rule("title lines", "lines above the table with fewer fields than all others", "left out",
         "{skip N}, {delimiter CHAR}"),
    Rule("trailing delimiters", "a delimiter at the end of every row, but not of the header",
         "left out", ""),
    Rule("short header", "rows that all have one field more than the header",
         "the first column, a row number or row name, has no name", ""),
    Rule("short rows", "a few rows with fewer fields than the header",
         "missing at their ends, with a doubt", ""),
    Rule("long rows", "a few rows with more fields than the header; empty ones at the end do not "
         "count", "all of their cells are missing, with a doubt: their columns are "
         "unknown", ""),
    Rule("quotes", "quotes inside of a field, quotes after backslashes, single quotes",
         "part of the text; the quote character", ""),
    Rule("foot lines", "lines of one field below a table of three columns or more", "left out", ""),
    Rule("no header", "a first line with numbers such as 5.1 in the columns of numbers",
         "a row; the columns are called `column 1`, `column 2`, …", "{header first}"),
    Rule("header of numbers", "a first line of whole numbers only", "names, with a doubt",
         "{header none}"),
    Rule("duplicate name", "a name that several columns have",
         "the second is called `name (2)`; names that differ in case stay as they are", ""),
    Rule("case in SQL", "names that differ in case only, in a query",
         "`name (2)` in the query", ""),
)  # fmt: skip

WORKBOOKS = (
    Rule("sheet", "a workbook (.xlsx, .xls, .ods) of several sheets with rows",
         "the first of them that is not hidden; dates and numbers as the cells hold them",
         "{sheet NAME}"),
    Rule("formulas", "formulas whose values the workbook does not hold", "missing, with a doubt",
         ""),
)  # fmt: skip

GAPS = (
    Rule("unused token", "a text given with {missing} that occurs nowhere", "noted", ""),
    Rule("gap word", "NA, n/a, null, nan, -, ? and the like; among numbers and dates also none, "
         "unknown, missing", "missing, in inputs and target; NA is a value among two-letter codes",
         "{kind COLUMN=category:exact}"),
    Rule("sentinel", "a number such as -999 or 9999, often and far from all others",
         "a number, with a doubt", "{missing COLUMN=-999}, which goes by value"),
    Rule("not a number", "few words among numbers", "missing, with a doubt",
         "{kind COLUMN=category}"),
    Rule("not a date", "few words among dates", "missing, with a doubt", "{kind COLUMN=category}"),
)  # fmt: skip

DATES = (
    Rule("date order", "dates such as 1/2/2024 in which no cell, and no other column, says whether "
         "the day comes first", "the month first, with a doubt; the day first with . or -",
         "{kind COLUMN=date:%d/%m/%Y}"),
    Rule("compact date", "whole numbers such as 20241231, all of them dates", "dates",
         "{kind COLUMN=number}"),
    Rule("epoch", "seconds or milliseconds since 1970 under a name such as created_at", "dates",
         "{kind COLUMN=number}"),
    Rule("clock", "times such as 14:30 or 2:30 PM", "seconds", "{kind COLUMN=category}"),
    Rule("span", "durations such as 1h 30m, 2 days, PT45M", "seconds",
         "{kind COLUMN=category}"),
)  # fmt: skip

NUMBERS = (
    Rule("number signs", "decimal commas, thousands separators, real minus signs, brackets",
         "numbers; all cells together decide which is the decimal sign",
         "{kind COLUMN=number:,}, {decimal ,}"),
    Rule("thousands", "numbers such as 1,193 that could have a decimal comma",
         "thousands; with a doubt where others speak against it", "{decimal ,}"),
    Rule("unit", "one unit, currency or %, or several units of one kind (g, kg; K, M)",
         "numbers of the commonest unit; K, M, B multiply", "{kind COLUMN=category}"),
    Rule("ranges", "below 21, >20, 10+ years, 2-10",
         "the bound, or the middle; a target of a few ranges has classes",
         "{kind COLUMN=category}"),
    Rule("infinite", "infinite numbers in an input", "beyond all other numbers", "{missing inf}"),
    Rule("rounded", "whole numbers beyond 2^53 that differ after rounding, too",
         "the nearest number, with a doubt", "{kind COLUMN=category}"),
    Rule("long numbers", "whole numbers, or decimals, that rounding would make equal", "text",
         "{kind COLUMN=number}"),
)  # fmt: skip

KINDS = (
    Rule("spelling", "values that differ in case and blanks only", "one value",
         "{kind COLUMN=category:exact}"),
    Rule("free text", "texts that hardly repeat, most of two words or more: sentences, titles, "
         "names", "text, of which the parts of its words count: runs of 3 to 5 characters (of a "
         "cell's first 1,000)", "{kind COLUMN=drop}, {kind COLUMN=category}; others: {kind "
         "COLUMN=text}"),
    Rule("useful identifier", "whole numbers that name the rows, with gaps and in no order, where "
         "rows with neighbouring ones have similar targets", "a number, with a doubt",
         "{kind COLUMN=drop}"),
    Rule("nested", "lists, maps", "left out; fields of a struct are columns of their own",
         "{sql} for a part"),
    Rule("number or class", "a target of whole numbers: up to 20 different ones are classes",
         "noted, with the other reading", "{kind COLUMN=number}, {kind COLUMN=category}"),
    Rule("logarithm", "a target without numbers below zero, of which the largest are more than a "
         "hundred times the smallest and most are small",
         "its logarithm (of it plus 1 for counts with zeros) is learnt; predictions are means, and "
         "they and the score are in its own unit", "{target-scale plain}"),
    Rule("ordered classes", "{ordered ORDER}, or an ordered categorical of pandas",
         "the classes have that order, and scores of distance", ""),
    Rule("rare class", "classes of one row", "a class, with a doubt", "{sql}"),
)  # fmt: skip

DIVISION = (
    Rule("equal rows", "rows that are equal in all columns but the target (left-out columns do not "
         "count)", "on one side of the split, unless the columns have so few values that "
         "equal rows are to be expected", "{equal-rows together}, {equal-rows apart}"),
    Rule("group", "the column that {group} names",
         "rows of one value stay on one side; the column is not an input", ""),
    Rule("order", "the column that {order} names", "the last fifth of the rows is held out", ""),
    Rule("repeated id", "a column such as `patient_id`, in which values repeat",
         "a doubt about the score", "{group COLUMN}"),
    Rule("seen rows", "rows of a table that is evaluated, or of {test}, that were in training: a "
         "model file keeps 4 bytes a row, of at most 16,384 rows, from which no cell can be read "
         "back, but whether a row that one knows was among them", "a doubt about the score; the "
         "others have a score of their own", ""),
    Rule("no better than a guess", "a network that is not better than always giving one answer",
         "noted with the score", ""),
    Rule("no better than a line", "a network that is not better than a linear model of the same "
         "inputs: ridge regression, or a logistic regression of each class against the others",
         "noted with the score", ""),
    Rule("near twins", "rows in small groups of nearly equal ones, far from all others",
         "a doubt about the score", "{group COLUMN}"),
)  # fmt: skip

PARTS = (
    ("Text", TEXT), ("Workbooks", WORKBOOKS), ("Missing values", GAPS), ("Dates and times", DATES),
    ("Numbers", NUMBERS), ("Kinds", KINDS), ("Rows that are scored", DIVISION),
)  # fmt: skip
RULES = {rule.name: rule for _, rules in PARTS for rule in rules}

_HEAD = """# How a table is read

This page is generated from `glassnet.tables.rules`. `glassnet look TABLE` shows the decisions about
a table, without training; each note there has the name of a rule below. The rules are tried in this
order, and use all cells of a column. The model file stores the decisions: `predict` and `evaluate`
read a table in the same way, and a column that has another format there (decimal commas, another
date format, other spellings, another encoding) in that format.

"Doubt" marks a note that you should check. Columns without any value,
constants, texts that never repeat, and row numbers (`id`, `index`) are left out; {kind COLUMN=KIND}
includes them.
"""


_OPTION = re.compile(r"\{([a-z-]+)(?: (?:(COLUMN)=)?([^}]*))?\}")


def reading_page(words: Words) -> str:
    """Return the text of docs/reading.md, with options as `words` formats them."""
    parts = [_HEAD]
    for title, rules in PARTS:
        parts.append(f"## {title}\n")
        parts.append("| note | found | read as | to override |\n|---|---|---|---|")
        lines = [
            f"| {rule.name} | {rule.found} | {rule.made} | {rule.otherwise} |" for rule in rules
        ]
        parts.append("\n".join(lines) + "\n")

    def option(found: re.Match[str]) -> str:
        name, column, value = found.groups()
        return f"`{words(Option(name, value or '', column or ''))}`"

    return _OPTION.sub(option, "\n".join(parts))
