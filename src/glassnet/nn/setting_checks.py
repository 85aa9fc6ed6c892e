"""Checks the settings of modules and losses when they are constructed.

In: the object, an example of right code, and settings by name. Out: nothing, or a ShapeError that
shows the value and the example.
"""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any

from glassnet.errors import ShapeError


def check_sizes(owner: object, right: str, **sizes: Any) -> None:
    """Raise ShapeError unless each size is an integer, 1 or more."""
    for name, value in sizes.items():
        if not isinstance(value, Integral) or int(value) < 1:
            _refuse(owner, right, name, value, "a whole number, 1 or more")


def check_numbers(
    owner: object,
    right: str,
    low: float = -math.inf,
    high: float = math.inf,
    ends: str = "[)",
    **numbers: Any,
) -> None:
    """Raise ShapeError unless each is a finite number from `low` to `high`; a round bracket in
    `ends` excludes that end."""
    for name, value in numbers.items():
        if not isinstance(value, Real) or not _is_inside(float(value), low, high, ends):
            _refuse(owner, right, name, value, _range(low, high, ends))


def _is_inside(value: float, low: float, high: float, ends: str) -> bool:
    above = value > low if ends[0] == "(" else value >= low
    below = value < high if ends[1] == ")" else value <= high
    return math.isfinite(value) and above and below


def _range(low: float, high: float, ends: str) -> str:
    above = f"above {low:g}" if ends[0] == "(" else f"at least {low:g}"
    below = f"less than {high:g}" if ends[1] == ")" else f"at most {high:g}"
    bounds = [above] * (low > -math.inf) + [below] * (high < math.inf)
    return ", ".join(["a finite number", *[" and ".join(bounds)] * bool(bounds)])


def _refuse(owner: object, right: str, name: str, value: Any, wanted: str) -> None:
    raise ShapeError(
        f"{type(owner).__name__}({name}={value!r}): {name} is {wanted}\n  right: {right}"
    )
