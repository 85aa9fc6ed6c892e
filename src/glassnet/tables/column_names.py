"""Make column names unique, by one rule for all files and frames.

In: names as given. Out: unique names, and a note for each repeated name. Names that differ only in
case are different names and stay unchanged.
"""

from __future__ import annotations

from collections.abc import Sequence

from glassnet.tables.notes import Note


def unique_names(names: Sequence[str]) -> tuple[tuple[str, ...], tuple[Note, ...]]:
    """Return unique names in the same order, and a note for each repeated name: the second of
    several equal names becomes "name (2)". A blank name becomes "column N", without a note."""
    taken = set(names)
    seen: set[str] = set()
    unique: list[str] = []
    notes: list[Note] = []
    for place, name in enumerate(names, 1):
        called = name if name.strip() else f"column {place}"
        number = 2
        while called in seen or (called != name and called in taken):
            called = f"{name or f'column {place}'} ({number})"
            number += 1
        if called != name and name in seen:
            text = f"is the name of several columns; column {place} is called {called!r} here"
            notes.append(
                Note("duplicate name", text, name, "give each column a name of its own", True)
            )
        seen.add(called)
        unique.append(called)
    return tuple(unique), tuple(notes)


def names_without_case(names: Sequence[str]) -> dict[str, str]:
    """Return a new name for each name, unique without regard to case as SQL needs it: `x` and `X`
    become `x` and `X (2)`. The given names must be unique."""
    taken = {name.lower() for name in names}
    seen: set[str] = set()
    found: dict[str, str] = {}
    for name in names:
        unique, number = name, 2
        while unique.lower() in seen or (unique != name and unique.lower() in taken):
            unique, number = f"{name} ({number})", number + 1
        seen.add(unique.lower())
        found[name] = unique
    return found
