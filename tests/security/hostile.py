"""Run files as an attacker would make them.

In: what a genuine run file says, and what is to be said instead. Out: a run file of a fit of a
table, whole in every other way.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from glassnet.estimators.tabular.examine import examine
from glassnet.estimators.tabular.fit_record import announce_fit
from glassnet.estimators.tabular.fit_table import choose_recipe
from glassnet.runs.recording import Recording
from glassnet.tables.read_table import read_table

ROWS = 40


def table(path: Path, rows: int = ROWS) -> Path:
    """A small table with the columns x, z and y, of which y is "no" or "yes"."""
    numbers = np.random.default_rng(0).integers(0, 100, (rows, 2))
    lines = [f"{a},{b},{'yes' if a > b else 'no'}" for a, b in numbers]
    path.write_text("\n".join(["x,z,y", *lines]) + "\n")
    return path


def begun(path: Path, own: Path, place: Path, /, **said: Any) -> Path:
    """The run file of a fit that was ended while its score was taken, so that all is still to be
    done; `said` replaces what it says of its source."""
    examined = examine(read_table(own), "y", kinds={}, seed=0)
    asked = {"sql": None, "delimiter": None, "missing": [], "kinds": {}}
    source = {"table": str(own), "model": str(place), **asked}
    announce_fit(Recording(path, source), examined, choose_recipe(examined, epochs=1))
    return changed(path, **said)


def changed(path: Path, **said: Any) -> Path:
    """The file with something else in what it says of its source."""
    with closing(sqlite3.connect(path)) as database:
        (text,) = database.execute("SELECT value FROM run WHERE key = 'source'").fetchone()
        source = json.dumps({**json.loads(text), **said})
        database.execute("UPDATE run SET value = ? WHERE key = 'source'", (source,))
        database.commit()
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.execute("PRAGMA journal_mode = DELETE")
    for rest in ("-wal", "-shm", "-lock"):
        path.with_name(path.name + rest).unlink(missing_ok=True)
    return path
