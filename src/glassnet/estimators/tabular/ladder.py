"""Use a time limit: train network after network, each a rung, while there is time.

In: the plan of the first rung, and the seconds available. Out: the rungs that were finished in
time. The first one is the default recipe, with as many epochs as fit into the time; all later ones
have other seeds, odd ones the second kind of recipe, and two of every four also random settings. If
there is enough time, brackets of successive halving choose random settings. A rung begins only if
there is time for it, and the time for scoring is reserved.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from glassnet.estimators.tabular.blend import TURNS
from glassnet.estimators.tabular.finish import RungPlan, TrainedRung
from glassnet.estimators.tabular.halving import (
    CANDIDATES,
    SHARES,
    Trial,
    bracket_work,
    following,
)
from glassnet.estimators.tabular.recipe import Recipe, periodic

T = TypeVar("T")

MOST_RUNGS = 100
FEWEST_EPOCHS = 6  # of a rung but the first one
_SPARE = 0.97  # the share of the time that is planned, since measured times are not exact
_SEEDS_APART = 15_485_863
_PLENTY = 8.0  # times the seconds of the first plan: no drawn settings take so long
_COMPILING = 1.0  # seconds, of a network with new settings
_VIEWS = 1.6  # times the work of a bracket in which one view chooses, and of the first settings


@dataclass
class Deadline:
    """The time limit of a fit; `kept_back` are the seconds reserved for scoring."""

    seconds: float
    later: int = 0  # rows that are predicted afterwards, for a report
    kept_back: float = 0.0
    each: float = 0.0  # seconds that a network takes for the later rows
    networks: int = 1  # that predict the later rows
    started: float = field(default_factory=lambda: time.monotonic())

    def left(self) -> float:
        """Return the seconds left for training; negative if there are none."""
        end = self.started + self.seconds - self.kept_back - self.each * self.networks
        return end - time.monotonic()

    def keep_back(self, seconds: float) -> None:
        """Reserve at least `seconds` for scoring."""
        self.kept_back = max(self.kept_back, seconds)

    def share(self, parts: int) -> Deadline:
        """Return the deadline of the next of `parts` trainings: nine tenths of an equal share of
        the time that is left, so that the last gets more."""
        return Deadline(0.9 * max(self.left(), 0.0) / parts)

    def answers(self, seconds: float, scored: int) -> None:
        """Reserve time for the predictions of the scored rows, and of the later ones; `seconds` is
        that of one prediction."""
        self.keep_back(2.0 * seconds * scored)
        self.each = seconds * self.later

    def timed(self, work: Callable[[], T], more: float) -> T:
        """Return the result of `work`, and from then on reserve the time it took, times `more`."""
        start = time.monotonic()
        found = work()
        self.keep_back(more * (time.monotonic() - start))
        return found


def drawn(first: RungPlan, number: int) -> RungPlan:
    """Return the plan of rung `number` (from 0) outside of brackets, which depends only on the
    first plan and this number. 0 is the first plan. Odd ones are of the second kind, if they are
    ensembles; of every four, the last two have random settings."""
    if not number:
        return first
    seed = first.seed + number * _SEEDS_APART
    recipe = periodic(first.recipe) if number % 2 and first.recipe.members else first.recipe
    if number % 4 < 2:
        return RungPlan(recipe, seed)
    return RungPlan(_other(recipe, random.Random(seed)), seed)


def tried(first: RungPlan, trial: Trial) -> RungPlan:
    """Return the plan of a rung in a bracket: random settings for the candidate, of both kinds in
    turn, and the share of the epochs of its level. At the last level it has another seed."""
    number = trial.bracket * CANDIDATES + trial.candidate
    settings = drawn(first, MOST_RUNGS + 4 * number + 2 + trial.candidate % 2)
    last = trial.level == len(SHARES) - 1
    epochs = max(1, settings.recipe.epochs // SHARES[trial.level])
    return RungPlan(
        replace(settings.recipe, epochs=epochs, planned=epochs),
        settings.seed + last * _SEEDS_APART // 2,
        trial,
    )


def upcoming(first: RungPlan, rungs: Sequence[TrainedRung], brackets: bool) -> RungPlan:
    """Return the plan of the next rung. A bracket that has begun continues. With `brackets`,
    another begins after every two rungs outside of brackets."""
    trials = [rung.plan.trial for rung in rungs]
    begun = max((trial.bracket for trial in trials if trial is not None), default=0)
    trial = following(trials, [rung.judged for rung in rungs]) if begun else None
    if trial is not None:
        return tried(first, trial)
    outside = trials.count(None)
    if brackets and outside >= 2 * (begun + 1):
        return tried(first, Trial(begun + 1, 0, 0))
    return drawn(first, outside)


def _other(recipe: Recipe, rng: random.Random) -> Recipe:
    """Return the recipe with random settings near its own."""

    def one(*choices: T) -> T:
        return choices[int(rng.random() * len(choices))]

    rate = 2.0 ** (1.5 * rng.random() - 1.0)
    hidden = tuple(one((64, 64), (96, 96), (64, 64, 64), (128, 64), (128,)))
    embedded = bool(recipe.members) and recipe.width > 1
    plain = one(False, False, False, True) and not recipe.frequency
    bins = one(recipe.bins, recipe.bins // 2, recipe.bins * 2)
    return replace(
        recipe,
        hidden=hidden,
        learning_rates=tuple(rate * each for each in recipe.learning_rates),
        batch_size=one(recipe.batch_size, recipe.batch_size * 2),
        decay=one(recipe.decay, recipe.decay * 4, 0.0),
        width=1 if plain else recipe.width,
        bins=1 if plain else max(bins, 1) if embedded else recipe.bins,
        frequency=one(0.3, 1.0, 3.0) * recipe.frequency,
    )


def within(plan: RungPlan, pace: float, seconds: float) -> RungPlan:
    """Return the plan with as many epochs as fit into the time, at `pace` seconds per epoch; at
    least one. The learning-rate schedule ends with them."""
    epochs = max(1, min(plan.recipe.epochs, int(_SPARE * seconds / max(pace, 1e-9))))
    if epochs == plan.recipe.epochs:
        return plan
    return replace(plan, recipe=replace(plan.recipe, epochs=epochs, planned=epochs))


@dataclass(frozen=True)
class Climb:
    """The rungs that were finished in time, at least one (which alone can be cut short), and why
    training ended: "time", "interrupted", "perfect", or "rungs" (the maximum number)."""

    rungs: list[TrainedRung]
    stopped: str


@dataclass
class _Paces:
    """The seconds per epoch of plans; measured only if time could be too short."""

    measure: Callable[[RungPlan], float]
    first: float = 0.0  # seconds of an epoch of the first plan
    measuring: float = 0.0  # the most seconds that measuring took
    around: float = 0.0  # the most seconds that a training took besides its steps

    def within(self, plan: RungPlan, deadline: Deadline) -> RungPlan | None:
        """Return the plan with as many epochs as fit into the time, at least one; None if there is
        not even time to measure one."""
        left = deadline.left() - self.around
        if left > _PLENTY * self.first * plan.recipe.epochs:
            return plan
        if left <= self.measuring:
            return None
        start = time.monotonic()
        pace = self.measure(plan)
        self.measuring = max(self.measuring, time.monotonic() - start)
        return within(plan, pace, deadline.left() - self.around)

    def trained(
        self, train: Callable[[RungPlan, float], TrainedRung], plan: RungPlan, deadline: Deadline
    ) -> TrainedRung:
        """Return the rung of a plan, trained in the remaining time."""
        start = time.monotonic()
        rung = train(plan, deadline.left() - self.around)
        self.around = max(self.around, time.monotonic() - start - rung.course.seconds)
        return rung

    def of_bracket(self, first: TrainedRung, planned: int) -> float:
        """Return the approximate seconds of a bracket, estimated from the first rung."""
        epochs, networks = bracket_work(planned, len(first.course.loss))
        return _VIEWS * (epochs * self.first + networks * self.around + CANDIDATES * _COMPILING)


def climb(
    first: RungPlan,
    deadline: Deadline,
    pace: Callable[[RungPlan], float],
    train: Callable[[RungPlan, float], TrainedRung],
    perfect: Callable[[list[TrainedRung]], bool],
    stage: Callable[[str], None],
    brackets: bool = True,
) -> Climb:
    """Train rungs while there is time, at least one. `pace` returns the seconds per epoch of a
    plan; `perfect` makes a model of the rungs, and returns whether its score cannot improve;
    `stage` is called with the name of each further rung. `brackets` says whether settings may be
    chosen by their scores."""
    paces = _Paces(pace, pace(first) if deadline.left() > 0 else 1e9)
    plan = within(first, paces.first, deadline.left())
    rungs = [paces.trained(train, plan, deadline)]
    if rungs[0].course.stopped in ("time", "interrupted"):
        return Climb(rungs, rungs[0].course.stopped)
    bracket = paces.of_bracket(rungs[0], first.recipe.epochs)
    try:
        while not deadline.timed(lambda: perfect(rungs), 1.5):
            if len(rungs) == MOST_RUNGS:
                return Climb(rungs, "rungs")
            deadline.networks = min(len(rungs) + 1, TURNS)
            stage(f"network {len(rungs) + 1}")
            wanted = upcoming(first, rungs, brackets and deadline.left() > bracket)
            rung = _next(wanted, deadline, paces, train)
            if rung is None or rung.course.cut:
                return Climb(rungs, "time")
            if rung.course.stopped == "interrupted":
                return Climb(rungs, "interrupted")
            rungs.append(rung)
    except KeyboardInterrupt:
        return Climb(rungs, "interrupted")
    return Climb(rungs, "perfect")


def _next(
    wanted: RungPlan,
    deadline: Deadline,
    paces: _Paces,
    train: Callable[[RungPlan, float], TrainedRung],
) -> TrainedRung | None:
    """Return another rung, of fewer epochs if there is less time; None if there is too little."""
    plan = paces.within(wanted, deadline)
    if plan is None or plan.recipe.epochs < min(FEWEST_EPOCHS, wanted.recipe.epochs):
        return None
    return paces.trained(train, plan, deadline)
