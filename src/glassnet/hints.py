"""What a person could do about an error or a decision, as data that every front end words itself.

In: texts, and options by name. Out: a `Hint`; the command line says its options as
`--kind 'age=number'`, Python as `kinds={'age': 'number'}`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Option:
    """A setting that a person could give. Without a value it is only named."""

    name: str  # such as "kind", "missing", "group"
    value: str = ""
    column: str = ""  # that it is for, where it is for one


Part = str | Option
Words = Callable[[Option], str | None]


@dataclass(frozen=True)
class Hint:
    """Ways out, any of which would do; each is a text with options in it."""

    ways: tuple[tuple[Part, ...], ...]

    def otherwise(self, *parts: Part) -> Hint:
        """The same, with another way."""
        return Hint((*self.ways, parts))

    def render(self, words: Words) -> str:
        """The hint in the words of a front end. A way with an option that it does not have, of
        which its words are None, is left out."""
        return ", or ".join(filter(None, (_render_way(way, words) for way in self.ways)))

    def __str__(self) -> str:
        return self.render(in_python)


def hint(*parts: Part) -> Hint:
    """One way out."""
    return Hint((parts,))


def _render_way(way: tuple[Part, ...], words: Words) -> str:
    said = [part if isinstance(part, str) else words(part) for part in way]
    return "" if None in said else "".join(map(str, said))


_PYTHON = {
    "trust": "trust=True",
    "kind": "kinds",
    "missing": "missing_values",
    "group": "groups",
    "order": "order",
    "target-scale": "target_scale",
}


def in_python(option: Option) -> str | None:
    """An option as a parameter of the estimators of tables; None where they have no such."""
    name = _PYTHON.get(option.name)
    if name is None or not (option.value or option.column):
        return name
    if option.name == "kind":
        return f"{name}={{{option.column!r}: {option.value!r}}}"
    if option.name == "missing":
        given = f"{option.column}={option.value}" if option.column else option.value
        return f"{name}=[{given!r}]"
    return f"{name}={option.value!r}"
