"""Blocks of an opened step, independent of the output format.

In: texts and arrays. Out: blocks, which both `text` and `html` render, so that both show the same
facts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

FEW = 8  # numbers of a row, or rows of a table, that are shown in full
BRIEF = 4  # numbers of an array in a line with others


@dataclass(frozen=True)
class Lines:
    """Facts and formulas, one per line."""

    title: str
    lines: Sequence[str]


@dataclass(frozen=True)
class TableBlock:
    """A table of texts; the first column has the names."""

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
        """The array reshaped to two axes; the last axis stays the last."""
        return self.array.reshape(-1, self.array.shape[-1] if self.array.ndim else 1)


@dataclass(frozen=True)
class ArrayGroup:
    """Arrays that belong together, such as those of a layer. `whole` is the count of numbers of the
    whole step; if it is large, the arrays are hidden at first."""

    title: str
    matrices: Sequence[Matrix]
    whole: int = 0


@dataclass(frozen=True)
class Picture:
    """An SVG drawing with a title. A terminal shows neither; other blocks have the numbers."""

    title: str
    svg: str


Block = Picture | Lines | TableBlock | Matrix | ArrayGroup


def exact(x: Any) -> str:
    """Return the shortest decimal text that converts back to the same bits."""
    return str(x)


def as_factor(x: Any) -> str:
    """Return a number as a factor or term of a formula: in brackets if it is negative."""
    text = exact(x)
    return f"({text})" if text.startswith("-") else text


def shape_text(array: np.ndarray) -> str:
    return "×".join(map(str, array.shape))


def first_numbers(array: np.ndarray) -> str:
    """Return the first numbers of an array with all digits."""
    flat = array.reshape(-1)
    text = " ".join(exact(x) for x in flat[:FEW])
    return text + (" …" if flat.size > FEW else "")


def brief_numbers(array: np.ndarray) -> str:
    """Return the first numbers of an array with 4 digits."""
    flat = array.reshape(-1)
    text = " ".join(f"{x:.4g}" for x in flat[:BRIEF])
    return text + (" …" if flat.size > BRIEF else "")
