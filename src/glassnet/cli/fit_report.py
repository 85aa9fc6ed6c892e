"""What `glassnet fit` prints: the table as it was understood, the plan, the training, the score.

In: a prepared table, a recipe, and what came out. Out: text or JSON on standard output.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from glassnet.cli.report import REASONS, console, print_json, print_score, safe, score_json
from glassnet.estimators.network import Architecture
from glassnet.serialize import to_plain
from glassnet.tables.kinds import Column, brief
from glassnet.tables.schema import Schema
from glassnet.words import counted

if TYPE_CHECKING:
    from glassnet.estimators.examine import Examined
    from glassnet.estimators.fit import Fitted
    from glassnet.estimators.recipe import Recipe

_MOST_LINES = 40


class FitReport:
    """Everything `glassnet fit` says: the table and the plan before training, the outcome after."""

    def __init__(self, examined: Examined, recipe: Recipe) -> None:
        self.table = examined.table
        self.examined = examined
        self.split = examined.split()
        self.folds = len(examined.folds())
        self.schema = Schema.fit(examined.columns, examined.target, self.split.train)
        self.architecture = Architecture(
            len(self.schema.inputs), recipe.hidden, examined.target.outputs
        )
        self.recipe = recipe
        self.console = console()

    def before(self) -> None:
        """The table as it was understood, and what will be trained."""
        table, examined, split = self.table, self.examined, self.split
        show = self.console.print
        size = f"{counted(table.rows, 'row')}, {counted(len(table.names), 'column')}"
        show(f"[bold]{safe(table.label)}[/]: {size}\n")
        show(self._grid())
        show()
        if examined.without_target:
            show(f"left out  {counted(examined.without_target, 'row')} without a target")
        rows = f"{len(split.train):,} to train on, {len(split.validation):,} to decide when to stop"
        if self.folds:
            rows += f"; first, all {len(examined.rows):,} are scored in {self.folds} folds"
        else:
            rows += f", {len(split.held_out):,} held out for the score"
        show(f"rows      {rows}")
        show(f"network   {self._network()}")

    def after(self, fitted: Fitted, path: str, size: int) -> None:
        """How training went, how good the model is, and where it was written."""
        print_fitted(fitted, bool(self.folds), path, size, self.console)

    def as_json(self, fitted: Fitted, path: str, size: int) -> None:
        """All of it as one JSON object."""
        course, architecture = fitted.course, fitted.model.architecture
        target = to_plain(fitted.model.schema.target)
        target["kind"] = "classes" if self.examined.target.classes else "number"
        network = {**to_plain(architecture), "parameters": architecture.parameters}
        print_json(
            {
                "table": self.table.label,
                "columns": [_column_json(column) for column in self.examined.columns],
                "target": target,
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
                "score": {**score_json(fitted.score), "folds": self.folds},
                "model": path,
                "bytes": size,
                "runs": course.runs,
                "unrecorded": course.unrecorded or None,
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

    def _grid(self) -> Grid:
        """One line a column, or one for a run of columns of the same kind in a wide table."""
        grid = Grid(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
        for name in ("column", "kind", "missing", "inputs", "values"):
            right = name in ("missing", "inputs")
            justify = "right" if right else "left"
            # Only a column that may wrap is made narrow where the window is; its cells do not wrap.
            grid.add_column(name, justify=justify, no_wrap=name not in ("column", "values"))
        columns = self.examined.columns
        wide = len(columns) > _MOST_LINES
        grouped = itertools.groupby(
            enumerate(columns), key=lambda item: item[1].kind if wide else item[0]
        )
        for _, group in grouped:
            grid.add_row(*_whole_lines(self._line([column for _, column in group])))
        target, lost = self.examined.target, self.examined.without_target
        name, values = f"[bold]{safe(target.name)}[/]", safe(self._target())
        line = name, "[bold]target[/]", f"{lost:,}" if lost else "", "", values
        grid.add_row(*_whole_lines(line))
        return grid

    def _line(self, run: list[Column]) -> tuple[str, ...]:
        """The cells of a line about one column, or about a run of columns."""
        widths = {encoder.name: len(encoder.inputs) for encoder in self.schema.columns}
        first, missing = run[0], sum(column.missing for column in run)
        inputs = sum(widths.get(column.name, 0) for column in run)
        several = len(run) > 1
        return (
            safe(f"{first.name} … {run[-1].name}" if several else first.name),
            first.kind if first.used else f"[yellow]{first.kind}[/]",
            f"{missing:,}" if missing else "",
            f"{inputs:,}" if first.used else "[yellow]left out[/]",
            f"{counted(len(run), 'column')}" if several else safe(first.summary),
        )

    def _target(self) -> str:
        target, truth = self.examined.target, self.examined.truth
        if not target.classes:
            present = truth[~np.isnan(truth)]
            return f"a number, {present.min():.6g} … {present.max():.6g}, mean {present.mean():.6g}"
        counts = np.bincount(truth[truth >= 0], minlength=len(target.classes))
        shown = ", ".join(
            f"{brief(name)} {count}"
            for name, count in zip(target.classes, counts[:6], strict=False)
        )
        return f"{counted(len(counts), 'class')}: {shown}" + (", …" if len(counts) > 6 else "")

    def _network(self) -> str:
        network = self.architecture
        sizes = " → ".join(str(size) for size in network.sizes)
        loss = "cross-entropy" if self.examined.target.classes else "half squared error"
        return (
            f"{sizes}, {network.activation}, {counted(network.parameters, 'parameter')}; "
            f"{loss}, Adam {self.recipe.learning_rates[0]:g}, batches of {self.recipe.batch_size}"
        )


def print_fitted(fitted: Fitted, folded: bool, path: str, size: int, to: Console) -> None:
    """How training went, how good the model is, and where it was written."""
    course = fitted.course
    to.print(
        f"training  {counted(len(course.loss), 'epoch')}, the best was {course.best_epoch} "
        f"({REASONS.get(course.stopped, course.stopped)}); compiled in "
        f"{course.compile_seconds:.2f} s, trained in {course.train_seconds:.2f} s\n"
    )
    rows = f"the {fitted.score.rows:,} held-out rows"
    if folded:
        rows = (
            f"{counted(fitted.score.rows, 'row')}, each predicted by a network trained without it"
        )
    print_score(fitted.score, rows, 0, to)
    to.print(f"\nmodel     {safe(path)} ({_bytes(size)})")
    if course.runs:
        to.print(f"recorded  {safe(', '.join(course.runs))}")


def _whole_lines(cells: Iterable[str]) -> list[Text]:
    """Cells that are cut off where there is no room, rather than wrapped."""
    texts = [Text.from_markup(cell, overflow="ellipsis") for cell in cells]
    for text in texts:
        text.no_wrap = True
    return texts


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
