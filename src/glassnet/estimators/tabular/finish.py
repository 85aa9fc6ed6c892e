"""Build a model from trained networks, and the predictions that it is scored by.

In: the networks of a fit after their best epoch, each a rung. Out: the model, calibrated, with its
rules, and out-of-sample predictions for the rows of its score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from glassnet.errors import GlassnetError
from glassnet.estimators.tabular.answer_rules import Scoring, cross_fitted, learn_rules
from glassnet.estimators.tabular.averaging import averaging_gains, shrunk
from glassnet.estimators.tabular.blend import blended, mixed
from glassnet.estimators.tabular.evaluation import Evaluation
from glassnet.estimators.tabular.fold_choice import FoldChoice
from glassnet.estimators.tabular.halving import Trial, usable
from glassnet.estimators.tabular.out_of_fold import (
    OutOfFold,
    UnseenOutputs,
    calibrate,
    out_of_fold,
)
from glassnet.estimators.tabular.phases import PhaseHistory
from glassnet.estimators.tabular.recipe import Recipe
from glassnet.estimators.tabular.table_model import TableModel, Training
from glassnet.serialize import from_plain, to_plain
from glassnet.training.data_checks import Rows

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class RungPlan:
    """The settings of one rung, that is of one network or ensemble of a fit."""

    recipe: Recipe
    seed: int
    trial: Trial | None = None  # its position in a bracket, if any


@dataclass(frozen=True)
class TrainedRung:
    """A trained network of a fit, with its predictions for rows that it was not trained on: in a
    fit with folds for all rows, else for the validation rows."""

    plan: RungPlan
    model: TableModel
    course: PhaseHistory
    judged: Evaluation
    out_of_fold: OutOfFold | None = None
    held_out: NDArray[Any] | None = None  # predictions for the held-out rows, or the test table

    @property
    def repeated(self) -> RungPlan:
        """The plan that repeats this training: with as many epochs as it had, if the time limit or
        the user ended it."""
        if self.course.stopped not in ("time", "interrupted"):
            return self.plan
        return replace(self.plan, recipe=self.plan.recipe.with_epochs(len(self.course.loss)))


@dataclass(frozen=True)
class HeldOutRows:
    """The rows of the score, if they are held out or of a test table."""

    truth: NDArray[Any]
    units: NDArray[np.int64] | None = None
    rows: NDArray[np.int64] | None = None  # their indices in the table


@dataclass(frozen=True)
class Trained:
    """A model, and the predictions for its score."""

    model: TableModel
    course: PhaseHistory  # of the model's main network
    plan: RungPlan  # of the main network
    plans: tuple[RungPlan, ...]  # of all rungs
    rungs: tuple[dict[str, Any], ...]  # JSON values of each for the model file
    answers: Evaluation | None = None  # for the rows that are scored, if any
    out_of_fold: OutOfFold | None = None


def plans_of(model: TableModel, label: str) -> tuple[RungPlan, ...]:
    """Return the plans that a model was trained by, in the order of training; GlassnetError if a
    time limit ended one within an epoch. `label` is the model's name in the message."""
    known = from_plain(Training, model.training, "training")
    if any(rung.cut for rung in known.rungs):
        raise GlassnetError(
            f"a time limit ended the training of {label} within an epoch, which cannot be "
            "repeated; fit again with more time"
        )
    if known.rungs:
        return tuple(RungPlan(rung.recipe, rung.seed, rung.trial) for rung in known.rungs)
    return (RungPlan(known.recipe, known.seed),)


def choice_of(recipe: Recipe, validation: Rows) -> FoldChoice | None:
    """Return the callback that chooses the epoch of each fold; None without folds."""
    if recipe.folds == 1:
        return None
    fold_of = validation.x[:, -1].astype(np.int64)
    shares = np.bincount(fold_of, validation.weight, minlength=recipe.folds)
    return FoldChoice(shares.tolist())


def rung_of(
    plan: RungPlan,
    model: TableModel,
    course: PhaseHistory,
    choice: FoldChoice | None,
    training: Rows,
    validation: Rows,
    units: NDArray[np.int64] | None,
    asked: Scoring,
) -> TrainedRung:
    """Return the rung of a trained network: calibrated, and with folds (if there is a `choice`)
    with its out-of-fold predictions. `units` are those of the scored rows."""
    if choice is None:
        model = calibrate(model, validation, None)
        target, y = model.schema.target, validation.y
        truth = y if target.classes else target.truth(y[:, 0])
        judged = model.with_constant(truth, model.outputs(validation.x))
        return TrainedRung(plan, model, course, judged)
    unseen = UnseenOutputs(model.architecture)
    model = calibrate(model, validation, unseen)
    epochs = len(course.loss), course.best_epoch
    found = out_of_fold(model, unseen, choice, training, validation, epochs)
    answers = replace(found.answers, units=units)
    gains = averaging_gains(model, unseen, training, answers, replace(asked, interval=None))
    unseen_rows = replace(found, answers=answers, gains=gains)
    return TrainedRung(plan, model, course, answers, unseen_rows)


def finished(
    rungs: Sequence[TrainedRung], asked: Scoring, held_out: HeldOutRows | None = None
) -> Trained:
    """Return the model of all rungs with its rules, and the predictions for its score: with folds
    of each row, by weights and rules that were fitted on the other folds; else of the held-out
    rows. None of them if there are neither."""
    judged = [rung.judged for rung in rungs]
    answers, weights = blended(judged, usable([rung.plan.trial for rung in rungs], judged))
    main = max(range(len(rungs)), key=weights.__getitem__)
    others = [place for place, weight in enumerate(weights) if weight and place != main]
    heaviest, target = rungs[main], rungs[main].model.schema.target
    model = replace(
        heaviest.model, weight=weights[main], rules=learn_rules(asked, target, answers),
        others=tuple(replace(rungs[place].model, weight=weights[place]) for place in others),
    )  # fmt: skip
    noted = tuple(_noted(rung, weight) for rung, weight in zip(rungs, weights, strict=True))
    plans = tuple(rung.repeated for rung in rungs)
    done = Trained(model, heaviest.course, plans[main], plans, noted)
    if heaviest.out_of_fold is not None:
        scored = cross_fitted(asked, target, answers)
        # networks that are averaged anyway leave that much less to gain
        gains = shrunk(heaviest.out_of_fold.gains, sum(weight * weight for weight in weights))
        unseen = replace(heaviest.out_of_fold, answers=scored, gains=gains)
        return replace(done, answers=scored, out_of_fold=unseen)
    if held_out is None:
        return done
    given = mixed([rung.held_out for rung in rungs if rung.held_out is not None], weights)
    scored = model.rules.applied(model.with_constant(held_out.truth, given))
    return replace(done, answers=replace(scored, units=held_out.units, rows=held_out.rows))


def _noted(rung: TrainedRung, weight: float) -> dict[str, Any]:
    plan, course = rung.repeated, rung.course
    noted = {
        "recipe": to_plain(plan.recipe), "seed": plan.seed, "epochs": len(course.loss),
        "best_epoch": course.best_epoch, "weight": weight, "cut": course.cut,
    }  # fmt: skip
    return noted if plan.trial is None else {**noted, "trial": to_plain(plan.trial)}
