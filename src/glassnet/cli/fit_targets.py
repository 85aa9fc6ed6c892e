"""`glassnet fit` of several targets: train a model of each in turn, into one model file.

In: a table, its targets, and the options of the command. Out: the model file; the report on
standard output.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer

from glassnet.cli.fit_order import FitOrder
from glassnet.cli.status import INTERRUPTED

if TYPE_CHECKING:
    from glassnet.estimators.tabular.answer_rules import Scoring
    from glassnet.estimators.tabular.examine import ExaminedTable
    from glassnet.estimators.tabular.finish import RungPlan
    from glassnet.estimators.tabular.fit_table import FittedTable
    from glassnet.estimators.tabular.recipe import Recipe
    from glassnet.estimators.tabular.several_targets import TargetOptions
    from glassnet.tables.table import Table


@dataclass(frozen=True)
class TargetFit:
    """The prepared table and the settings for one target."""

    examined: ExaminedTable
    recipe: Recipe
    scoring: Scoring
    plans: tuple[RungPlan, ...]

    @property
    def target(self) -> str:
        return self.examined.target.name


def fit_targets(
    order: FitOrder,
    table: Table,
    test: Table | None,
    targets: Sequence[str],
    wanted: TargetOptions,
) -> int:
    """Train a model of each target, and write them all to one file."""
    from glassnet.cli.report_file import typed_command, write_fit_report
    from glassnet.estimators.tabular.target_models import TargetModels
    from glassnet.outputs import Expected

    if order.record is not None:
        raise typer.BadParameter(
            "--record can record one target only; leave it out, or fit each target separately and "
            "exclude the others from the inputs with --kind COLUMN=drop"
        )
    fits = _fits(order, table, test, targets, wanted)
    expected = Expected(order.model)
    done = _trained(order, fits)
    changed = expected.note()
    models = TargetModels(tuple(fitted.model for _, fitted in done))
    size = models.save(order.model, "-o")
    if order.page is not None:
        pairs = [(one.examined, fitted) for one, fitted in done]
        write_fit_report(order.page, pairs, order.model, typed_command())
    _tell(order, fits, done, size)
    lacking = ", ".join(one.target for one in fits[len(done) :])
    left = f"interrupted; {order.model} has no model of {lacking}" if lacking else ""
    for note in filter(None, (left, changed)):
        print(f"glassnet: {note}", file=sys.stderr)
    return INTERRUPTED if _interrupted(done) or lacking else 0


def _fits(
    order: FitOrder,
    table: Table,
    test: Table | None,
    targets: Sequence[str],
    wanted: TargetOptions,
) -> list[TargetFit]:
    """Prepare the table for each target, before any is trained."""
    from glassnet.estimators.tabular.fit_table import choose_recipe
    from glassnet.estimators.tabular.several_targets import check_scorings, examine_targets

    known = [order.plans(name) for name in targets]
    packed = [one for _, _, one in known]
    each = examine_targets(table, targets, wanted, seed=known[0][1], test=test, packed=packed)
    scorings = check_scorings(wanted.scoring, each)
    return [
        TargetFit(
            one, plans[0].recipe if plans else choose_recipe(one, epochs=order.effort.epochs),
            scoring, plans,
        )
        for one, scoring, (plans, _, _) in zip(each, scorings, known, strict=True)
    ]  # fmt: skip


def _trained(order: FitOrder, fits: Sequence[TargetFit]) -> list[tuple[TargetFit, FittedTable]]:
    """Train the models in the order of their targets; after Ctrl-C, return those that are done."""
    from glassnet.cli.fit_report import FitReport

    done: list[tuple[TargetFit, FittedTable]] = []
    before: FitReport | None = None
    for place, one in enumerate(fits):
        report = FitReport(one.examined, one.recipe, before)
        if not order.json:
            report.before()
        try:
            fitted = _train(order, one, len(fits) - place)
        except KeyboardInterrupt:
            if not done:
                raise
            break
        done.append((one, fitted))
        if not order.json:
            report.outcome(fitted)
        if _interrupted(done):
            break
        before = report
    return done


def _train(order: FitOrder, one: TargetFit, left: int) -> FittedTable:
    """Train the model of one target; `left` is the number of targets not yet trained."""
    from glassnet.cli.terminal_progress import TerminalProgress
    from glassnet.estimators.tabular.explanation import rows_answered
    from glassnet.estimators.tabular.fit_table import fit

    examined = one.examined
    with TerminalProgress(one.recipe.epochs) as progress:

        def stage(what: str) -> None:
            progress.stage(f"{one.target}: {what}" if what else one.target)

        later = rows_answered(len(examined.rows), len(examined.columns))
        return fit(
            examined, one.recipe, seconds=order.seconds(left), threads=order.threads,
            callbacks=[progress], stage=stage, scoring=one.scoring, plans=one.plans or None,
            later=0 if order.page is None else later,
        )  # fmt: skip


def _interrupted(done: Sequence[tuple[TargetFit, FittedTable]]) -> bool:
    return done[-1][1].course.stopped == "interrupted"


def _tell(
    order: FitOrder,
    fits: Sequence[TargetFit],
    done: Sequence[tuple[TargetFit, FittedTable]],
    size: int,
) -> None:
    """Print the paths of the models; with --json, the whole report."""
    from glassnet.cli.fit_report import FitReport, print_written
    from glassnet.cli.output import console, print_json

    if not order.json:
        print_written(order.model, size, console(), page=order.page)
        return
    reports: list[dict[str, Any]] = [
        FitReport(one.examined, one.recipe).json_values(fitted) for one, fitted in done
    ]
    lacking = [one.target for one in fits[len(done) :]]
    print_json(
        {
            "table": fits[0].examined.table.label, "targets": reports, "not_trained": lacking,
            "model": order.model, "bytes": size,
        }
    )  # fmt: skip
