"""`glassnet fit`: train a network on a table, score it, and write a model file.

In: a table and the name of its target. Out: a model file; the report on standard output.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from glassnet.cli import options
from glassnet.cli.fit_order import FitOrder
from glassnet.cli.status import INTERRUPTED

if TYPE_CHECKING:
    from glassnet.estimators.tabular.examine import ExaminedTable
    from glassnet.estimators.tabular.fit_table import FittedTable
    from glassnet.estimators.tabular.recipe import Recipe
    from glassnet.estimators.tabular.several_targets import TargetOptions
    from glassnet.runs.recording import Recording
    from glassnet.tables.table import Table


@options.reads_table
def fit(
    table: options.TablePath,
    target: options.Targets,
    output: options.ModelOutput = None,
    effort: options.EffortOptions = options.BY_DEFAULT,
    seed: options.Seed = 0,
    threads: options.Threads = None,
    kind: options.Kinds = None,
    division: options.DivisionOptions = options.BY_CHANCE,
    target_scale: options.TargetScale = None,
    ordered: options.Ordered = None,
    scoring: options.ScoringOptions = options.AS_USUAL,
    reading: options.ReadingOptions = options.AS_IT_IS,
    record: options.Record = None,
    overwrite: options.Overwrite = False,
    report: options.Report = None,
    json: options.Json = False,
) -> int:
    """Train a network to predict one column of TABLE, and score it on held-out rows. For several
    target columns, train one network each, in one model file."""
    from glassnet.cli.fit_targets import fit_targets
    from glassnet.estimators.tabular.several_targets import TargetOptions, target_names

    order = FitOrder(
        table, output or default_output(table), division.test, reading, effort, seed, threads,
        record, overwrite, report, json, effort.deadline(),
    )  # fmt: skip
    scale, kinds = options.check_scale(target_scale), options.column_kinds(kind or [])
    wanted = TargetOptions(kinds, scale, division.asked(), scoring.asked(), ordered)
    _check_outputs(order.model, report, table, division.test)
    opened = reading.open(table)
    tested = None if division.test is None else reading.open(division.test)
    targets = target_names(target, opened)
    if len(targets) > 1:
        return fit_targets(order, opened, tested, targets, wanted)
    return _fit_target(order, opened, tested, next(iter(targets)), wanted)


def _fit_target(
    order: FitOrder, table: Table, test: Table | None, target: str, wanted: TargetOptions
) -> int:
    from glassnet.estimators.tabular.answer_rules import check_scoring
    from glassnet.estimators.tabular.examine import examine
    from glassnet.estimators.tabular.fit_table import choose_recipe

    kinds = options.with_target_kind(dict(wanted.kinds), target, wanted.scale, wanted.order)
    plans, seed, packed = order.plans(target)
    examined = examine(
        table, target, kinds=kinds, seed=seed, options=wanted.options, test=test, packed=packed
    )
    scoring = check_scoring(wanted.scoring, examined.target, examined.truth[examined.rows])
    recipe = plans[0].recipe if plans else choose_recipe(examined, epochs=order.effort.epochs)
    how: dict[str, Any] = {"threads": order.threads, "scoring": scoring, "plans": plans or None}
    how["record"] = _recording(order, kinds, len(recipe.learning_rates))
    return _train_and_report(examined, recipe, order, how)


def _asked(
    reading: options.ReadingOptions, kinds: dict[str, str], test: str | None
) -> dict[str, Any]:
    """Return the options that a run file records."""
    found = {**reading.recorded(), "kinds": kinds}
    return found if test is None else {**found, "test": str(Path(test).absolute())}


def _check_outputs(model: str, report: str | None, *tables: str | None) -> None:
    """Raise an error before training if an output cannot be written, or is one of the inputs."""
    from glassnet.cli.report_file import check_report
    from glassnet.outputs import check_writable

    reads = [table for table in tables if table is not None]
    check_writable(model, *reads)
    check_report(report, *reads, model)


def _recording(order: FitOrder, kinds: dict[str, str], phases: int) -> Recording | None:
    """Return the run file of the training with its data source; None without --record."""
    from glassnet.estimators.tabular.fit_record import check_recordable
    from glassnet.outputs import FileUse, check_writable
    from glassnet.runs.paths import digest_of
    from glassnet.runs.recording import Recording

    record, table, model = order.record, order.table, order.model
    if record is None:
        if order.overwrite:
            raise typer.BadParameter("--overwrite replaces a run file; name it with --record")
        return None
    asked = _asked(order.reading, kinds, order.test)
    check_writable(record, table, option="--record", example="run.glass")
    tables = [source for source in (table, asked.get("test")) if source is not None]
    uses = [FileUse(path, "the table") for path in tables]
    check_recordable(record, phases, model, uses, order.overwrite)
    place = {"model": str(Path(model).absolute()), "model_sha256": digest_of(model)}
    return Recording(record, {"table": table, **asked, **place}, overwrite=order.overwrite)


def _train_and_report(
    examined: ExaminedTable, recipe: Recipe, order: FitOrder, how: dict[str, Any]
) -> int:
    import warnings

    from glassnet.cli.fit_report import FitReport
    from glassnet.cli.report_file import typed_command, write_fit_report
    from glassnet.cli.terminal_progress import TerminalProgress
    from glassnet.errors import RecordingWarning
    from glassnet.estimators.tabular.explanation import rows_answered
    from glassnet.estimators.tabular.fit_table import fit as train
    from glassnet.outputs import Expected

    report, path, page = FitReport(examined, recipe), order.model, order.page
    expected = Expected(path)
    if not order.json:
        report.before()
    with TerminalProgress(recipe.epochs) as progress, warnings.catch_warnings():
        warnings.simplefilter("ignore", RecordingWarning)  # printed once, below
        fitted = train(
            examined, recipe, callbacks=[progress], stage=progress.stage, **how,
            seconds=order.seconds(),
            later=0 if page is None else rows_answered(len(examined.rows), len(examined.columns)),
        )  # fmt: skip
    changed = expected.note()
    size = _saved(fitted, path, how["record"])
    if page is not None:
        write_fit_report(page, [(examined, fitted)], path, typed_command())
    if order.json:
        report.as_json(fitted, path, size)
    else:
        report.after(fitted, path, size, page)
    for note in filter(None, (fitted.course.moved, fitted.course.unrecorded, changed)):
        print(f"glassnet: {note}", file=sys.stderr)
    return INTERRUPTED if fitted.course.stopped == "interrupted" else 0


def _saved(fitted: FittedTable, path: str, record: Recording | None) -> int:
    """Write the model file, record its digest in the run file, and return its size in bytes."""
    from glassnet.estimators.tabular.fit_resume import note_model

    size = fitted.model.save(path, "-o")
    if record is not None:
        note_model(next(iter(fitted.course.runs), record.path), path)
    return size


def default_output(table: str) -> str:
    """Return the default model file: penguins.safetensors for data/penguins.csv.gz."""
    name = Path(table).name
    for packing in (".gz", ".zst", ".zstd"):
        name = name.removesuffix(packing)
    return f"{Path(name).stem}.safetensors"
