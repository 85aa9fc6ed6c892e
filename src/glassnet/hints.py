"""Hints on how to solve an error or change a decision, as data that each front end words itself.

In: texts, and options by name. Out: a `Hint`; the command line writes its options as
`--kind 'age=number'`, Python as `kinds={'age': 'number'}`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Option:
    """A setting that the user could pass. Without a value only its name is shown."""

    name: str  # such as "kind", "missing", "group"
    value: str = ""
    column: str = ""  # the column that it applies to, "" for none


Part = str | Option
Words = Callable[[Option], str | None]


@dataclass(frozen=True)
class Hint:
    """Alternative remedies, any of which is enough; each is a sequence of texts and options."""

    ways: tuple[tuple[Part, ...], ...]

    def otherwise(self, *parts: Part) -> Hint:
        """Return the hint with one more alternative."""
        return Hint((*self.ways, parts))

    def render(self, words: Words) -> str:
        """Return the hint as text. `words` gives the front end's spelling of an option; a remedy
        with an option that the front end lacks (None) is left out."""
        return ", or ".join(filter(None, (_render_way(way, words) for way in self.ways)))

    def __str__(self) -> str:
        return self.render(in_python)


def hint(*parts: Part) -> Hint:
    """Return a hint with one remedy."""
    return Hint((parts,))


def _render_way(way: tuple[Part, ...], words: Words) -> str:
    spelled = [part if isinstance(part, str) else words(part) for part in way]
    return "" if None in spelled else "".join(map(str, spelled))


_PYTHON = {
    "trust": "trust=True",
    "kind": "kinds",
    "missing": "missing_values",
    "group": "groups",
    "order": "order",
    "ordered": "class_order",
    "target-scale": "target_scale",
}


def in_python(option: Option) -> str | None:
    """Return an option as a parameter of TabularClassifier and TabularRegressor; None where they
    have no such parameter."""
    name = _PYTHON.get(option.name)
    if name is None or not (option.value or option.column):
        return name
    if option.name == "kind":
        return f"{name}={{{option.column!r}: {option.value!r}}}"
    if option.name == "missing":
        given = f"{option.column}={option.value}" if option.column else option.value
        return f"{name}=[{given!r}]"
    return f"{name}={option.value!r}"
