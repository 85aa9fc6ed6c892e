"""Tables of a page, and small synthetic data sets with the same bits on every machine.

In: nothing. Out: `PageTable`. Sine and cosine are the package's own, and random numbers come from a
counter-based generator.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from glassnet.ops import philox
from glassnet.ops.math_trig import cos_code, sin_code
from glassnet.ops.onnumpy import Number, NumpyBuilder

ROWS = 200


@dataclass(frozen=True, eq=False)
class PageTable:
    """A table of the page: x is float32 [rows, columns]; y is float32 [rows], class numbers if
    `classes` has their names, else numbers."""

    name: str
    x: np.ndarray
    y: np.ndarray
    columns: tuple[str, ...] = ("x₁", "x₂")
    target: str = "y"
    classes: tuple[str, ...] = ()
    held: tuple[int, ...] | None = None  # held-out rows; None: three of every ten rows
    built_in: bool = False
    about: str = ""  # a sentence that the page shows with it

    @property
    def held_out(self) -> np.ndarray:
        """The held-out rows, bool [rows]: those of `held`, else three of every ten."""
        places = np.arange(len(self.x))
        return places * 7 % 10 < 3 if self.held is None else np.isin(places, self.held)


def xor() -> PageTable:
    """Class 1 where the signs of both inputs differ."""
    x = 2.0 * _uniform(0).T - 1.0
    x += 0.08 * np.sign(x)
    return _classes("XOR", 1.6 * x, x[:, 0] * x[:, 1] < 0)


def circles() -> PageTable:
    """A disc within a ring."""
    outside = np.arange(ROWS) % 2 == 1
    near, turn = _uniform(1)
    inner: np.ndarray = 0.75 * np.sqrt(near)
    radius = np.where(outside, 1.1 + 0.55 * near, inner)
    return _classes("circles", _polar(radius, 2.0 * math.pi * turn), outside)


def moons() -> PageTable:
    """Two interleaved half circles."""
    second = np.arange(ROWS) % 2 == 1
    turn, _ = _uniform(2)
    arc = _polar(np.ones(ROWS), math.pi * turn)
    x = np.where(second[:, None], [1.0, 0.35] - arc, arc) - [0.5, 0.18]
    return _classes("moons", 1.05 * x + 0.11 * _normal(2), second)


def spirals() -> PageTable:
    """Two arms that wind around each other."""
    second = np.arange(ROWS) % 2 == 1
    along = np.sqrt((np.arange(ROWS) // 2 + 0.5) / (ROWS / 2))
    x = _polar(1.7 * along, 1.5 * math.pi * along * 1.4 + math.pi * second)
    return _classes("spirals", x + 0.05 * _normal(3), second)


def gaussians() -> PageTable:
    """Three clusters of points."""
    heap = np.arange(ROWS) % 3
    centre = _polar(np.full(ROWS, 1.0), 2.0 * math.pi * heap / 3.0 + 0.5)
    x = centre + 0.38 * _normal(4)
    return PageTable(
        "gaussians", _short(x), heap.astype(np.float32), classes=("0", "1", "2"), built_in=True
    )


def sine() -> PageTable:
    """A wave with noise: a number to predict from one input."""
    place, _ = _uniform(5)
    x = 3.4 * place - 1.7
    y = _sin(2.4 * x) + 0.12 * _normal(5)[:, 0]
    return PageTable("sine", _short(x[:, None]), _short(y), ("x",), built_in=True)


def _classes(name: str, x: np.ndarray, second: np.ndarray) -> PageTable:
    y = second.astype(np.float32)
    return PageTable(name, _short(x), y, classes=("0", "1"), built_in=True)


def _short(values: np.ndarray) -> np.ndarray:
    """Round to multiples of 1/1024, which take half the space in a page."""
    return (np.round(values * 1024) / 1024).astype(np.float32)


def _uniform(stream: int) -> np.ndarray:
    return philox.uniform(2 * ROWS, 2026, stream).reshape(2, ROWS)


def _normal(stream: int) -> np.ndarray:
    return philox.normal(2 * ROWS, 2027, stream).reshape(ROWS, 2)


def _polar(radius: Any, angle: np.ndarray) -> np.ndarray:
    return np.stack([radius * _cos(angle), radius * _sin(angle)], axis=1)


def _sin(angle: np.ndarray) -> np.ndarray:
    return sin_code(NumpyBuilder(), Number(angle)).array


def _cos(angle: np.ndarray) -> np.ndarray:
    return cos_code(NumpyBuilder(), Number(angle)).array
