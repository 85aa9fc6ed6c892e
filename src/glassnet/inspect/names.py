"""The names that people write for a unit and for a weight.

In: texts such as "linear1[3]" and "linear1.weight[2,3]". Out: a layer and a number, or a parameter
and a place in it; an error that says what there is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from glassnet.errors import GlassnetError
from glassnet.inspect.step import Layer, OpenStep


def unit_of(step: OpenStep, text: str, at: int = 0) -> tuple[Layer, int]:
    """The layer and the unit; `at` is a row of the batch, which must be there."""
    match = re.fullmatch(r"(.+)\[\s*(\d+)\s*\]", text.strip())
    if match is None:
        raise GlassnetError(f"{text!r} is no neuron; write a layer and a number: linear1[3]")
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
        names = ", ".join(shapes)
        some = next((f"{n}[{','.join('0' * len(s))}]" for n, s in shapes.items() if len(s)), "w[0]")
        raise GlassnetError(
            f"{text!r} is no weight; write a parameter ({names}) and whole numbers: {some}"
        )
    name, place = match[1], tuple(int(i) for i in match[2].split(","))
    shape = tuple(shapes[name])
    if len(place) != len(shape):
        raise GlassnetError(f"{text!r} has {len(place)} numbers; {name} has shape {shape}")
    if any(i >= n for i, n in zip(place, shape, strict=True)):
        raise GlassnetError(f"{text!r} is outside; {name} has shape {shape}, counted from 0")
    return name, place
