"""The version of the package and of its arithmetic, and the mark of its run files.

In: nothing. Out: constants, and what of an earlier arithmetic is still the same.
`numerics_version` goes up whenever a change could alter one bit of a trained weight; it is written
into every file, so that a file says which arithmetic made it.
"""

from __future__ import annotations

__version__ = "0.1.0"
numerics_version = 5

# A version of the arithmetic, and the layers that compute other bits from it on: a network without
# them has the bits of the version before.
CHANGED_LAYERS = {5: frozenset({"BatchNorm"})}


def computes_alike(version: int, text: str) -> bool:
    """Whether a network computes the same bits now as with an earlier version of the arithmetic;
    `text` is its description, in which the names of its layers occur."""
    later = range(version + 1, numerics_version + 1)
    return version <= numerics_version and all(
        change in CHANGED_LAYERS and not any(name in text for name in CHANGED_LAYERS[change])
        for change in later
    )


RUN_MARK = b"glas"  # in a run file, as SQLite's application_id
RUN_MARK_AT = 68  # where a database has it
