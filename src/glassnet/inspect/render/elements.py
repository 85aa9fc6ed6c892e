"""What is to be shown of an opened step, before anyone has decided how.

In: texts and arrays. Out: blocks, which `text` and `html` turn into what people read; so a fact
that one of them shows, the other one shows too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

FEW = 8  # numbers of a row, rows of a table, that are shown in full
BRIEF = 4  # numbers beside others in a line


@dataclass(frozen=True)
class Lines:
    """Facts and formulas, a line each; columns of "name   value" stand one below the other."""

    title: str
    lines: Sequence[str]


@dataclass(frozen=True)
class TableBlock:
    """A line of texts for each thing; the first column names it."""

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


@dataclass(frozen=True)
class Matrix:
    """Numbers [rows, columns], or one row of them."""

    title: str
    array: np.ndarray
    rows: Sequence[Any] = ()
    columns: Sequence[Any] = ()

    @property
    def table(self) -> np.ndarray:
        """Two axes, whatever the array has: the last one goes to the right."""
        return self.array.reshape(-1, self.array.shape[-1] if self.array.ndim else 1)


@dataclass(frozen=True)
class ArrayGroup:
    """Arrays that belong together, such as those of a layer, and how many numbers the whole step
    has, which decides whether they are shown at once."""

    title: str
    matrices: Sequence[Matrix]
    whole: int = 0


@dataclass(frozen=True)
class Picture:
    """A drawing as SVG, and what it shows in words; a terminal shows neither, since the numbers
    stand in other blocks."""

    title: str
    svg: str


Block = Picture | Lines | TableBlock | Matrix | ArrayGroup


def exact(x: Any) -> str:
    """The shortest digits that mean these bits."""
    return str(x)


def as_factor(x: Any) -> str:
    """A number as one of several that are multiplied or added."""
    text = exact(x)
    return f"({text})" if text.startswith("-") else text


def shape_text(array: np.ndarray) -> str:
    return "×".join(map(str, array.shape))


def first_numbers(array: np.ndarray) -> str:
    """The first numbers of an array in full digits."""
    flat = array.reshape(-1)
    text = " ".join(exact(x) for x in flat[:FEW])
    return text + (" …" if flat.size > FEW else "")


def brief_numbers(array: np.ndarray) -> str:
    """The first numbers of an array in a few digits."""
    flat = array.reshape(-1)
    text = " ".join(f"{x:.4g}" for x in flat[:BRIEF])
    return text + (" …" if flat.size > BRIEF else "")
