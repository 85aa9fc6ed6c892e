"""The output of `glassnet fit`: column types, the plan, the training, the score.

In: a prepared table, a recipe, and the fitted model. Out: text or JSON on standard output.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console

from glassnet.cli.output import REASONS, console, print_json, safe
from glassnet.cli.score_report import print_score, score_json
from glassnet.cli.table_report import column_json, notes_json, print_columns, print_notes
from glassnet.estimators.tabular.examine import fitted_schema
from glassnet.estimators.tabular.table_network import architecture_of
from glassnet.serialize import to_plain
from glassnet.tables.target_column import target_summary
from glassnet.words import plural

if TYPE_CHECKING:
    from glassnet.estimators.tabular.examine import ExaminedTable
    from glassnet.estimators.tabular.fit_table import FittedTable
    from glassnet.estimators.tabular.recipe import Recipe
    from glassnet.tables.notes import Note


class FitReport:
    """Prints the table and the plan before training, and the result after it."""

    def __init__(
        self, examined: ExaminedTable, recipe: Recipe, earlier: FitReport | None = None
    ) -> None:
        """`earlier` is the report of another target of the same table; it has shown the columns."""
        self.table = examined.table
        self.examined = examined
        self.split = examined.split()
        self.folds = len(examined.folds())
        self.schema = fitted_schema(examined, self.split)
        self.architecture = architecture_of(self.schema, recipe)
        self.recipe = recipe
        self.earlier = earlier
        printed: tuple[Note, ...] = () if earlier is None else (*earlier.printed, *earlier.notes)
        self.printed = printed
        self.notes = [note for note in examined.notes if note not in printed]
        self.console = console()

    def before(self) -> None:
        """Print the columns of the table, and the plan."""
        show = self.console.print
        examined = self.examined
        if self.earlier is None:
            self._columns()
        else:
            goal = target_summary(examined.target, examined.truth)
            show(f"\n[bold]target {safe(examined.target.name)}[/]: {safe(goal)}")
        if examined.without_target:
            show(f"left out  {plural(examined.without_target, 'row')} without a target")
        show(f"rows      {self._division()}")
        show(f"network   {self._network()}")
        print_notes(self.notes, self.console)

    def _columns(self) -> None:
        """Print the columns of the table, and its target."""
        table, examined = self.table, self.examined
        size = f"{plural(table.rows, 'row')}, {plural(len(table.names), 'column')}"
        self.console.print(f"[bold]{safe(table.label)}[/]: {size}\n")
        widths = {encoder.name: len(encoder.inputs) for encoder in self.schema.columns}
        goal = target_summary(examined.target, examined.truth)
        described = examined.target.name, goal, examined.without_target
        print_columns(examined.columns, self.console, inputs=widths, target=described)
        self.console.print()

    def _division(self) -> str:
        """Return a sentence on the split of the rows."""
        examined, split = self.examined, self.split
        if examined.groups is not None:
            return (
                f"{len(split.train):,}, in {self.folds} folds; for the score, each fold is "
                "predicted by networks trained without it"
            )
        rows = f"{len(split.train):,} to train on, {len(split.validation):,} to decide when to stop"
        if examined.test is not None:
            return f"{rows}; the score is taken from {safe(examined.test.label)}"
        if self.folds == 1:
            return f"{rows}; first, the last fifth is scored by a network trained on those before"
        if self.folds:
            return f"{rows}; first, all {len(examined.rows):,} are scored in {self.folds} folds"
        return f"{rows}, {len(split.held_out):,} held out for the score"

    def outcome(self, fitted: FittedTable) -> None:
        """Print the course of training, and the score."""
        print_outcome(fitted, self.console)

    def after(self, fitted: FittedTable, path: str, size: int, page: str | None = None) -> None:
        """Print the outcome, and the paths of the model and its report."""
        self.outcome(fitted)
        print_written(path, size, self.console, fitted.course.runs, page)

    def as_json(self, fitted: FittedTable, path: str, size: int) -> None:
        """Print everything as one JSON object."""
        values = self.json_values(fitted)
        print_json({"table": self.table.label, **values, "model": path, "bytes": size})

    def json_values(self, fitted: FittedTable) -> dict[str, Any]:
        """Return the report of the target and its model as JSON values."""
        course, architecture = fitted.course, fitted.model.architecture
        classes = fitted.model.schema.target.classes
        target = to_plain(fitted.model.schema.target)
        target["kind"] = "classes" if self.examined.target.classes else "number"
        network = {**to_plain(architecture), "parameters": architecture.parameters}
        return {
            "columns": [column_json(column) for column in self.examined.columns],
            "target": target,
            "notes": notes_json(self.examined.notes),
            "rows": self._rows(),
            "network": network,
            "recipe": to_plain(self.recipe),
            "seed": self.examined.seed,
            "epochs": len(course.loss),
            "best_epoch": course.best_epoch,
            "stopped": course.stopped,
            "loss": course.loss,
            "validation_loss": course.validation_loss,
            "compile_seconds": course.compile_seconds,
            "train_seconds": course.train_seconds,
            "score": {**score_json(fitted.score, classes), "folds": self.folds},
            "scored_on": fitted.scored_on,
            "remarks": notes_json(fitted.remarks),
            "networks": fitted.model.training.get("rungs") or [],
            "division": fitted.model.training.get("division") or {},
            "runs": course.runs,
            "unrecorded": course.unrecorded or None,
            "moved": course.moved or None,
        }

    def _rows(self) -> dict[str, int]:
        split = self.split
        return {
            "all": self.table.rows,
            "without_target": self.examined.without_target,
            "train": len(split.train),
            "validation": len(split.validation),
            "held_out": len(split.held_out),
        }

    def _network(self) -> str:
        network = self.architecture
        sizes = " → ".join(str(size) for size in network.sizes)
        if network.members:
            sizes = f"{network.together} × ({sizes})"
            if network.width > 1 and network.numbers:
                sizes = f"{network.inputs} → {sizes}"
        loss = "cross-entropy" if self.examined.target.classes else "half squared error"
        optimizer = type(self.recipe.optimizer(0)).__name__
        return (
            f"{sizes}, {network.activation}, {plural(network.parameters, 'parameter')}; {loss}, "
            f"{optimizer} {self.recipe.learning_rates[0]:g}, batches of {self.recipe.batch_size}"
        )


def print_fitted(
    fitted: FittedTable, path: str, size: int, to: Console, page: str | None = None
) -> None:
    """Print the course of training, the score, and the paths of the model and of its report."""
    print_outcome(fitted, to)
    print_written(path, size, to, fitted.course.runs, page)


def print_written(
    path: str, size: int, to: Console, runs: Sequence[str] = (), page: str | None = None
) -> None:
    """Print the paths of a model file, and of its run files and its report if there are any."""
    to.print(f"\nmodel     {safe(path)} ({_bytes(size)})")
    if runs:
        to.print(f"recorded  {safe(', '.join(runs))}")
    if page is not None:
        to.print(f"report    {safe(page)}")


def print_outcome(fitted: FittedTable, to: Console) -> None:
    """Print the course of training, and the score."""
    course = fitted.course
    to.print(
        f"training  {plural(len(course.loss), 'epoch')}, the best was {course.best_epoch} "
        f"({REASONS.get(course.stopped, course.stopped)}); compiled in "
        f"{course.compile_seconds:.2f} s, trained in {course.train_seconds:.2f} s"
    )
    rungs: list[dict[str, Any]] = fitted.model.training.get("rungs") or []
    if len(rungs) > 1:
        weights = ", ".join(f"{rung['weight']:.2g}" for rung in rungs)
        to.print(f"networks  {len(rungs)}; their predictions are averaged with weights {weights}")
    to.print()
    classes = fitted.model.schema.target.classes
    print_score(fitted.score, fitted.scored_on, 0, to, classes)
    print_notes(fitted.remarks, to)


def _bytes(size: int) -> str:
    return f"{size / 1000:,.0f} kB" if size < 1_000_000 else f"{size / 1_000_000:,.1f} MB"
