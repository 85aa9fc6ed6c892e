"""Parse the names that users write for a unit or a weight.

In: texts such as "linear1[3]" and "linear1.weight[2,3]". Out: a layer and a unit, or a parameter
and an index; or an error that lists the names that exist.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence

from glassnet.errors import GlassnetError
from glassnet.words import plural

LISTED = 12  # names that are listed in full


def place_of(shapes: Mapping[str, Sequence[int]], text: str) -> tuple[str, tuple[int, ...]]:
    """Return the parameter and the index of one weight; `shapes` are those of all parameters."""
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
    """Return a message that there is no such name, with the names that exist."""
    return f"there is no {what} {name!r}; {name_list(name, names)}"


def name_list(name: str, names: Sequence[str]) -> str:
    """Return all names if they are few, else those most similar to `name`."""
    if len(names) <= LISTED:
        return f"there are {', '.join(names)}"
    like = difflib.get_close_matches(name, names, 3, cutoff=0.3) or list(names[:3])
    return f"near it: {', '.join(like)}, of {len(names)}"
