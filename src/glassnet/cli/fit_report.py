"""What `glassnet fit` prints: the table as it was understood, the plan, the training, the score.

In: a prepared table, a recipe, and what came out. Out: text or JSON on standard output.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.table import Table as Grid

from glassnet.cli.report import console, print_json, print_score, safe, score_json
from glassnet.tables.fields import to_plain
from glassnet.tables.kinds import Column

if TYPE_CHECKING:
    from glassnet.estimators.fit import Fitted, Prepared
    from glassnet.estimators.recipe import Recipe
    from glassnet.tables.table import Table

_MOST_LINES = 40
_REASONS = {
    "epochs": "all epochs done",
    "early": "no more progress",
    "time": "time is up",
    "interrupted": "interrupted",
}


class FitReport:
    """Everything `glassnet fit` says: the table and the plan before training, the outcome after."""

    def __init__(self, table: Table, prepared: Prepared, recipe: Recipe) -> None:
        self.table = table
        self.prepared = prepared
        self.recipe = recipe
        self.console = console()

    def before(self) -> None:
        """The table as it was understood, and what will be trained."""
        table, prepared = self.table, self.prepared
        show = self.console.print
        show(f"[bold]{safe(table.label)}[/]: {table.rows:,} rows, {len(table.names):,} columns\n")
        show(self._grid())
        split = prepared.split
        show()
        if prepared.without_target:
            show(f"left out  {prepared.without_target:,} rows without a target")
        show(
            f"rows      {len(split.train):,} to train on, {len(split.validation):,} to decide when "
            f"to stop, {len(split.held_out):,} held out for the score"
        )
        show(f"network   {self._network()}")

    def after(self, fitted: Fitted, path: str, size: int) -> None:
        """How training went, how good the model is, and where it was written."""
        course = fitted.course
        self.console.print(
            f"training  {len(course.loss)} epochs, the best was {course.best_epoch} "
            f"({_REASONS.get(course.stopped, course.stopped)}); compiled in "
            f"{course.compile_seconds:.2f} s, trained in {course.train_seconds:.2f} s\n"
        )
        print_score(fitted.score, f"the {fitted.score.rows:,} held-out rows", 0, self.console)
        self.console.print(f"\nmodel     {safe(path)} ({_bytes(size)})")

    def as_json(self, fitted: Fitted, path: str, size: int) -> None:
        """All of it as one JSON object."""
        prepared, course = self.prepared, fitted.course
        target = to_plain(prepared.schema.target)
        target["kind"] = "classes" if prepared.schema.target.classes else "number"
        network = to_plain(fitted.model.architecture)
        print_json(
            {
                "table": self.table.label,
                "columns": [_column_json(column) for column in prepared.columns],
                "target": target,
                "rows": self._rows(),
                "network": {**network, "parameters": self._parameters()},
                "recipe": to_plain(self.recipe),
                "seed": prepared.seed,
                "epochs": len(course.loss),
                "best_epoch": course.best_epoch,
                "stopped": course.stopped,
                "loss": course.loss,
                "validation_loss": course.validation_loss,
                "compile_seconds": course.compile_seconds,
                "train_seconds": course.train_seconds,
                "score": score_json(fitted.score),
                "model": path,
                "bytes": size,
            }
        )

    def _rows(self) -> dict[str, int]:
        split = self.prepared.split
        return {
            "all": self.table.rows,
            "without_target": self.prepared.without_target,
            "train": len(split.train),
            "validation": len(split.validation),
            "held_out": len(split.held_out),
        }

    def _grid(self) -> Grid:
        """One line a column, or one for a run of columns of the same kind in a wide table."""
        grid = Grid(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
        for name in ("column", "kind", "missing", "inputs", "values"):
            right = name in ("missing", "inputs")
            justify = "right" if right else "left"
            grid.add_column(name, justify=justify, no_wrap=True, overflow="ellipsis")
        columns = self.prepared.columns
        wide = len(columns) > _MOST_LINES
        grouped = itertools.groupby(
            enumerate(columns), key=lambda item: item[1].kind if wide else item[0]
        )
        for _, group in grouped:
            grid.add_row(*self._line([column for _, column in group]))
        target, lost = self.prepared.schema.target, self.prepared.without_target
        name, values = f"[bold]{safe(target.name)}[/]", safe(self._target())
        grid.add_row(name, "[bold]target[/]", f"{lost:,}" if lost else "", "", values)
        return grid

    def _line(self, run: list[Column]) -> tuple[str, ...]:
        """The cells of a line about one column, or about a run of columns."""
        widths = {encoder.name: len(encoder.inputs) for encoder in self.prepared.schema.columns}
        first, missing = run[0], sum(column.missing for column in run)
        inputs = sum(widths.get(column.name, 0) for column in run)
        several = len(run) > 1
        return (
            safe(f"{first.name} … {run[-1].name}" if several else first.name),
            first.kind if first.used else f"[yellow]{first.kind}[/]",
            f"{missing:,}" if missing else "",
            f"{inputs:,}" if first.used else "[yellow]left out[/]",
            f"{len(run)} columns" if several else safe(first.summary),
        )

    def _target(self) -> str:
        target, truth = self.prepared.schema.target, self.prepared.truth
        if not target.classes:
            present = truth[~np.isnan(truth)]
            return f"a number, {present.min():.6g} … {present.max():.6g}, mean {present.mean():.6g}"
        counts = np.bincount(truth[truth >= 0], minlength=len(target.classes))
        shown = ", ".join(
            f"{name} {count}" for name, count in zip(target.classes, counts[:6], strict=False)
        )
        return f"{len(counts)} classes: {shown}" + (", …" if len(counts) > 6 else "")

    def _parameters(self) -> int:
        sizes = self._sizes()
        return sum((fan_in + 1) * fan_out for fan_in, fan_out in itertools.pairwise(sizes))

    def _sizes(self) -> list[int]:
        prepared = self.prepared
        return [prepared.train.x.shape[1], *self.recipe.hidden, prepared.schema.target.outputs]

    def _network(self) -> str:
        sizes = " → ".join(str(size) for size in self._sizes())
        loss = "cross-entropy" if self.prepared.schema.target.classes else "half squared error"
        return (
            f"{sizes}, relu, {self._parameters():,} parameters; {loss}, "
            f"Adam {self.recipe.learning_rates[0]:g}, batches of {self.recipe.batch_size}"
        )


def _column_json(column: Column) -> dict[str, Any]:
    return {
        "name": column.name,
        "kind": column.kind,
        "missing": column.missing,
        "used": column.used,
        "summary": column.summary,
    }


def _bytes(size: int) -> str:
    return f"{size / 1000:,.0f} kB" if size < 1_000_000 else f"{size / 1_000_000:,.1f} MB"
