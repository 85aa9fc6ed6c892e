"""The versions of the package and of its arithmetic, and the marker of its run files.

In: nothing. Out: constants, and whether an earlier version computes the same bits.
`numerics_version` is raised whenever a change could alter one bit of a trained weight; every file
contains the version that wrote it.
"""

from __future__ import annotations

__version__ = "0.1.0"
numerics_version = 5

# Version -> the layers whose results changed with it. Networks without these layers compute the
# same bits as in the version before.
CHANGED_LAYERS = {5: frozenset({"BatchNorm"})}


def computes_alike(version: int, text: str) -> bool:
    """Whether a network computes the same bits now as with arithmetic `version`; `text` is the
    network's description, which contains the names of its layers."""
    later = range(version + 1, numerics_version + 1)
    return version <= numerics_version and all(
        change in CHANGED_LAYERS and not any(name in text for name in CHANGED_LAYERS[change])
        for change in later
    )


RUN_MARK = b"glas"  # in a run file, as SQLite's application_id
RUN_MARK_AT = 68  # byte offset of the application_id in an SQLite file
