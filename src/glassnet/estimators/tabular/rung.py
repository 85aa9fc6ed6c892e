"""Train one network (rung) of a fit, and measure its time.

In: the rows of a fit as arrays, and the plan of a rung. Out: a `TrainedRung`; seconds per epoch and
per prediction.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from glassnet.estimators.tabular.answer_rules import Scoring
from glassnet.estimators.tabular.baseline import fold_tasks, held_out_task
from glassnet.estimators.tabular.examine import ExaminedTable, PreparedTable
from glassnet.estimators.tabular.finish import (
    HeldOutRows,
    RungPlan,
    Trained,
    TrainedRung,
    choice_of,
    finished,
    rung_of,
)
from glassnet.estimators.tabular.fit_record import given_rows
from glassnet.estimators.tabular.out_of_fold import UnseenOutputs
from glassnet.estimators.tabular.phases import train_in_phases
from glassnet.estimators.tabular.recipe import Recipe
from glassnet.estimators.tabular.table_model import TableModel
from glassnet.estimators.tabular.table_network import architecture_of, build, with_column
from glassnet.nn.losses import CrossEntropy, HalfMSE
from glassnet.runs.recording import Recording
from glassnet.runs.train import train
from glassnet.tables.table_schema import Schema
from glassnet.training.data_checks import Rows
from glassnet.training.history import Run

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from glassnet.estimators.tabular.baseline import Task
    from glassnet.tables.repeats import SeenRows

_STEPS = 64  # steps that the pace is measured by
_ANSWERS = 4096  # predictions that their pace is measured by


@dataclass(frozen=True)
class Settings:
    """The settings that all trainings of a fit share."""

    recipe: Recipe
    seed: int
    threads: int | None
    callbacks: Sequence[Any]
    scoring: Scoring
    plans: tuple[RungPlan, ...] | None = None  # of the rungs, if known before
    one_network: bool = False  # whether only one network is trained, even if there is more time


class Pace:
    """A callback that ends a training after its second epoch; `seconds` is the duration of that
    epoch."""

    reason = "early"

    def __init__(self) -> None:
        self.seconds, self._last = 0.0, 0.0

    def epoch_end(self, run: Run) -> bool:
        now = time.monotonic()
        self.seconds, self._last = now - self._last, now
        return run.epoch >= 2


@dataclass(frozen=True)
class RungWork:
    """The data that all rungs of a fit share: the rows, and which of them are scored."""

    prepared: PreparedTable
    training: Rows
    validation: Rows
    settings: Settings
    units: NDArray[np.int64] | None  # of the rows that are scored
    seen: SeenRows | None
    numbers: NDArray[np.int64] | None  # indices of the held-out rows in the table
    may_choose: bool = True  # whether settings may be chosen by the rows that weigh networks

    @classmethod
    def of(cls, examined: ExaminedTable, prepared: PreparedTable, settings: Settings) -> RungWork:
        """Return the work for an encoded table."""
        split, tested = prepared.split, examined.test is not None
        scored = split.train if settings.recipe.folds > 1 else split.held_out
        units = None if tested else examined.division.units_of(scored)
        numbers = None if tested else split.held_out
        rows = training_rows(prepared)
        # the settings that one fold chooses would also be scored on rows that influenced the choice
        alone = examined.groups is not None or len(examined.folds()) < 2
        seen = examined.seen_rows(split)
        return cls(prepared, *rows, settings, units, seen, numbers, alone)

    def train(
        self, plan: RungPlan, seconds: float | None, record: Recording | None = None
    ) -> TrainedRung:
        """Return the trained network of a plan, with its predictions; training lasts at most about
        `seconds` if they are given."""
        started = network_of(self.prepared.schema, plan.recipe, plan.seed, self.training.x)
        choice, settings = choice_of(plan.recipe, self.validation), self.settings
        course = train_in_phases(
            started.network,
            self._loss,
            plan.recipe,
            self.training,
            self.validation,
            seed=plan.seed,
            seconds=seconds,
            threads=settings.threads,
            callbacks=[*([choice] if choice else []), *settings.callbacks],
            record=record,
        )
        model = replace(started, seen=self.seen)
        rows = self.training, self.validation
        found = rung_of(plan, model, course, choice, *rows, self.units, settings.scoring)
        held_out = self.prepared.held_out
        if held_out is None:
            return found
        return replace(found, held_out=found.model.outputs(held_out.x))

    @property
    def _loss(self) -> CrossEntropy | HalfMSE:
        return CrossEntropy() if self.prepared.schema.target.classes else HalfMSE()

    def pace(self, plan: RungPlan) -> float:
        """Return the approximate seconds per epoch of a plan, measured in its second epoch on some
        rows; the first epoch compiles."""
        recipe, rows = plan.recipe, len(self.training)
        size = min(recipe.batch_size, rows)
        some = min(rows, _STEPS * size)
        network = network_of(self.prepared.schema, recipe, plan.seed, self.training.x).network
        clock = Pace()
        history = train(
            network, self.training.part(slice(some)), loss=self._loss,
            optimizer=recipe.optimizer(0), batch_size=size, seed=plan.seed,
            epochs=max(2, recipe.epochs * rows // some), threads=self.settings.threads,
            validation=given_rows(self.validation), callbacks=[clock],
        )  # fmt: skip
        if history.stopped == "interrupted":  # of the fit, not just of this measurement
            raise KeyboardInterrupt
        return clock.seconds * rows / some

    def linear_tasks(self) -> list[Task]:
        """Return the tasks of the linear models to compare with; none if no rows are scored."""
        schema, held_out = self.prepared.schema, self.prepared.held_out
        if self.settings.recipe.folds > 1:
            return fold_tasks(schema, self.training, self.settings.recipe.folds)
        if held_out is None:
            return []
        asked = Rows(held_out.x, self.prepared.truth)
        return [held_out_task(schema, self.training, self.validation, asked)]

    def finished(self, rungs: Sequence[TrainedRung]) -> Trained:
        """Return the model of all rungs, and the predictions for its score."""
        held_out = HeldOutRows(self.prepared.truth, self.units, self.numbers)
        apart = None if self.prepared.held_out is None else held_out
        return finished(rungs, self.settings.scoring, apart)

    @property
    def scored(self) -> int:
        """The number of rows that are predicted for the score; the training rows if there are
        neither folds nor held-out rows."""
        held_out = self.prepared.held_out
        folds = self.settings.recipe.folds > 1
        return len(self.training if folds or held_out is None else held_out.x)

    def answer_pace(self, plan: RungPlan) -> float:
        """Return the approximate seconds per prediction, measured with an untrained network."""
        started = network_of(self.prepared.schema, plan.recipe, plan.seed, self.training.x)
        x, seconds = self.training.x[:_ANSWERS], 0.0
        for rows in (x[:64], x):  # the first ones compile
            start = time.monotonic()
            if plan.recipe.folds > 1:
                UnseenOutputs(started.architecture).of(started.network.W, rows)
            else:
                started.outputs(rows)
            seconds = time.monotonic() - start
        return seconds / len(x)


def training_rows(prepared: PreparedTable) -> tuple[Rows, Rows]:
    """Return the training and the validation rows; with folds together, their last input is the
    fold."""
    split, goals = prepared.split, prepared.goals
    first, second = prepared.folds or (None, None)
    weights = prepared.weights or (None, None)
    x, apart = with_column(prepared.train.x, first), with_column(prepared.validation.x, second)
    return (
        Rows(x, goals[0], weights[0], numbers=split.train),
        Rows(apart, goals[1], weights[1], numbers=split.validation),
    )


def network_of(schema: Schema, recipe: Recipe, seed: int, x: NDArray[Any]) -> TableModel:
    """Return a model by a recipe, with initial weights and no training summary; x are the encoded
    training rows, which the bins of embeddings depend on."""
    architecture = architecture_of(schema, recipe)
    network = build(architecture, seed, x, recipe.frequency or 1.0)
    return TableModel(schema, architecture, network, {})
