"""What `glassnet fit` prints: the table as it was understood, the plan, the training, the score.

In: a prepared table, a recipe, and what came out. Out: text or JSON on standard output.
"""

from __future__ import annotations

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


class FitReport:
    """Everything `glassnet fit` says: the table and the plan before training, the outcome after."""

    def __init__(self, examined: ExaminedTable, recipe: Recipe) -> None:
        self.table = examined.table
        self.examined = examined
        self.split = examined.split()
        self.folds = len(examined.folds())
        self.schema = fitted_schema(examined, self.split)
        self.architecture = architecture_of(self.schema, recipe)
        self.recipe = recipe
        self.console = console()

    def before(self) -> None:
        """The table as it was understood, and what will be trained."""
        table, examined, split = self.table, self.examined, self.split
        show = self.console.print
        size = f"{plural(table.rows, 'row')}, {plural(len(table.names), 'column')}"
        show(f"[bold]{safe(table.label)}[/]: {size}\n")
        widths = {encoder.name: len(encoder.inputs) for encoder in self.schema.columns}
        goal = target_summary(examined.target, examined.truth)
        described = examined.target.name, goal, examined.without_target
        print_columns(examined.columns, self.console, inputs=widths, target=described)
        show()
        if examined.without_target:
            show(f"left out  {plural(examined.without_target, 'row')} without a target")
        rows = f"{len(split.train):,} to train on, {len(split.validation):,} to decide when to stop"
        if examined.groups is not None:
            rows = (
                f"{len(split.train):,}, in {self.folds} folds; each fold is predicted, for the "
                "score, by networks trained without it"
            )
        elif examined.test is not None:
            rows += f"; the score is taken from {safe(examined.test.label)}"
        elif self.folds == 1:
            rows += "; first, the last fifth is scored by a network trained on those before"
        elif self.folds:
            rows += f"; first, all {len(examined.rows):,} are scored in {self.folds} folds"
        else:
            rows += f", {len(split.held_out):,} held out for the score"
        show(f"rows      {rows}")
        show(f"network   {self._network()}")
        print_notes(examined.notes, self.console)

    def after(self, fitted: FittedTable, path: str, size: int, page: str | None = None) -> None:
        """How training went, how good the model is, and where it and its report were written."""
        print_fitted(fitted, path, size, self.console)
        if page is not None:
            self.console.print(f"report    {safe(page)}")

    def as_json(self, fitted: FittedTable, path: str, size: int) -> None:
        """All of it as one JSON object."""
        course, architecture = fitted.course, fitted.model.architecture
        classes = fitted.model.schema.target.classes
        target = to_plain(fitted.model.schema.target)
        target["kind"] = "classes" if self.examined.target.classes else "number"
        network = {**to_plain(architecture), "parameters": architecture.parameters}
        print_json(
            {
                "table": self.table.label,
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
                "model": path,
                "bytes": size,
                "runs": course.runs,
                "unrecorded": course.unrecorded or None,
                "moved": course.moved or None,
            }
        )

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


def print_fitted(fitted: FittedTable, path: str, size: int, to: Console) -> None:
    """How training went, how good the model is, and where it was written."""
    course = fitted.course
    to.print(
        f"training  {plural(len(course.loss), 'epoch')}, the best was {course.best_epoch} "
        f"({REASONS.get(course.stopped, course.stopped)}); compiled in "
        f"{course.compile_seconds:.2f} s, trained in {course.train_seconds:.2f} s"
    )
    rungs: list[dict[str, Any]] = fitted.model.training.get("rungs") or []
    if len(rungs) > 1:
        weights = ", ".join(f"{rung['weight']:.2g}" for rung in rungs)
        to.print(f"networks  {len(rungs)}, whose answers have the weights {weights}")
    to.print()
    classes = fitted.model.schema.target.classes
    print_score(fitted.score, fitted.scored_on, 0, to, classes)
    print_notes(fitted.remarks, to)
    to.print(f"\nmodel     {safe(path)} ({_bytes(size)})")
    if course.runs:
        to.print(f"recorded  {safe(', '.join(course.runs))}")


def _bytes(size: int) -> str:
    return f"{size / 1000:,.0f} kB" if size < 1_000_000 else f"{size / 1_000_000:,.1f} MB"
