"""`glassnet fit`: a table goes in; a trained network, its score and a model file come out.

In: a table and the name of its target. Out: a model file; the report on standard output.
"""

from __future__ import annotations

import sys
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import typer

from glassnet.cli import options
from glassnet.cli.status import INTERRUPTED

if TYPE_CHECKING:
    from glassnet.estimators.tabular.examine import ExaminedTable
    from glassnet.estimators.tabular.finish import RungPlan
    from glassnet.estimators.tabular.fit_table import FittedTable
    from glassnet.estimators.tabular.recipe import Recipe
    from glassnet.runs.recording import Recording

_AROUND = 0.4  # seconds that starting, the model file and the lines about it take


@options.reads_table
def fit(
    table: options.TablePath,
    target: options.Target,
    output: options.ModelOutput = None,
    effort: options.EffortOptions = options.BY_DEFAULT,
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
    from glassnet.estimators.tabular.answer_rules import check_scoring
    from glassnet.estimators.tabular.examine import examine
    from glassnet.estimators.tabular.fit_table import choose_recipe

    test, deadline = division.test, effort.deadline()
    kinds = options.with_scale(options.column_kinds(kind or []), target, target_scale)
    path = output or default_output(table)
    _check_outputs(path, report, table, test)
    opened = reading.open(table)
    tested = None if test is None else reading.open(test)
    plans, seed, packed = _plans(effort, seed, record)
    examined = examine(
        opened, target, kinds=kinds, seed=seed, options=division.asked(), test=tested, packed=packed
    )
    wanted = check_scoring(scoring.asked(), examined.target, examined.truth[examined.rows])
    recipe = plans[0].recipe if plans else choose_recipe(examined, epochs=effort.epochs)
    asked = _asked(reading, kinds, test)
    recording = _recording(record, overwrite, table, path, len(recipe.learning_rates), asked)
    how: dict[str, Any] = {"threads": threads, "record": recording, "scoring": wanted}
    how["plans"] = plans or None
    return _train_and_report(examined, recipe, path, json, how, report, deadline)


def _plans(
    effort: options.EffortOptions, seed: int, record: str | None
) -> tuple[tuple[RungPlan, ...], int, bool | None]:
    """The plans that a model records, its seed, and whether its networks learnt in folds."""
    from glassnet.estimators.tabular.finish import plans_of
    from glassnet.estimators.tabular.table_model import TableModel

    like = effort.like
    if like is None:
        return (), seed, None
    others = ("time", effort.time), ("epochs", effort.epochs), ("record", record)
    for option, given in others:
        if given is not None:
            raise typer.BadParameter(f"--like trains what {like} records; leave --{option} out")
    model = TableModel.load(like)
    plans = plans_of(model, like)
    return plans, model.training["seed"], plans[0].recipe.folds > 1


def _asked(
    reading: options.ReadingOptions, kinds: dict[str, str], test: str | None
) -> dict[str, Any]:
    """What a run file keeps of the options."""
    found = {**reading.recorded(), "kinds": kinds}
    return found if test is None else {**found, "test": str(Path(test).absolute())}


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
    deadline: float | None,
) -> int:
    import warnings

    from glassnet.cli.fit_report import FitReport
    from glassnet.cli.report_file import typed_command, write_fit_report
    from glassnet.cli.terminal_progress import TerminalProgress
    from glassnet.errors import RecordingWarning
    from glassnet.estimators.tabular.explanation import rows_answered
    from glassnet.estimators.tabular.fit_table import fit as train
    from glassnet.outputs import Expected

    report, expected = FitReport(examined, recipe), Expected(path)
    if not json:
        report.before()
    with TerminalProgress(recipe.epochs) as progress, warnings.catch_warnings():
        warnings.simplefilter("ignore", RecordingWarning)  # said once, below
        fitted = train(
            examined, recipe, callbacks=[progress], stage=progress.stage, **how,
            seconds=None if deadline is None else deadline - monotonic() - _AROUND,
            later=0 if page is None else rows_answered(len(examined.rows), len(examined.columns)),
        )  # fmt: skip
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
