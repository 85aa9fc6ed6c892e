"""The record of a fit: a run file for each phase of its last training, and the way back.

In: where to record, and how the table was read. Out: a `Recording` for each phase; and from such a
run file the arrays that it was trained on, read and encoded anew from the table.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from glassnet.errors import ModelFileError, OutputError, TableError
from glassnet.estimators.examine import Examined, Prepared, final_split, goal
from glassnet.tables.read import read_table
from glassnet.tables.schema import Schema
from glassnet.tables.table import Table
from glassnet.training.check import Rows
from glassnet.training.record import fingerprint
from glassnet.training.record_file import RunFile, is_run
from glassnet.training.record_source import Recording, source_of


def phase_path(path: str | Path, phase: int) -> Path:
    """run.glass for the first phase (0), run.phase2.glass for the second."""
    place = Path(path)
    return place if phase == 0 else place.with_name(f"{place.stem}.phase{phase + 1}{place.suffix}")


def check_recordable(path: str | Path, phases: int, model: str | Path) -> None:
    """Fail before training where the model, or a file that is no run file, would be in the way."""
    for place in (phase_path(path, phase) for phase in range(phases)):
        if place.resolve() == Path(model).resolve():
            raise OutputError(
                f"{place} would be the model file and a run file; name another place with --record"
            )
        if place.is_dir() or (place.exists() and place.stat().st_size and not is_run(place)):
            raise OutputError(f"{place} is there and no run file; name another place with --record")


def described(recording: Recording, examined: Examined, prepared: Prepared) -> Recording:
    """The recording, with all that leads from its table to the arrays of the training."""
    source = {
        **(recording.source or {}),
        "target": examined.target.name,
        "seed": examined.seed,
        "schema": prepared.schema.to_plain(),
    }
    return Recording(recording.path, source)


def of_phase(recording: Recording, phase: int) -> Recording:
    """The recording of one phase; what an earlier fit recorded for later ones goes."""
    if phase == 0:
        _forget_later(recording.path)
    source = {**(recording.source or {}), "phase": phase + 1}
    return Recording(phase_path(recording.path, phase), source)


def _forget_later(path: str | Path) -> None:
    """Remove phases that another fit recorded here, lest they pass for phases of this one."""
    phase = 1
    while (place := phase_path(path, phase)).is_file() and is_run(place):
        if (source_of(place) or {}).get("phase") != phase + 1:
            return
        place.unlink()
        phase += 1


def rows_of(run: str | Path, moved: str | None = None) -> dict[str, Any]:
    """x, y and validation of a fit's run, from its table, or from where that has `moved` to.

    Empty where the run file holds its data, or is not of a fit.
    """
    with RunFile.read(run) as file:
        values = file.values()
        held = bool(file.rows("SELECT name FROM data LIMIT 1"))
    source: dict[str, Any] = values.get("source") or {}
    if (held and moved is None) or "schema" not in source:
        return {}
    try:
        schema = Schema.from_plain(source["schema"])
    except (ValueError, KeyError, TypeError) as error:
        raise ModelFileError(f"{run} cannot be used: {error}; train the model again") from None
    table = _opened(run, source, schema, moved)
    pairs = _pairs(table, schema, source["seed"])
    known: dict[str, str] = values.get("sha256") or {}
    for name, (x, y) in pairs.items():
        if not len(x) or (name in known and fingerprint(Rows(x, y)) != known[name]):
            raise TableError(
                f"{table.label} is not what it was when {run} was recorded: its {name} rows have "
                "another SHA-256; bring back the table of then, or fit again with --record"
            )
    (x, y), validation = pairs["training"], pairs["validation"]
    return {"x": x, "y": y, "validation": validation}


def _opened(run: str | Path, source: dict[str, Any], schema: Schema, moved: str | None) -> Table:
    path = moved or source.get("table")
    if path is None:
        raise TableError(f"{run} does not say which table it is of; name it: {run} TABLE")
    if not Path(path).is_file():
        raise TableError(
            f"{path}, the table that {run} was trained on, is not there; "
            f"if it was moved, name it after the run: {run} TABLE"
        )
    return read_table(
        path,
        sql=source.get("sql"),
        missing=schema.missing,
        delimiter=source.get("delimiter"),
    )


def _pairs(table: Table, schema: Schema, seed: int) -> dict[str, tuple[Any, Any]]:
    """Inputs and goals by the names that a run file has for them."""
    truth, missing = schema.target.read(table)
    rows = np.flatnonzero(~missing)
    split = final_split(rows, seed, truth[rows] if schema.target.classes else None)
    cells = schema.load(table)
    return {
        name: (schema.encode(cells, part).x, goal(schema.target, truth[part]))
        for name, part in (("training", split.train), ("validation", split.validation))
    }
