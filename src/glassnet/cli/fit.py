"""`glassnet fit`: a table goes in; a trained network, its score and a model file come out.

In: a table and the name of its target. Out: a model file; the report on standard output.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from glassnet.cli import options
from glassnet.cli.status import INTERRUPTED

if TYPE_CHECKING:
    from glassnet.estimators.tabular.examine import ExaminedTable
    from glassnet.estimators.tabular.fit import FittedTable
    from glassnet.estimators.tabular.recipe import Recipe
    from glassnet.runs.recording import Recording


@options.reads_table
def fit(
    table: options.TablePath,
    target: options.Target,
    output: options.ModelOutput = None,
    time: options.Time = None,
    epochs: options.Epochs = None,
    seed: options.Seed = 0,
    threads: options.Threads = None,
    kind: options.Kinds = None,
    division: options.DivisionOptions = options.BY_CHANCE,
    target_scale: options.TargetScale = None,
    scoring: options.ScoringOptions = options.AS_USUAL,
    reading: options.ReadingOptions = options.AS_IT_IS,
    record: options.Record = None,
    overwrite: options.Overwrite = False,
    report: options.Report = None,
    json: options.Json = False,
) -> int:
    """Train a network to predict one column of TABLE, and score it on rows that it has not seen."""
    from glassnet.estimators.tabular.examine import examine
    from glassnet.estimators.tabular.fit import choose_recipe
    from glassnet.estimators.tabular.rules import checked

    test = division.test
    seconds = None if time is None else options.duration(time)
    kinds = options.with_scale(options.column_kinds(kind or []), target, target_scale)
    path = output or default_output(table)
    _check_outputs(path, report, table, test)
    opened = reading.open(table)
    tested = None if test is None else reading.open(test)
    examined = examine(
        opened, target, kinds=kinds, seed=seed, options=division.asked(), test=tested
    )
    wanted = checked(scoring.asked(), examined.target, examined.truth[examined.rows])
    recipe = choose_recipe(examined, epochs=epochs)
    asked = {**reading.recorded(), "kinds": kinds}
    asked |= {} if test is None else {"test": str(Path(test).absolute())}
    recording = _recording(record, overwrite, table, path, len(recipe.learning_rates), asked)
    how = {"seconds": seconds, "threads": threads, "record": recording, "scoring": wanted}
    return _train_and_report(examined, recipe, path, json, how, report)


def _check_outputs(model: str, report: str | None, *tables: str | None) -> None:
    """Fail before the training where a file cannot be written, or is read."""
    from glassnet.cli.report_file import check_report
    from glassnet.outputs import check_writable

    reads = [table for table in tables if table is not None]
    check_writable(model, *reads)
    check_report(report, *reads, model)


def _recording(
    record: str | None, overwrite: bool, table: str, model: str, phases: int, asked: dict[str, Any]
) -> Recording | None:
    """Where the training is recorded, and how its table was read."""
    from glassnet.estimators.tabular.fit_record import check_recordable
    from glassnet.outputs import FileUse, check_writable
    from glassnet.runs.paths import digest_of
    from glassnet.runs.recording import Recording

    if record is None:
        if overwrite:
            raise typer.BadParameter("--overwrite replaces a run file; name it with --record")
        return None
    check_writable(record, table, option="--record", example="run.glass")
    tables = [source for source in (table, asked.get("test")) if source is not None]
    check_recordable(
        record, phases, model, [FileUse(path, "the table") for path in tables], overwrite
    )
    place = {"model": str(Path(model).absolute()), "model_sha256": digest_of(model)}
    return Recording(record, {"table": table, **asked, **place}, overwrite=overwrite)


def _train_and_report(
    examined: ExaminedTable,
    recipe: Recipe,
    path: str,
    json: bool,
    how: dict[str, Any],
    page: str | None,
) -> int:
    import warnings

    from glassnet.cli.fit_report import FitReport
    from glassnet.cli.progress import TerminalProgress
    from glassnet.cli.report_file import typed_command, write_fit_report
    from glassnet.errors import RecordingWarning
    from glassnet.estimators.tabular.fit import fit as train
    from glassnet.outputs import Expected

    report, expected = FitReport(examined, recipe), Expected(path)
    if not json:
        report.before()
    with TerminalProgress(recipe.epochs) as progress, warnings.catch_warnings():
        warnings.simplefilter("ignore", RecordingWarning)  # said once, below
        fitted = train(examined, recipe, callbacks=[progress], stage=progress.stage, **how)
    changed = expected.note()
    size = _saved(fitted, path, how["record"])
    if page is not None:
        write_fit_report(page, examined, fitted, path, typed_command())
    if json:
        report.as_json(fitted, path, size)
    else:
        report.after(fitted, path, size, page)
    for note in filter(None, (fitted.course.moved, fitted.course.unrecorded, changed)):
        print(f"glassnet: {note}", file=sys.stderr)
    return INTERRUPTED if fitted.course.stopped == "interrupted" else 0


def _saved(fitted: FittedTable, path: str, record: Recording | None) -> int:
    """Write the model file, of which the run file keeps the digest; its bytes."""
    from glassnet.estimators.tabular.fit_resume import note_model

    size = fitted.model.save(path, "-o")
    if record is not None:
        note_model(next(iter(fitted.course.runs), record.path), path)
    return size


def default_output(table: str) -> str:
    """penguins.safetensors for data/penguins.csv.gz, in the folder where the command runs."""
    name = Path(table).name
    for packing in (".gz", ".zst", ".zstd"):
        name = name.removesuffix(packing)
    return f"{Path(name).stem}.safetensors"
