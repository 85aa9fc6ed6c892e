"""Detect the delimiter of a CSV file from its first records.

In: the first bytes of the file. Out: one character.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from glassnet.tables.csv_block import Block, line_end_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

CANDIDATES = (",", ";", "\t", "|", " ")
_RECORDS = 100


def sniff_delimiter(data: NDArray[np.uint8]) -> str:
    """Return the delimiter that gives the first 100 records equally many fields, two or more; if
    several do, the one with most fields. If none does, the one with most fields in the header.

    Parameters
    ----------
    data
        Bytes from the start of the file, uint8.
    """
    line_end = line_end_of(data)
    best, best_score = ",", (False, 0, 0)
    for candidate in CANDIDATES:
        block = Block(data, ord(candidate), line_end)
        starts, ends = block.records()
        starts, ends = starts[:_RECORDS], ends[:_RECORDS]
        filled = ends > starts
        widths = block.widths(starts[filled], ends[filled])
        if not len(widths):
            return best
        alike = bool(widths[0] > 1 and (widths == widths[0]).all())
        score = (alike, int(widths[0]), int(widths.max()))
        # Spaces are common inside text, so they are a delimiter only if they are regular.
        if score > best_score and (alike or candidate != " "):
            best, best_score = candidate, score
    return best
