"""The options of `glassnet fit` that are the same for all targets.

In: the options of the command. Out: a `FitOrder`, for a fit of one target or of several.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

import typer

from glassnet.cli.options import EffortOptions, ReadingOptions

if TYPE_CHECKING:
    from glassnet.estimators.tabular.finish import RungPlan

_AROUND = 0.4  # seconds for start-up, writing the model file and printing


@dataclass(frozen=True)
class FitOrder:
    """The files, training effort and output format of a fit."""

    table: str
    model: str
    test: str | None
    reading: ReadingOptions
    effort: EffortOptions
    seed: int
    threads: int | None
    record: str | None
    overwrite: bool
    page: str | None
    json: bool
    deadline: float | None  # in seconds of `time.monotonic`

    def seconds(self, targets: int = 1) -> float | None:
        """Return the seconds for the next target if `targets` are left; None without a limit."""
        return None if self.deadline is None else (self.deadline - monotonic() - _AROUND) / targets

    def plans(self, target: str) -> tuple[tuple[RungPlan, ...], int, bool | None]:
        """Return the plans that the model of --like records for a target, its seed, and whether its
        networks were trained in folds. A model of one target is used whatever its target's name."""
        from glassnet.estimators.tabular.finish import plans_of
        from glassnet.estimators.tabular.target_models import TargetModels

        like = self.effort.like
        if like is None:
            return (), self.seed, None
        others = ("time", self.effort.time), ("epochs", self.effort.epochs), ("record", self.record)
        for option, given in others:
            if given is not None:
                raise typer.BadParameter(f"--like trains what {like} records; leave --{option} out")
        models = TargetModels.load(like)
        model = models.of(target if len(models.models) > 1 else None, like)
        plans = plans_of(model, like)
        return plans, model.training["seed"], plans[0].recipe.folds > 1
