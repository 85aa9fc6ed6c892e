"""The version of the package and of its arithmetic, and the mark of its run files.

In: nothing. Out: constants. `numerics_version` goes up whenever a change could alter one bit
of a trained weight; it is written into every file, so that a file says which arithmetic made it.
"""

from __future__ import annotations

__version__ = "0.1.0"
numerics_version = 5

RUN_MARK = b"glas"  # in a run file, as SQLite's application_id
RUN_MARK_AT = 68  # where a database has it
