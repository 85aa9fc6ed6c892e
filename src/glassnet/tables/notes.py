"""What was decided about a table, in sentences that a person can check.

In: the name of a rule and what it found. Out: a `Note`, which commands print and estimators warn
with.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Note:
    """One decision about a table, or about a column of it."""

    rule: str  # its name in docs/reading.md
    text: str  # what was found and what was done about it
    column: str = ""  # none: it is about the whole table
    advice: str = ""  # how to overrule the decision
    doubt: bool = False  # a person should look at it, since another reading is as likely

    def __str__(self) -> str:
        subject = f"column {self.column!r} " if self.column else ""
        return subject + self.text + (f"; {self.advice}" if self.advice else "")
