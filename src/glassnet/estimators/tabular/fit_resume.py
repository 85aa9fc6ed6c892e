"""Resume a fit from its run files; the model is that of an uninterrupted fit.

In: the run file of any phase; its table, if the file does not hold its data. Out: a `FittedTable`,
as of `fit`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from glassnet.errors import GlassnetError, ModelFileError, OutputError, UntrustedError
from glassnet.estimators.tabular.baseline import (
    fold_tasks,
    held_out_task,
    verdict,
    with_figure,
)
from glassnet.estimators.tabular.evaluation import Evaluation
from glassnet.estimators.tabular.examine import ExaminedTable, examine
from glassnet.estimators.tabular.finish import (
    RungPlan,
    Trained,
    choice_of,
    finished,
    rung_of,
)
from glassnet.estimators.tabular.fit_record import (
    FitRows,
    division_of,
    fit_lock,
    open_fit_table,
    phase_path,
    recorded_rows,
    schema_of,
    scoring_of,
    source_of_fit,
    without_cells,
)
from glassnet.estimators.tabular.fit_table import (
    FittedTable,
    Stage,
    fit,
    fold_score,
    score_as_asked,
    scored_rows_text,
    training_summary,
)
from glassnet.estimators.tabular.ladder import Deadline
from glassnet.estimators.tabular.phases import train_in_phases
from glassnet.estimators.tabular.recipe import Recipe
from glassnet.estimators.tabular.rung import Settings, network_of
from glassnet.estimators.tabular.score import Score, with_decisions
from glassnet.nn.losses import CrossEntropy, HalfMSE
from glassnet.rounding import computed_to_nearest
from glassnet.runs.descriptions import as_data
from glassnet.runs.disk import COPY
from glassnet.runs.file import RunFile, put_values
from glassnet.runs.lock import WriterLock
from glassnet.runs.paths import MODEL, as_path, digest_of, is_beside, takes_model
from glassnet.runs.recording import Recording
from glassnet.runs.resume_run import PICKED, TOO_FEW
from glassnet.runs.run_settings import settings_of
from glassnet.serialize import from_plain, parse, to_plain
from glassnet.tables.notes import Note
from glassnet.tables.repeats import SeenRows
from glassnet.tables.table import Table
from glassnet.tables.table_schema import Design, Schema
from glassnet.training.data_checks import Rows
from glassnet.words import plural

OVER = (
    "{} ended after {} because the validation loss no longer fell, in its last phase too, so that "
    "epochs={} would change nothing; resume it without that, or fit again with another seed or "
    "other columns"
)


@dataclass(frozen=True)
class Recorded:
    """A recorded fit."""

    run: Path  # of its first phase
    values: dict[str, Any]  # the settings in that run file
    recipe: Recipe
    done: int  # epochs, over all phases
    lock: WriterLock | None = None  # on all run files, while the fit is resumed
    trust: bool = False  # whether it may name files outside its folder
    over: bool = False  # whether early stopping ended the last phase
    test: str | None = None  # the new path of its test table, if that was moved

    @property
    def source(self) -> dict[str, Any]:
        """The settings of the fit: its table and its options."""
        return self.values["source"]

    @property
    def model(self) -> str:
        """The path of its model file, as given for the fit."""
        return as_path(self.run, self.source["model"])

    @property
    def begun(self) -> bool:
        """Whether training of the model's network has begun, rather than only that of the score's
        networks."""
        return "model" in self.values


def recorded_fit(run: str | Path, trust: bool = False) -> Recorded | None:
    """Return the fit that a run file belongs to; None for a training without a table. With `trust`
    it may read and write files outside its folder. ModelFileError if a run file is damaged."""
    values = _values(run)
    source = source_of_fit(run, values)
    if source is None:
        return None
    phase, first = source.get("phase", 1), Path(run)
    if phase > 1:
        first = first.with_name(first.stem.removesuffix(f".phase{phase}") + first.suffix)
        values = _values(first)
        source = source_of_fit(first, values)
    if source is None:
        return None
    try:
        recipe = from_plain(Recipe, source["recipe"], "run.source.recipe")
    except ValueError as error:
        raise ModelFileError(f"{run} is damaged: {error}; train the model again") from None
    places = [phase_path(first, phase) for phase in range(len(recipe.learning_rates))]
    done = sum(_epochs(place) for place in places if place.is_file())
    last: dict[str, Any] = _values(places[-1]) if places[-1].is_file() else {}
    ended: dict[str, Any] = last.get("ended") or {}
    over = ended.get("stopped") == "early"
    return Recorded(first, values, recipe, done, trust=trust, over=over)


def model_path(recorded: Recorded, moved: str | None) -> str:
    """Return the path of the model that the run file names. `moved` is the new path of the table.

    Unless the run is trusted, UntrustedError, with all files that it asks for, if it would read one
    outside its folder, or write one that is not a visible .safetensors file in it. OutputError if
    another file than this run's model is there.
    """
    run, path = recorded.run, recorded.model
    reads: list[Any] = []
    if _needs_table(recorded):
        reads += [] if moved is not None else [recorded.source.get("table")]
        reads += [] if recorded.test is not None else [recorded.source.get("test")]
    far = [as_path(run, path) for path in reads if path is not None]
    far = [path for path in far if not is_beside(run, path)]
    written = [] if takes_model(run, path) else [path]
    if (far or written) and not recorded.trust:
        why = "outside its folder"
        asks = [f"read {path}, {why}" for path in far]
        if written and is_beside(run, path):
            why = f"and no {MODEL} file right beside it"
        asks += [f"write {path}, {why}" for path in written]
        says = " TABLE" * bool(far) + " -o MODEL" * bool(written)
        raise UntrustedError(
            f"{run} asks to {', and to '.join(asks)}; name what you want yourself: "
            f"glassnet resume {run}{says}, or allow it with --trust"
        )
    if os.path.lexists(path) and digest_of(path) != (recorded.source.get("model_sha256") or ""):
        raise OutputError(
            f"{path} is there and is not the model that {run} wrote; name another place with -o, "
            "or the same one to replace it"
        )
    return path


def note_model(run: str | Path, path: str) -> None:
    """Store the digest of the model file in a run file that names it, so that only this fit
    replaces it. A GlassnetError is suppressed: then the model must be named with -o next time."""
    with suppress(GlassnetError), RunFile.append(run) as file, file.change() as database:
        source: dict[str, Any] = file.values().get("source") or {}
        if os.path.realpath(source.get("model") or "") == os.path.realpath(path):
            put_values(database, {"source": {**source, "model_sha256": digest_of(path)}})


def _values(run: str | Path) -> dict[str, Any]:
    with RunFile.read(run) as file:
        return settings_of(file)


def _epochs(run: Path) -> int:
    with RunFile.read(run) as file:
        return len(file.history()[0])


@computed_to_nearest
def resume_fit(
    recorded: Recorded,
    moved: str | None = None,
    *,
    epochs: int | None = None,
    seconds: float | None = None,
    threads: int | None = None,
    callbacks: Sequence[Any] = (),
    stage: Stage = lambda text: None,
) -> FittedTable:
    """Return a recorded fit, finished. `moved` is the new path of its table.

    `epochs` is a new maximum for all phases together, and for the folds of the score, which are
    then trained again; the time limit of the fit no longer applies, `seconds` is a new one. The run
    files are locked meanwhile. GlassnetError if `epochs` is fewer than were trained, or changes
    nothing; TableError if the table is another one; ModelFileError if a run file is damaged.
    """
    with fit_lock(recorded.run, len(recorded.recipe.learning_rates)) as lock:
        # another fit may have ended since it was read
        now = recorded_fit(recorded.run, recorded.trust)
        if now is None:
            raise GlassnetError(
                f"{recorded.run} was replaced by another run just now; look at it again"
            )
        return _finish_fit(
            _with_epochs(replace(now, lock=lock, test=recorded.test), epochs),
            moved,
            seconds,
            threads,
            callbacks,
            stage,
        )


def _finish_fit(
    recorded: Recorded,
    moved: str | None,
    seconds: float | None,
    threads: int | None,
    callbacks: Sequence[Any],
    stage: Stage,
) -> FittedTable:
    source, recipe = recorded.source, recorded.recipe
    shared: dict[str, Any] = {"threads": threads, "callbacks": callbacks}
    if not recorded.begun:
        record = Recording(recorded.run, source, recorded.lock, overwrite=True)
        return fit(
            examine_recorded(recorded, moved),
            recipe,
            seconds=seconds,
            stage=stage,
            record=record,
            scoring=scoring_of(source),
            **shared,
        )
    schema = schema_of(recorded.run, source)
    rows = _rows(recorded, moved)
    if source["folds"] and recipe.folds == 1 and source["score"] is None:
        settings = Settings(
            recipe, source["seed"], threads, callbacks, scoring_of(source), one_network=True
        )
        deadline = None if seconds is None else Deadline(seconds)
        found, *_ = fold_score(examine_recorded(recorded, moved), settings, deadline, stage)
        seconds = None if deadline is None else deadline.left()
        recorded = _with_source(recorded, score=json.dumps(to_plain(found)))
        source = recorded.source
    stage("all rows" if source["score"] is not None else "")
    return _trained_network(recorded, schema, rows, seconds, shared)


def _trained_network(
    recorded: Recorded,
    schema: Schema,
    rows: FitRows,
    seconds: float | None,
    shared: dict[str, Any],
) -> FittedTable:
    """Return the finished fit: the rest of the network's training, its score and its model."""
    source, recipe = recorded.source, recorded.recipe
    training, validation = rows.parts["training"], rows.parts["validation"]
    started = network_of(schema, recipe, source["seed"], training.x)
    if as_data(started.network) != recorded.values["model"]:
        raise ModelFileError(
            f"{recorded.run} is damaged: its recipe and its table make another network than its "
            f"model; {COPY}"
        )
    loss = CrossEntropy() if schema.target.classes else HalfMSE()
    choice = choice_of(recipe, validation)
    course = train_in_phases(
        started.network, loss, recipe, training, validation, seed=source["seed"], seconds=seconds,
        threads=shared["threads"], callbacks=[*([choice] if choice else []), *shared["callbacks"]],
        record=Recording(recorded.run, source, recorded.lock), go_on=True,
    )  # fmt: skip
    seen = source.get("seen")
    known = replace(started, seen=None if seen is None else SeenRows.from_text(seen))
    asked = scoring_of(source)
    plan = RungPlan(recipe, source["seed"])
    rung = rung_of(plan, known, course, choice, training, validation, rows.units, asked)
    trained = finished([rung], asked)
    model = trained.model
    found, remarks, answers = _score(source, trained, rows)
    found = with_decisions(found, model.rules)
    about = {**source, "table": source["name"]}
    model.training.update(training_summary(about, recipe, course, found))
    said = scored_rows_text(about, found)
    return FittedTable(model, found, course, said, remarks, trained.out_of_fold, answers)


def examine_recorded(recorded: Recorded, moved: str | None) -> ExaminedTable:
    """Return the table of a recorded fit, examined with the options of that fit; TableError if it
    is not there, or does not suit them."""
    source, trust = recorded.source, recorded.trust
    table = open_fit_table(recorded.run, source, source.get("missing", []), moved, trust)
    with without_cells(recorded.run, source, moved, trust):
        return examine(
            table, source["target"], kinds=source.get("kinds"), seed=source["seed"],
            options=division_of(source), test=_test_table(recorded),
            packed=recorded.recipe.folds > 1,
        )  # fmt: skip


def _test_table(recorded: Recorded) -> Table | None:
    """Return the test table of the fit, if it has one."""
    source = recorded.source
    if source.get("test") is None:
        return None
    asked = source.get("missing", []), recorded.test, recorded.trust
    return open_fit_table(recorded.run, source, *asked, "test")


def _with_epochs(recorded: Recorded, epochs: int | None) -> Recorded:
    """Return the fit with another maximum of epochs, and store that in its first run file. A score
    of folds is dropped, since it was computed with the old limit. GlassnetError if more epochs were
    trained, or early stopping has ended the last phase."""
    if epochs is None or epochs == recorded.recipe.epochs:
        return recorded
    if epochs < recorded.done:
        raise GlassnetError(TOO_FEW.format(epochs, plural(recorded.done, "epoch"), recorded.run))
    if recorded.over:
        raise GlassnetError(OVER.format(recorded.run, plural(recorded.done, "epoch"), epochs))
    recipe = recorded.recipe.with_epochs(epochs)
    return replace(_with_source(recorded, recipe=to_plain(recipe), score=None), recipe=recipe)


def _with_source(recorded: Recorded, **changed: Any) -> Recorded:
    """Return the fit with other source settings, and store them in its first run file."""
    source = {**recorded.source, **changed}
    with RunFile.append(recorded.run, recorded.lock) as file, file.change() as database:
        put_values(database, {"source": source})
    return replace(recorded, values={**recorded.values, "source": source})


def _rows(recorded: Recorded, moved: str | None) -> FitRows:
    """Return the rows of the fit: from its run file if it has all that are needed and the table was
    not named, else from the table."""
    if moved is not None or _needs_table(recorded):
        return recorded_rows(recorded.run, recorded.values, moved, recorded.trust, recorded.test)
    with RunFile.read(recorded.run) as file:
        held = file.data()
    numbers = held.pop(PICKED, {}).get("rows")
    rows = {
        name: Rows(rows_of["x"], rows_of["y"], rows_of.get("weight"))
        for name, rows_of in held.items()
    }
    return FitRows(rows | {"training": replace(rows["training"], numbers=numbers)})


def _needs_table(recorded: Recorded) -> bool:
    """Return whether the run file lacks data for the rest of the training, or for the score."""
    if not recorded.begun:
        return True
    options = division_of(recorded.source)
    units = options.group is not None or options.together
    if recorded.source["score"] is None and (recorded.recipe.folds == 1 or units):
        return True
    with RunFile.read(recorded.run) as file:
        return not {"training", "validation"} <= file.data_names()


def _score(
    source: dict[str, Any], trained: Trained, rows: FitRows
) -> tuple[Score, tuple[Note, ...], Evaluation | None]:
    """Return the score (cross-validated before, or on the held-out rows), notes on it, and the
    predictions that it was computed from."""
    model, target, asked = trained.model, trained.model.schema.target, scoring_of(source)
    if source["score"] is not None:
        found = from_plain(Score, parse(source["score"]), "run.source.score")
        return found, verdict(found), None
    training, validation = rows.parts["training"], rows.parts["validation"]
    if trained.answers is not None:
        unseen = trained.out_of_fold
        plain = score_as_asked(asked, trained.answers, model.rules, target.classes, unseen)
        tasks = fold_tasks(model.schema, training, model.architecture.folds)
        found = with_figure(plain, target, tasks)
        return found, verdict(found), trained.answers
    apart = rows.parts["held-out"]
    prediction = model.answers(Design(apart.x, {}, {}))
    numbers = None if rows.keys is not None else apart.numbers
    answers = replace(model.compared(apart.y, prediction), units=rows.units, rows=numbers)
    plain = score_as_asked(asked, answers, model.rules, target.classes)
    found = with_figure(plain, target, [held_out_task(model.schema, training, validation, apart)])
    return found, (*verdict(found), *model.remarks(answers, prediction, rows.keys)), answers
