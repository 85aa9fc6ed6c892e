"""The record of a fit: a run file for each phase of its last training, and the way back.

In: where to record, and how the table was read. Out: a `Recording` for each phase, which says what
`fit_resume` needs to finish the fit; and from such a run file the arrays that it was trained on,
read and encoded anew from the table.
"""

from __future__ import annotations

import json
import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict

import numpy as np

from glassnet.errors import ModelFileError, OutputError, TableError, UntrustedError
from glassnet.estimators.tabular.examine import ExaminedTable, PreparedTable, final_split, goal
from glassnet.estimators.tabular.network import Architecture
from glassnet.estimators.tabular.recipe import Recipe
from glassnet.estimators.tabular.score import Score
from glassnet.outputs import FileUse, check_apart
from glassnet.runs.disk import check_file, check_room, is_run, sides
from glassnet.runs.file import RunFile, extent, put_values
from glassnet.runs.lock import WriterLock
from glassnet.runs.paths import as_path, check_beside
from glassnet.runs.recorder import SMALL, fingerprint
from glassnet.runs.recording import Recording, source_of
from glassnet.runs.schema import empty, remove
from glassnet.runs.settings import settings_of
from glassnet.serialize import Length, Name, Total, Within, read, to_plain
from glassnet.tables.query_apart import read_apart
from glassnet.tables.read import read_table
from glassnet.tables.schema import Schema
from glassnet.tables.split import Split
from glassnet.tables.table import Table
from glassnet.training.check import Rows
from glassnet.version import __version__, numerics_version


class FitPlan(TypedDict):
    """What a fit was asked for."""

    model: str
    target: Name
    seed: Total
    recipe: dict[str, Any]
    name: str
    folds: Total
    phase: Annotated[int, Within(1, 1000)]


class RecordedReading(TypedDict, total=False):
    """How its table was read."""

    table: str | None
    sql: str | None
    delimiter: str | None
    decimal: Literal[",", "."] | None
    encoding: str | None
    header: Literal["first", "none"] | None
    skip: Annotated[int, Within(0, 1 << 40)]
    missing: list[Name]
    kinds: dict[str, str]


class ModelBefore(TypedDict, total=False):
    """What lies where its model goes, as the fit saw it last."""

    model_sha256: Annotated[str, Length(64, 64)] | None


class FitSource(FitPlan, RecordedReading, ModelBefore):
    """What the run files of a fit say of it."""


class RecordedFit(FitSource):
    """What they say once the network of the model is trained."""

    schema: dict[str, Any]
    rows: dict[str, Total]
    score: str | None
    held_out: Annotated[str, Length(64, 64)] | None


RECORD = "--record or -o"
HOW = ("delimiter", "decimal", "encoding", "header", "skip")  # how a table was read
IDENTITY = ("target", "seed", "schema", "name", "phase")  # what phases of one fit agree in


def phase_path(path: str | Path, phase: int) -> Path:
    """run.glass for the first phase (0), run.phase2.glass for the second."""
    place = Path(path)
    return place if phase == 0 else place.with_name(f"{place.stem}.phase{phase + 1}{place.suffix}")


def fit_lock(path: str | Path, phases: int) -> WriterLock:
    """One lock on the run files of all phases, for as long as a fit takes."""
    return WriterLock(*(phase_path(path, phase) for phase in range(phases)))


def fit_writes(path: str | Path, phases: int) -> list[FileUse]:
    """Every file that recording a fit may write."""
    found: list[FileUse] = []
    for phase in range(phases):
        place = phase_path(path, phase)
        found.append(FileUse(place, "a run file"))
        found += [FileUse(own, f"a file of SQLite's beside {place.name}") for own in sides(place)]
    return found


def check_recordable(
    path: str | Path,
    phases: int,
    model: str | Path,
    reads: Sequence[FileUse] = (),
    overwrite: bool = False,
) -> None:
    """Fail before training where one file would be two things, or a file that is no run file is in
    the way, or another fit is being recorded there, or a run is there and not to `overwrite`."""
    check_apart([FileUse(model, "the model file"), *fit_writes(path, phases)], reads, RECORD)
    with fit_lock(path, phases):
        for place in (phase_path(path, phase) for phase in range(phases)):
            _check_replaceable(place, overwrite)


def _check_replaceable(place: Path, overwrite: bool) -> None:
    """OutputError where there is something that a run cannot take the place of."""
    check_file(place)
    if not place.is_file() or not place.stat().st_size or empty(place):
        return
    try:
        with RunFile.read(place, "rw") as file:
            kept = None if overwrite else extent(file)
    except ModelFileError as error:
        why = f"cannot be replaced ({error})" if is_run(place) else "is there and no run file"
        raise OutputError(f"{place} {why}; name another place with --record") from None
    if kept is not None:
        finish = f", or finish it: glassnet resume {place}" if kept[1] else ""
        raise OutputError(
            f"{place} holds a run already ({kept[0]}); name another place with --record, replace "
            f"it with --overwrite{finish}"
        )


def check_fit_room(path: str | Path, examined: ExaminedTable, recipe: Recipe) -> None:
    """OutputError where the disk has no room for the beginning and the end of a run: data where
    they are small, weights with Adam's memory before the first step and after the last, the
    result."""
    split, target = examined.split(), examined.target
    inputs = len(Schema.fit(examined.columns, target, split.train, examined.table.missing).inputs)
    weights = 4 * Architecture(inputs, recipe.hidden, target.outputs).parameters
    data = 4 * (inputs + target.outputs) * (len(split.train) + len(split.validation))
    check_room(Path(path), 7 * weights + (data if data <= SMALL else 0))


def announced(recording: Recording, examined: ExaminedTable, recipe: Recipe) -> Recording:
    """The recording with all that the fit was asked for, and its run file with that alone: the
    score comes first, and a fit that is ended there can be begun again from its file. What an
    earlier fit recorded here goes. OutputError where it cannot be written."""
    source = {
        **(recording.source or {}),
        "target": examined.target.name,
        "seed": examined.seed,
        "recipe": to_plain(recipe),
        "name": Path(examined.table.label).name,
        "folds": len(examined.folds()),
    }
    told = Recording(recording.path, {**source, "phase": 1})
    values = {"source": told.found(), "epochs": recipe.epochs, "glassnet": __version__}
    with RunFile.create(recording.path, recording.lock, recording.overwrite) as file:
        with file.begin() as database:
            put_values(database, {**values, "numerics_version": numerics_version})
        _forget_later(recording)
    return Recording(recording.path, source, recording.lock, overwrite=True)


def described(
    recording: Recording, examined: ExaminedTable, prepared: PreparedTable, score: Score | None
) -> Recording:
    """The recording, with all that leads from its table to the arrays of the training, and from
    its weights to the model file. `score` is known where it was taken in folds."""
    split, held_out = prepared.split, prepared.held_out
    apart = None if held_out is None else Rows(held_out.x, examined.truth[split.held_out])
    source = {
        **(recording.source or {}),
        "schema": prepared.schema.to_plain(),
        "rows": counts(split),
        "score": None if score is None else json.dumps(to_plain(score)),
        "held_out": None if apart is None else fingerprint(apart),
    }
    return Recording(recording.path, source, recording.lock, recording.overwrite)


def counts(split: Split) -> dict[str, int]:
    """How many rows are for what."""
    return {
        "train": len(split.train),
        "validation": len(split.validation),
        "held_out": len(split.held_out),
    }


def of_phase(recording: Recording, phase: int) -> Recording:
    """The recording of one phase."""
    source = {**(recording.source or {}), "phase": phase + 1}
    return Recording(phase_path(recording.path, phase), source, recording.lock, overwrite=True)


def has_phase(recording: Recording, phase: int) -> bool:
    """Whether a phase of this very fit was begun and recorded."""
    place = phase_path(recording.path, phase)
    if not is_run(place) or empty(place):
        return False
    with RunFile.read(place) as file:
        values = settings_of(file)
    wanted = {**(recording.source or {}), "phase": phase + 1}
    found: dict[str, Any] = values.get("source") or {}
    return "model" in values and all(found.get(key) == wanted.get(key) for key in IDENTITY)


def _forget_later(recording: Recording) -> None:
    """Remove phases that another fit recorded here, lest they pass for phases of this one."""
    phase, lock = 1, recording.lock
    while (place := phase_path(recording.path, phase)).is_file() and is_run(place):
        try:
            source = source_of(place) or {}
        except ModelFileError:
            return
        if source.get("phase") != phase + 1:
            return
        with nullcontext() if lock is not None and lock.covers(place) else WriterLock(place):
            remove(place)
        phase += 1


def rows_of(run: str | Path, moved: str | None = None, trust: bool = False) -> dict[str, Any]:
    """x, y and validation of a fit's run, from its table, or from where that has `moved` to; a
    table that lies elsewhere than the run only if the user trusts the file.

    Empty where the run file holds its data, or is not of a fit.
    """
    with RunFile.read(run) as file:
        values = settings_of(file)
        held = bool(file.data_names())
    source: dict[str, Any] = values.get("source") or {}
    if (held and moved is None) or "schema" not in source:
        return {}
    found = pairs_of(run, values, moved, trust)
    apart = found["validation"]
    return {"x": found["training"], "validation": (apart.x, apart.y)}


def pairs_of(
    run: str | Path, values: dict[str, Any], moved: str | None = None, trust: bool = False
) -> dict[str, Rows]:
    """Inputs and goals of the training and the validation rows, inputs and truth of those held out,
    from the table of a fit, with their numbers in it; TableError where they are not those of its
    run."""
    source: dict[str, Any] = values["source"]
    schema = schema_of(run, source)
    table = opened(run, source, schema.missing, moved, trust)
    with unechoed(run, source, moved, trust):
        truth, missing = schema.target.read(schema.opened(table))
        rows = np.flatnonzero(~missing)
        split = final_split(rows, source["seed"], truth[rows] if schema.target.classes else None)
        cells = schema.load(table)
    known: dict[str, str] = values.get("sha256") or {}
    if source.get("held_out"):
        known = {**known, "held-out": source["held_out"]}
    pairs: dict[str, Rows] = {}
    for name, part in (
        ("training", split.train),
        ("validation", split.validation),
        ("held-out", split.held_out),
    ):
        given = truth[part] if name == "held-out" else goal(schema.target, truth[part])
        if not len(part) and name == "held-out":
            continue
        rows = Rows(schema.encode(cells, part).x, given, numbers=part)
        if not len(rows) or (name in known and fingerprint(rows) != known[name]):
            raise TableError(
                f"{table.label} is not what it was when {run} was recorded: its {name} rows have "
                "another SHA-256; bring back the table of then, or fit again with --record"
            )
        pairs[name] = rows
    return pairs


def source_of_fit(run: str | Path, values: dict[str, Any]) -> dict[str, Any] | None:
    """What a run file says of its fit, checked; None where it is of a training without a table."""
    source: dict[str, Any] = values.get("source") or {}
    if not {"recipe", "model"} <= set(source):
        return None
    try:
        found: dict[str, Any] = read(
            RecordedFit if "model" in values else FitSource, source, "run.source"
        )
    except ValueError as error:
        raise ModelFileError(f"{run} is damaged: {error}; train the model again") from None
    return found


def schema_of(run: str | Path, source: dict[str, Any]) -> Schema:
    """How the table of a run becomes arrays."""
    try:
        return Schema.from_plain(source.get("schema"))
    except ValueError as error:
        raise ModelFileError(f"{run} cannot be used: {error}; train the model again") from None


def opened(
    run: str | Path,
    source: dict[str, Any],
    missing: Sequence[str],
    moved: str | None,
    trust: bool = False,
) -> Table:
    """The table of a run, or what it has been moved to. The run file is somebody's word: its table
    is read where it lies beside the run, its query is kept apart, unless the user trusts it."""
    path = table_of(run, source, moved)
    if moved is None and not trust:
        check_beside(run, [path], f"name it if it is to be read: {run} TABLE")
    if not os.path.isfile(path):
        raise TableError(
            f"{path}, the table that {run} was trained on, is not there; "
            f"if it was moved, name it after the run: {run} TABLE"
        )
    sql, how = source.get("sql"), {key: source[key] for key in HOW if source.get(key) is not None}
    with unechoed(run, source, moved, trust):
        if sql is None or trust:
            return read_table(path, sql=sql, missing=missing, **how)
        return read_apart(path, sql=str(sql), missing=missing, how=how)


def table_of(run: str | Path, source: dict[str, Any], moved: str | None) -> str:
    """The path of the table of a run."""
    if moved is None and source.get("table") is None:
        raise TableError(f"{run} does not say which table it is of; name it: {run} TABLE")
    return moved or as_path(run, source["table"])


@contextmanager
def unechoed(
    run: str | Path, source: dict[str, Any], moved: str | None, trust: bool
) -> Generator[None]:
    """An error inside quotes no cell of a file that the run file names and the user did not."""
    try:
        yield
    except TableError as error:
        if moved is not None or trust or isinstance(error, UntrustedError):
            raise
        path = table_of(run, source, None)
        raise TableError(
            f"{path}, which {run} names as its table, is not one that it was recorded with; "
            f"to see why, name it yourself: {run} {path}"
        ) from None
