"""The names that people write for a unit and for a weight.

In: texts such as "linear1[3]" and "linear1.weight[2,3]". Out: a layer and a number, or a parameter
and a place in it; an error that says what there is.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence

from glassnet.errors import GlassnetError
from glassnet.words import plural

LISTED = 12  # names that are listed in full


def place_of(shapes: Mapping[str, Sequence[int]], text: str) -> tuple[str, tuple[int, ...]]:
    """The parameter and the place of one weight, by the shapes of all parameters."""
    match = re.fullmatch(r"(.+)\[\s*(\d+(?:\s*,\s*\d+)*)\s*\]", text.strip())
    if match is None or match[1] not in shapes:
        name_given = text.strip().partition("[")[0]
        like = next(iter(difflib.get_close_matches(name_given, shapes, 1)), next(iter(shapes)))
        some = f"{like}[{','.join('0' * len(shapes[like]))}]"
        raise GlassnetError(
            f"{text!r} is not a weight; write a parameter and whole numbers: {some} "
            f"({name_list(name_given, list(shapes))})"
        )
    name, place = match[1], tuple(int(i) for i in match[2].split(","))
    shape = tuple(shapes[name])
    if len(place) != len(shape):
        raise GlassnetError(
            f"{text!r} has {plural(len(place), 'number')}; {name} has shape {shape}"
        )
    if any(i >= n for i, n in zip(place, shape, strict=True)):
        raise GlassnetError(f"{text!r} is outside; {name} has shape {shape}, counted from 0")
    return name, place


def unknown_name_text(name: str, what: str, names: Sequence[str]) -> str:
    """That there is no such name, and which there are."""
    return f"there is no {what} {name!r}; {name_list(name, names)}"


def name_list(name: str, names: Sequence[str]) -> str:
    """All names where they are few; else those that are like the one that was written."""
    if len(names) <= LISTED:
        return f"there are {', '.join(names)}"
    like = difflib.get_close_matches(name, names, 3, cutoff=0.3) or list(names[:3])
    return f"near it: {', '.join(like)}, of {len(names)}"
