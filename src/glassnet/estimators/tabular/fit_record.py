"""Record a fit: a run file for each phase of its last training; and read its data back.

In: the path to record to, and how the table was read. Out: a `Recording` for each phase, with what
`fit_resume` needs to finish the fit; and from such a run file the training arrays, read and encoded
again from the table.
"""

from __future__ import annotations

import json
import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict

import numpy as np

from glassnet.errors import ModelFileError, OutputError, TableError, UntrustedError
from glassnet.estimators.tabular.answer_rules import Scoring
from glassnet.estimators.tabular.examine import (
    ExaminedTable,
    PreparedTable,
    fitted_schema,
    target_array,
)
from glassnet.estimators.tabular.recipe import Recipe
from glassnet.estimators.tabular.score import Score
from glassnet.estimators.tabular.table_network import architecture_of, with_column
from glassnet.outputs import FileUse, check_apart
from glassnet.runs.disk import check_file, check_room, is_run, side_files
from glassnet.runs.file import RunFile, extent_json, put_values
from glassnet.runs.lock import WriterLock
from glassnet.runs.paths import as_path, check_beside
from glassnet.runs.recorder import SMALL, fingerprint
from glassnet.runs.recording import Recording, source_of
from glassnet.runs.run_schema import is_empty_file, remove
from glassnet.runs.run_settings import settings_of
from glassnet.serialize import Length, Name, Total, Within, from_plain, read_value, to_plain
from glassnet.tables.divide import SplitOptions, divide
from glassnet.tables.query_apart import read_apart
from glassnet.tables.read_table import read_table
from glassnet.tables.repeats import row_keys
from glassnet.tables.split import Split
from glassnet.tables.table import Table
from glassnet.tables.table_schema import Schema
from glassnet.training.data_checks import Rows
from glassnet.version import __version__, numerics_version


class FitPlan(TypedDict):
    """The options of a fit: the path of its model file, the recipe, the name of the table, and the
    phase of the run file, from 1."""

    model: str
    target: Name
    seed: Total
    recipe: dict[str, Any]
    name: str
    folds: Total
    phase: Annotated[int, Within(1, 1000)]


class RecordedReading(TypedDict, total=False):
    """The options that the table of a fit was read with."""

    table: str | None
    sql: str | None
    delimiter: str | None
    decimal: Literal[",", "."] | None
    encoding: str | None
    header: Literal["first", "none"] | None
    skip: Annotated[int, Within(0, 1 << 40)]
    missing: list[Name]
    kinds: dict[str, str]
    test: str | None
    division: SplitOptions
    scoring: Scoring


class ModelBefore(TypedDict, total=False):
    """The digest of the model file that was at the model's path, and the digests of the training
    rows, as text."""

    seen: Annotated[str, Length(0, 1 << 20)] | None
    model_sha256: Annotated[str, Length(64, 64)] | None


class FitSource(FitPlan, RecordedReading, ModelBefore):
    """The source settings in the run files of a fit."""


class RecordedFit(FitSource):
    """The source settings once training of the model's network has begun."""

    schema: dict[str, Any]
    rows: dict[str, Total]
    score: str | None
    held_out: Annotated[str, Length(64, 64)] | None


RECORD = "--record or -o"
HOW = ("delimiter", "decimal", "encoding", "header", "skip", "sheet")  # how a table was read
IDENTITY = ("target", "seed", "schema", "name", "phase")  # what phases of one fit agree in


def phase_path(path: str | Path, phase: int) -> Path:
    """Return the run file of a phase: run.glass for the first (0), run.phase2.glass for the
    second."""
    place = Path(path)
    return place if phase == 0 else place.with_name(f"{place.stem}.phase{phase + 1}{place.suffix}")


def fit_lock(path: str | Path, phases: int) -> WriterLock:
    """Return a lock on the run files of so many phases, for the duration of a fit."""
    return WriterLock(*(phase_path(path, phase) for phase in range(phases)))


def fit_writes(path: str | Path, phases: int) -> list[FileUse]:
    """Return all files that recording a fit may write: a run file per phase, and SQLite's files
    beside it."""
    found: list[FileUse] = []
    for phase in range(phases):
        place = phase_path(path, phase)
        found.append(FileUse(place, "a run file"))
        found += [
            FileUse(side, f"a file of SQLite's beside {place.name}") for side in side_files(place)
        ]
    return found


def check_recordable(
    path: str | Path,
    phases: int,
    model: str | Path,
    reads: Sequence[FileUse] = (),
    overwrite: bool = False,
) -> None:
    """Raise OutputError, before training, if two outputs would be the same file, another file is in
    the way, another fit is being recorded there, or a run exists and `overwrite` is false."""
    check_apart([FileUse(model, "the model file"), *fit_writes(path, phases)], reads, RECORD)
    with fit_lock(path, phases):
        for place in (phase_path(path, phase) for phase in range(phases)):
            _check_replaceable(place, overwrite)


def _check_replaceable(place: Path, overwrite: bool) -> None:
    """Raise OutputError if a file exists that a run must not replace."""
    check_file(place)
    if not place.is_file() or not place.stat().st_size or is_empty_file(place):
        return
    try:
        with RunFile.read(place, "rw") as file:
            found = None if overwrite else extent_json(file)
    except ModelFileError as error:
        why = f"cannot be replaced ({error})" if is_run(place) else "is there and is not a run file"
        raise OutputError(f"{place} {why}; name another place with --record") from None
    if found is not None:
        finish = f", or finish it: glassnet resume {place}" if found[1] else ""
        raise OutputError(
            f"{place} holds a run already ({found[0]}); name another place with --record, replace "
            f"it with --overwrite{finish}"
        )


def check_fit_room(path: str | Path, examined: ExaminedTable, recipe: Recipe) -> None:
    """Raise OutputError if the disk has no room for a run: its data if they are small, seven times
    the weights (they and Adam's state before the first step and after the last, and the result),
    and the weights once more for each fold."""
    split, target = examined.split(), examined.target
    schema = fitted_schema(examined, split)
    inputs = len(schema.inputs)
    weights = 4 * architecture_of(schema, recipe).parameters
    data = 4 * (inputs + target.outputs) * (len(split.train) + len(split.validation))
    chosen = recipe.folds if recipe.folds > 1 else 0
    check_room(Path(path), (7 + chosen) * weights + (data if data <= SMALL else 0))


def announce_fit(
    recording: Recording, examined: ExaminedTable, recipe: Recipe, scoring: Scoring | None = None
) -> Recording:
    """Return the recording with the options of the fit, and write a run file with these only: the
    score is computed first, and a fit that is interrupted then can be restarted from its file. Run
    files of later phases of an earlier fit are removed. OutputError if the file cannot be
    written."""
    source = {
        **(recording.source or {}),
        "target": examined.target.name,
        "seed": examined.seed,
        "recipe": to_plain(recipe),
        "name": Path(examined.table.label).name,
        "folds": len(examined.folds()),
        "division": division_json(examined.options),
        **({} if scoring in (None, Scoring()) else {"scoring": to_plain(scoring)}),
    }
    first = Recording(recording.path, {**source, "phase": 1})
    values = {"source": first.found(), "epochs": recipe.epochs, "glassnet": __version__}
    with RunFile.create(recording.path, recording.lock, recording.overwrite) as file:
        with file.begin() as database:
            put_values(database, {**values, "numerics_version": numerics_version})
        _forget_later(recording)
    return Recording(recording.path, source, recording.lock, overwrite=True)


def describe_fit(
    recording: Recording, examined: ExaminedTable, prepared: PreparedTable, score: Score | None
) -> Recording:
    """Return the recording with the settings that lead from its table to the training arrays, and
    from its weights to the model file. `score` is that of the folds, if it was cross-validated."""
    split, held_out = prepared.split, prepared.held_out
    seen = examined.seen_rows(split)
    apart = None if held_out is None else Rows(held_out.x, prepared.truth)
    source = {
        **(recording.source or {}),
        "schema": prepared.schema.to_plain(),
        "rows": counts(split),
        "score": None if score is None else json.dumps(to_plain(score)),
        "held_out": None if apart is None else fingerprint(apart),
        "seen": None if seen is None else seen.to_text(),
    }
    return Recording(recording.path, source, recording.lock, recording.overwrite)


def counts(split: Split) -> dict[str, int]:
    """Return the number of training, validation and held-out rows."""
    return {
        "train": len(split.train),
        "validation": len(split.validation),
        "held_out": len(split.held_out),
    }


def division_json(options: SplitOptions) -> dict[str, Any]:
    """Return the options of the split as JSON values; "weights" only if there are some."""
    found = to_plain(options)
    return found if options.weights else {k: v for k, v in found.items() if k != "weights"}


def division_of(source: dict[str, Any]) -> SplitOptions:
    """Return the options of the split of a recorded fit. In older files without them, equal rows
    could be on both sides."""
    plain = source.get("division") or {"group": None, "order": None, "together": False}
    return from_plain(SplitOptions, {"tested": False, **plain}, "run.source.division")


def scoring_of(source: dict[str, Any]) -> Scoring:
    """Return the scoring options of a recorded fit."""
    return from_plain(Scoring, source.get("scoring") or {}, "run.source.scoring")


def phase_recording(recording: Recording, phase: int) -> Recording:
    """Return the recording of one phase, from 0: its run file, and its number in the source."""
    source = {**(recording.source or {}), "phase": phase + 1}
    return Recording(phase_path(recording.path, phase), source, recording.lock, overwrite=True)


def has_phase(recording: Recording, phase: int) -> bool:
    """Return whether the training of a phase (from 0) of this fit was begun and recorded."""
    place = phase_path(recording.path, phase)
    if not is_run(place) or is_empty_file(place):
        return False
    with RunFile.read(place) as file:
        values = settings_of(file)
    wanted = {**(recording.source or {}), "phase": phase + 1}
    found: dict[str, Any] = values.get("source") or {}
    return "model" in values and all(found.get(key) == wanted.get(key) for key in IDENTITY)


def _forget_later(recording: Recording) -> None:
    """Remove run files of later phases of an earlier fit, which could be mistaken for this fit's;
    stop at the first file that is not one."""
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
    """Return the training rows ("x", with their targets) and the "validation" rows of a fit's run,
    read from its table or from the path `moved`.

    Empty if the run file has its data and `moved` is None, or it is not of a fit. UntrustedError
    for a table outside the run's folder, unless `trust` is true; TableError if its rows are others.
    """
    with RunFile.read(run) as file:
        values = settings_of(file)
        held = bool(file.data_names())
    source: dict[str, Any] = values.get("source") or {}
    if (held and moved is None) or "schema" not in source:
        return {}
    found = recorded_rows(run, {**values, "source": {**source, "test": None}}, moved, trust).parts
    apart = found["validation"]
    return {"x": found["training"], "validation": given_rows(apart)}


def given_rows(rows: Rows) -> tuple[Any, ...]:
    """Return validation rows as a tuple, as `train` takes them: x, y, and weights if there are
    some."""
    return (rows.x, rows.y) if rows.weight is None else (rows.x, rows.y, rows.weight)


@dataclass(frozen=True)
class FitRows:
    """The rows of a fit: inputs and targets of the "training" and the "validation" rows; if there
    are some, inputs and true values of the "held-out" rows. `units` are those of the scored rows,
    `keys` those of the rows of a test table."""

    parts: dict[str, Rows]
    units: Any = None
    keys: Any = None


def recorded_rows(
    run: str | Path,
    values: dict[str, Any],
    moved: str | None = None,
    trust: bool = False,
    test: str | None = None,
) -> FitRows:
    """Return all rows of a fit, from its table; TableError if they are not those of its run.
    `moved` and `test` are new paths of its table and its test table."""
    source: dict[str, Any] = values["source"]
    schema = schema_of(run, source)
    table = open_fit_table(run, source, schema.missing, moved, trust)
    with without_cells(run, source, moved, trust):
        truth, missing = schema.target.read(schema.opened(table))
        rows, cells = np.flatnonzero(~missing), schema.load(table)
        classes, options = truth[rows] if schema.target.classes else None, division_of(source)
        written = schema.opened(table).with_forms({form.column: form for form in options.forms})
        keys, packed = row_keys(cells), from_plain(Recipe, source["recipe"], "recipe").folds > 1
        division = divide(written, cells, keys, rows, source["seed"], classes, options, packed)
        weights = options.weights.of(written, rows, truth[rows], schema.target.classes)
    split, groups = division.division.split(), division.division.groups
    parts: dict[str, Rows] = {}
    for name, part in (("training", split.train), ("validation", split.validation)):
        own = division.division.parts(split)[0] if name == "training" else None
        x = with_column(schema.encode(cells, part, own).x, getattr(groups, name, None))
        weight = None if weights is None else weights[np.searchsorted(rows, part)].astype("f4")
        parts[name] = Rows(x, target_array(schema.target, truth[part]), weight, numbers=part)
    part, units, labels = split.held_out, None, dict.fromkeys(parts, table.label)
    if groups is not None:
        units = division.division.units_of(split.train)
    if len(part):
        units, labels["held-out"] = division.division.units_of(part), table.label
        parts["held-out"] = Rows(schema.encode(cells, part).x, truth[part], numbers=part)
    if source.get("test") is not None:
        other = open_fit_table(run, source, schema.missing, test, trust, "test")
        with without_cells(run, source, test, trust, "test"):
            design, answers, keys = schema.labelled(other)
        parts["held-out"], labels["held-out"] = Rows(design.x, answers), other.label
    _check_prints(run, values, parts, labels)
    return FitRows(parts, units, None if source.get("test") is None else keys)


def _check_prints(
    run: str | Path,
    values: dict[str, Any],
    parts: dict[str, Rows],
    labels: dict[str, str],
) -> None:
    """Raise TableError if a part has no rows, or not those of the run, by their SHA-256."""
    known: dict[str, str] = values.get("sha256") or {}
    if values["source"].get("held_out"):
        known = {**known, "held-out": values["source"]["held_out"]}
    for name, rows in parts.items():
        if not len(rows) or (name in known and fingerprint(rows) != known[name]):
            raise TableError(
                f"{labels[name]} is not what it was when {run} was recorded: its {name} rows have "
                "another SHA-256; restore the table, or fit again with --record"
            )


def source_of_fit(run: str | Path, values: dict[str, Any]) -> dict[str, Any] | None:
    """Return the source settings of a fit's run; None for a training without a table.
    ModelFileError if a setting is missing or wrong."""
    source: dict[str, Any] = values.get("source") or {}
    if not {"recipe", "model"} <= set(source):
        return None
    try:
        found: dict[str, Any] = read_value(
            RecordedFit if "model" in values else FitSource, source, "run.source"
        )
    except ValueError as error:
        raise ModelFileError(f"{run} is damaged: {error}; train the model again") from None
    return found


def schema_of(run: str | Path, source: dict[str, Any]) -> Schema:
    """Return the schema that encodes the table of a run; ModelFileError if it is wrong."""
    try:
        return Schema.from_plain(source.get("schema"))
    except ValueError as error:
        raise ModelFileError(f"{run} cannot be used: {error}; train the model again") from None


def open_fit_table(
    run: str | Path,
    source: dict[str, Any],
    missing: Sequence[str],
    moved: str | None,
    trust: bool = False,
    which: str = "table",
) -> Table:
    """Return the table of a run ("table" or "test"), or the one at the path `moved`.

    Since a run file may come from anyone, a table that only it names is read only in the folder of
    the run, and a query runs in a separate process, unless `trust` is true. UntrustedError for a
    table elsewhere; TableError if it is not there, or cannot be read.
    """
    path, how_to = table_of(run, source, moved, which), _NAMED[which].format(run)
    if moved is None and not trust:
        check_beside(run, [path], f"name it if it is to be read: {how_to}")
    if not os.path.isfile(path):
        used = "trained" if which == "table" else "scored"
        raise TableError(
            f"{path}, the table that {run} was {used} on, is not there; "
            f"if it was moved, name it after the run: {how_to}"
        )
    sql, how = source.get("sql"), {key: source[key] for key in HOW if source.get(key) is not None}
    with without_cells(run, source, moved, trust, which):
        if sql is None or trust:
            return read_table(path, sql=sql, missing=missing, **how)
        return read_apart(path, sql=str(sql), missing=missing, how=how)


_NAMED = {"table": "{} TABLE", "test": "{} --test TABLE"}  # how a moved table is named


def table_of(
    run: str | Path, source: dict[str, Any], moved: str | None, which: str = "table"
) -> str:
    """Return the path of the table of a run, or `moved`; TableError if the run does not name it."""
    if moved is None and source.get(which) is None:
        raise TableError(f"{run} does not say which table it is of; name it: {run} TABLE")
    return moved or as_path(run, source[which])


@contextmanager
def without_cells(
    run: str | Path, source: dict[str, Any], moved: str | None, trust: bool, which: str = "table"
) -> Generator[None]:
    """Within the context, a TableError is replaced by one that does not quote cells, if only the
    run file names the table, not the user, and `trust` is false."""
    try:
        yield
    except TableError as error:
        if moved is not None or trust or isinstance(error, UntrustedError):
            raise
        path = table_of(run, source, None, which)
        raise TableError(
            f"{path}, which {run} names as its table, is not one that it was recorded with; "
            f"to see why, name it yourself: {run} {path}"
        ) from None
