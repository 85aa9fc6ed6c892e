"""Notes on the decisions made in reading a table.

In: the name of a rule and what it found. Out: a `Note`, which commands print; if it is a `doubt`,
estimators issue it as a warning.
"""

from __future__ import annotations

from dataclasses import dataclass

from glassnet.hints import Hint, Words, in_python


@dataclass(frozen=True)
class Note:
    """One decision about a table, or about a column of it."""

    rule: str  # its name in docs/reading.md
    text: str  # what was found and what was done about it
    column: str = ""  # none: it is about the whole table
    advice: Hint | str = ""  # how to override the decision
    doubt: bool = False  # a person should look at it, since another reading is as likely

    def render(self, words: Words) -> str:
        """Return the note as a sentence, with options as `words` formats them."""
        subject = f"column {self.column!r} " if self.column else ""
        advice = self.advice if isinstance(self.advice, str) else self.advice.render(words)
        return subject + self.text + (f"; {advice}" if advice else "")

    def __str__(self) -> str:
        return self.render(in_python)
