"""The names that people write for a unit and for a weight.

In: texts such as "linear1[3]" and "linear1.weight[2,3]". Out: a layer and a number, or a parameter
and a place in it; an error that says what there is.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from glassnet.errors import GlassnetError
from glassnet.words import counted

if TYPE_CHECKING:
    from glassnet.inspect.opened import Layer, OpenStep

LISTED = 12  # names that are listed in full


def unit_of(step: OpenStep, text: str, at: int = 0) -> tuple[Layer, int]:
    """The layer and the unit; `at` is a row of the batch, which must be there."""
    match = re.fullmatch(r"(.+)\[\s*(\d+)\s*\]", text.strip())
    if match is None:
        names = [own.name for own in step.layers]
        known = text.strip() if text.strip() in names else None
        raise GlassnetError(
            f"{text!r} is no neuron; write a layer and a number, counted from 0: "
            f"{known or names[0]}[0]" + ("" if known else f" ({_listed(text, names)})")
        )
    layer, unit = step.layer(match[1]), int(match[2])
    if unit >= layer.result.shape[1]:
        raise GlassnetError(f"{layer.name} has units 0 to {layer.result.shape[1] - 1}, not {unit}")
    if not 0 <= at < len(step.rows):
        raise GlassnetError(f"the batch has rows 0 to {len(step.rows) - 1}, not {at}")
    return layer, unit


def place_of(shapes: Mapping[str, Sequence[int]], text: str) -> tuple[str, tuple[int, ...]]:
    """The parameter and the place of one weight, by the shapes of all parameters."""
    match = re.fullmatch(r"(.+)\[\s*(\d+(?:\s*,\s*\d+)*)\s*\]", text.strip())
    if match is None or match[1] not in shapes:
        own = text.strip().partition("[")[0]
        like = next(iter(difflib.get_close_matches(own, shapes, 1)), next(iter(shapes)))
        some = f"{like}[{','.join('0' * len(shapes[like]))}]"
        raise GlassnetError(
            f"{text!r} is no weight; write a parameter and whole numbers: {some} "
            f"({_listed(own, list(shapes))})"
        )
    name, place = match[1], tuple(int(i) for i in match[2].split(","))
    shape = tuple(shapes[name])
    if len(place) != len(shape):
        raise GlassnetError(
            f"{text!r} has {counted(len(place), 'number')}; {name} has shape {shape}"
        )
    if any(i >= n for i, n in zip(place, shape, strict=True)):
        raise GlassnetError(f"{text!r} is outside; {name} has shape {shape}, counted from 0")
    return name, place


def near(name: str, what: str, names: Sequence[str]) -> str:
    """That there is no such name, and which there are."""
    return f"there is no {what} {name!r}; {_listed(name, names)}"


def _listed(name: str, names: Sequence[str]) -> str:
    """All names where they are few; else those that are like the one that was written."""
    if len(names) <= LISTED:
        return f"there are {', '.join(names)}"
    like = difflib.get_close_matches(name, names, 3, cutoff=0.3) or list(names[:3])
    return f"near it: {', '.join(like)}, of {len(names)}"
