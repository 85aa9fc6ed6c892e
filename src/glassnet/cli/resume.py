"""`glassnet resume`: resume a recorded run.

In: a run file, and its data if the file does not hold them. Out: the same file with more epochs;
for a run of `glassnet fit` also its model file.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glassnet.cli.options import Epochs, Json, Report, Threads, Time, Trust, duration
from glassnet.cli.status import INTERRUPTED
from glassnet.words import plural

if TYPE_CHECKING:
    from glassnet.estimators.tabular.examine import ExaminedTable
    from glassnet.estimators.tabular.fit_resume import Recorded
    from glassnet.estimators.tabular.fit_table import FittedTable
    from glassnet.training.history import History

_OUTPUT = "The model file of a fit; by default where `glassnet fit` wrote it, if beside RUN."


def resume(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run file.", show_default=False)],
    data: Annotated[
        str | None,
        typer.Argument(
            metavar="DATA",
            help="Its table, or an .npz file of its arrays x, y (and weight).",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="MODEL", help=_OUTPUT)
    ] = None,
    test: Annotated[
        str | None, typer.Option(metavar="TABLE", help="The test table of RUN, if it moved.")
    ] = None,
    time: Time = None,
    epochs: Epochs = None,
    threads: Threads = None,
    trust: Trust = False,
    report: Report = None,
    json: Json = False,
) -> int:
    """Resume RUN; the result is bit-identical to an uninterrupted run. For a run of `glassnet fit`,
    finish all its phases and write its model file. The time limit of the first call no longer
    applies; --time sets a new one."""
    from glassnet.estimators.tabular.fit_resume import model_path, recorded_fit

    recorded = recorded_fit(run, trust)
    if recorded is not None and test is not None:
        recorded = replace(recorded, test=test)
    if recorded is not None and not (data or "").endswith(".npz"):
        seconds = None if time is None else duration(time)
        path = output or model_path(recorded, data)
        return _fit(recorded, data, path, seconds, epochs, threads, report, json)
    _refuse_fit_options(run, {"-o": output, "--time": time, "--test": test, "--report": report})
    return _run(run, run_arrays(run, data, trust), epochs, threads, json)


def _refuse_fit_options(run: str, given: dict[str, str | None]) -> None:
    """BadParameter where a run of `gn.train` is resumed with an option of fits."""
    for option, value in given.items():
        if value is not None:
            raise typer.BadParameter(
                f"{option} is for runs of `glassnet fit`; {run} was recorded by gn.train"
            )


def _run(
    run: str, rows: dict[str, Any], epochs: int | None, threads: int | None, json: bool
) -> int:
    """Resume a run of `gn.train`."""
    from glassnet.cli.output import print_json
    from glassnet.runs.resume_run import resume as go_on

    before = len(_losses(run))
    model, history = go_on(run, epochs=epochs, threads=threads, **rows)
    if json:
        print_json({
            "run": run, "epochs": len(history.loss), "loss": history.loss[-1],
            "stopped": history.stopped, "sha256": digest(model),
        })  # fmt: skip
    else:
        print(
            f"{plural(len(history.loss), 'epoch')}, loss {history.loss[-1]:.6g}, "
            f"W has SHA-256 {digest(model)}"
        )
        if len(history.loss) == before:
            print(_nothing_left(run, history))
    return INTERRUPTED if history.stopped == "interrupted" else 0


def _losses(run: str) -> list[float]:
    from glassnet.runs.file import RunFile

    with RunFile.read(run) as file:
        return file.history()[0]


def _nothing_left(run: str, history: History) -> str:
    """Return why nothing was trained, and the command that would train on."""
    from glassnet.cli.output import REASONS

    why = REASONS.get(history.stopped, history.stopped)
    more = f"; glassnet resume {run} --epochs {2 * len(history.loss)} goes on"
    return f"nothing was left to do ({why}){'' if history.stopped == 'converged' else more}"


def _fit(
    recorded: Recorded,
    table: str | None,
    path: str,
    seconds: float | None,
    epochs: int | None,
    threads: int | None,
    report: str | None,
    json: bool,
) -> int:
    """Finish a fit, and write its model file."""
    from glassnet.cli.fit_report import print_fitted
    from glassnet.cli.output import console, print_json
    from glassnet.cli.terminal_progress import TerminalProgress
    from glassnet.estimators.tabular.fit_resume import note_model, resume_fit
    from glassnet.outputs import Expected

    run = str(recorded.run)
    _check_files(recorded, table, path)
    examined = None if report is None else _examined(recorded, table, report, path)
    expected = Expected(path)
    with TerminalProgress(epochs or recorded.recipe.epochs) as progress:
        fitted = resume_fit(
            recorded, table, epochs=epochs, seconds=seconds, threads=threads,
            callbacks=[progress], stage=progress.stage,
        )  # fmt: skip
    changed = expected.note()
    size = fitted.model.save(path, "-o")
    note_model(next(iter(fitted.course.runs), run), path)
    if report is not None and examined is not None:
        _write_report(report, examined, fitted, path)
    folds = recorded.source["folds"]
    if json:
        print_json({"run": run, **_fit_json(fitted, folds), "model": path, "bytes": size})
    else:
        print_fitted(fitted, path, size, console(), report)
    for note in filter(None, (fitted.course.moved, fitted.course.unrecorded, changed)):
        print(f"glassnet: {note}", file=sys.stderr)
    return INTERRUPTED if fitted.course.stopped == "interrupted" else 0


def _check_files(recorded: Recorded, table: str | None, model: str) -> None:
    """OutputError where a file would be written that is read, or is another one."""
    from glassnet.estimators.tabular.fit_record import check_recordable
    from glassnet.outputs import FileUse, check_writable

    run, phases = str(recorded.run), len(recorded.recipe.learning_rates)
    tables = table, recorded.source.get("table"), recorded.test, recorded.source.get("test")
    check_writable(model, run, *(path for path in (table, recorded.test) if path))
    reads = [FileUse(path, "the table") for path in tables if path]
    check_recordable(run, phases, model, reads, overwrite=True)


def _examined(recorded: Recorded, table: str | None, report: str, model: str) -> ExaminedTable:
    """The table that the report is of; an error, before the training, where there can be none."""
    from glassnet.cli.report_file import check_report
    from glassnet.errors import GlassnetError
    from glassnet.estimators.tabular.fit_resume import examine_recorded

    check_report(report, str(recorded.run), model, table, recorded.test)
    if recorded.begun and recorded.source["folds"] and recorded.recipe.folds == 1:
        raise GlassnetError(
            f"{recorded.run} has the score, but not the predictions of the rows that it is of, "
            "since other networks made them; leave --report out, and write a report of the model: "
            f"glassnet evaluate {model} TABLE --report {report}"
        )
    return examine_recorded(recorded, table)


def _write_report(report: str, examined: ExaminedTable, fitted: FittedTable, model: str) -> None:
    from glassnet.cli.report_file import typed_command, write_fit_report

    answers = fitted.answers
    if answers is not None and answers.rows is None and examined.test is None:
        # older run files do not have the numbers of their rows
        fitted = replace(fitted, answers=replace(answers, rows=examined.split().train))
    write_fit_report(report, [(examined, fitted)], model, typed_command())


def _fit_json(fitted: FittedTable, folds: int) -> dict[str, Any]:
    """Return a fit as JSON values."""
    from glassnet.cli.score_report import score_json
    from glassnet.cli.table_report import notes_json

    course, classes = fitted.course, fitted.model.schema.target.classes
    return {
        "epochs": len(course.loss),
        "loss": course.loss[-1],
        "stopped": course.stopped,
        "sha256": digest(fitted.model.network),
        "best_epoch": course.best_epoch,
        "score": {**score_json(fitted.score, classes), "folds": folds},
        "scored_on": fitted.scored_on,
        "remarks": notes_json(fitted.remarks),
        "runs": course.runs,
        "unrecorded": course.unrecorded or None,
        "moved": course.moved or None,
    }


def digest(model: Any) -> str:
    """Return the SHA-256 of all weights."""
    import hashlib

    return hashlib.sha256(model.W.tobytes()).hexdigest()


def run_arrays(run: str, data: str | None, trust: bool = False) -> dict[str, Any]:
    """Return the data of a run whose file does not hold them, as keyword arguments of `open_step`.

    They are the arrays of an .npz file, the rows of the table of `glassnet fit --record`, or the
    files that `gn.train` streamed. `data` is their path if they moved. Paths that the run file
    names are read only in its own folder, unless `trust` is true."""
    from glassnet.estimators.tabular.fit_record import rows_of
    from glassnet.inspect.streams import streams_of

    if data is not None and data.endswith(".npz"):
        return arrays(data)
    return rows_of(run, data, trust) or streams_of(run, data, trust) or arrays(data)


def arrays(path: str | None) -> dict[str, Any]:
    """Return x, y and weights from an .npz file; TableError if it has none."""
    import zipfile
    import zlib

    import numpy as np

    from glassnet.errors import TableError
    from glassnet.files import open_plain

    if path is None:
        return {}
    try:
        with open_plain(path) as content, np.load(content, allow_pickle=False) as file:
            found = {name: file[name] for name in file.files}
        named = {"x": found["x"], "y": found["y"], "sample_weight": found.get("weight")}
    except (
        OSError, ValueError, LookupError, AttributeError, EOFError, RuntimeError, zlib.error,
        zipfile.BadZipFile,
    ) as error:  # fmt: skip
        raise TableError(
            f"{path} has no arrays x and y ({error}); write them with numpy.savez(path, x=x, y=y)"
        ) from None
    return named
