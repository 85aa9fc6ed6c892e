"""Learning rate schedules: how the learning rate changes during training.

In: the numbers of steps, and how many steps the whole run and an epoch have. Out: a learning rate
for each step. Rates are an input of the compiled step, so that a schedule costs no time. They have
the same bits on every machine.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from numbers import Integral, Real
from typing import Any

import numpy as np

from glassnet.arguments import ArgumentChecker
from glassnet.describe import Described
from glassnet.errors import GlassnetError
from glassnet.optim import scalar_functions as numbers


@dataclass(frozen=True)
class Timeline:
    """Some steps of a training run."""

    steps: np.ndarray  # the numbers of the steps, from 0
    total: int  # planned number of steps of the whole run
    epoch: int  # number of steps of an epoch

    @property
    def done(self) -> np.ndarray:
        """The fraction of the run before each step, from 0 to less than 1."""
        return self.steps / max(1, self.total)

    @property
    def epochs(self) -> np.ndarray:
        """The number of whole epochs before each step."""
        return self.steps // max(1, self.epoch)


@dataclass(frozen=True)
class Schedule(Described, metaclass=ArgumentChecker):
    """Base class of schedules: the learning rate is `lr` times a factor that depends on the step.

    A subclass overrides `factor` or `after`."""

    lr: float = 0.1

    def __post_init__(self) -> None:
        for f in fields(self):
            value = getattr(self, f.name)
            number = isinstance(value, Real)
            if (f.name == "lr" and not number) or (number and not 0.0 <= float(value) < math.inf):
                raise GlassnetError(
                    f"{type(self).__name__}({f.name}={value!r}): use a finite number, 0 or more"
                )
        self._check("above 0", 0.0, math.inf, lr=self.lr)

    def _check(self, wanted: str, above: float, most: float, **settings: float) -> None:
        for name, value in settings.items():
            if not above < value <= most:
                raise GlassnetError(f"{type(self).__name__}({name}={value!r}): use {wanted}")

    def factor(self, timeline: Timeline) -> np.ndarray:
        """Return the factor of the learning rate in each step, an array like `timeline.steps`."""
        return np.ones(len(timeline.steps))

    def after(self, losses: Sequence[float]) -> float:
        """Return a further factor that depends on the losses of the epochs so far (validation
        losses, if there are any)."""
        return 1.0

    def rates(self, timeline: Timeline, losses: Sequence[float] = ()) -> np.ndarray:
        """Return the learning rate of each step."""
        if type(self).factor is Schedule.factor and type(self).after is Schedule.after:
            return np.full(len(timeline.steps), self.lr)
        return self.lr * self.factor(timeline) * self.after(losses)


Schedule.inside = (Schedule,)


@dataclass(frozen=True)
class Constant(Schedule):
    """The learning rate is always lr."""


@dataclass(frozen=True)
class StepDecay(Schedule):
    """Multiplies the learning rate by `gamma` after every `every` epochs."""

    every: int = 10
    gamma: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("a whole number of epochs, 1 or more", 0.0, self.every // 1, every=self.every)

    def factor(self, timeline: Timeline) -> np.ndarray:
        return _powers(self.gamma, timeline.epochs // self.every)


@dataclass(frozen=True)
class Exponential(Schedule):
    """Multiplies the learning rate by `gamma` after every epoch."""

    gamma: float = 0.95

    def factor(self, timeline: Timeline) -> np.ndarray:
        return _powers(self.gamma, timeline.epochs)


@dataclass(frozen=True)
class InverseScaling(Schedule):
    """lr / t^power in step t = 1, 2, …; as scikit-learn's "invscaling", but counted in steps."""

    power: float = 0.5

    def factor(self, timeline: Timeline) -> np.ndarray:
        return numbers.exp(-self.power * numbers.log(timeline.steps + 1.0))


@dataclass(frozen=True)
class Cosine(Schedule):
    """Decreases from lr to lr·`end` along half a cosine. Loshchilov and Hutter, 2016."""

    end: float = 0.0

    def factor(self, timeline: Timeline) -> np.ndarray:
        return _between(1.0, self.end, timeline.done)


@dataclass(frozen=True)
class FlatCos(Schedule):
    """Stays at lr for the fraction `flat` of the run, then decreases to 0 along half a cosine.

    With `epochs` the schedule has this length, whatever the length of the run; after it the rate is
    0."""

    flat: float = 0.5
    epochs: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("a part of the run, 0 to 1", -1.0, 1.0, flat=self.flat)
        if self.epochs is not None and (not isinstance(self.epochs, Integral) or self.epochs < 1):
            raise GlassnetError(
                f"FlatCos(epochs={self.epochs!r}): use a whole number, 1 or more, or None for "
                "those of the run"
            )

    def factor(self, timeline: Timeline) -> np.ndarray:
        rest = max(1e-9, 1.0 - self.flat)
        done = timeline.done
        if self.epochs is not None:
            done = np.minimum(timeline.steps / (self.epochs * max(1, timeline.epoch)), 1.0)
        return _between(1.0, 0.0, np.maximum(0.0, done - self.flat) / rest)


@dataclass(frozen=True)
class CosLog4(Schedule):
    """Four cosine waves from 0 up to lr and back, each about twice as long as the one before:
    lr·(½ − ½ cos(2π log₂(1 + 15t))), where t is the fraction of the run. RealMLP: Holzmüller and
    others, 2024."""

    def factor(self, timeline: Timeline) -> np.ndarray:
        turns = numbers.log(1.0 + 15.0 * timeline.done) / numbers.log(2.0)
        return 0.5 - 0.5 * numbers.cos(2.0 * math.pi * turns)


@dataclass(frozen=True)
class OneCycle(Schedule):
    """Increases from lr/`divide` to lr in the fraction `up` of the run, then decreases to
    lr/(`divide`·`final`), both along half a cosine. Smith, 2018; as PyTorch's OneCycleLR."""

    up: float = 0.3
    divide: float = 25.0
    final: float = 1e4

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("a part of the run, 0 to 1", -1.0, 1.0, up=self.up)
        self._check("above 0", 0.0, math.inf, divide=self.divide, final=self.final)

    def factor(self, timeline: Timeline) -> np.ndarray:
        last = max(1.0, timeline.total - 1.0)
        top = self.up * timeline.total - 1.0
        start = 1.0 / self.divide
        rising = _between(start, 1.0, np.clip(timeline.steps / max(top, 1e-9), 0.0, 1.0))
        fraction = np.clip((timeline.steps - top) / max(last - top, 1e-9), 0.0, 1.0)
        return np.where(timeline.steps <= top, rising, _between(1.0, start / self.final, fraction))


@dataclass(frozen=True)
class ReduceOnPlateau(Schedule):
    """Multiplies the learning rate by `gamma` whenever the loss has not improved for more than
    `patience` epochs, but not below the rate `least`. An improvement is a loss below the best one
    so far by the fraction `threshold`."""

    gamma: float = 0.1
    patience: int = 10
    threshold: float = 1e-4
    least: float = 0.0

    def after(self, losses: Sequence[float]) -> float:
        best, waited, factor = math.inf, 0, 1.0
        for loss in losses:
            if loss < best - self.threshold * abs(best) or (best == math.inf and loss < best):
                best, waited = loss, 0
            else:
                waited += 1
            if waited > self.patience:
                factor, waited = factor * self.gamma, 0
        return max(factor, self.least / self.lr)


@dataclass(frozen=True)
class Warmup(Schedule):
    """Increases linearly to the learning rate, or to another schedule, in the first `steps` steps:
    step i = 1, 2, … has i/steps of its rate."""

    inner: float | Schedule = 0.1
    steps: int = 100

    def __init__(self, lr: float | Schedule = 0.1, steps: int = 100) -> None:
        inner = as_schedule(lr, "Warmup")
        for name, value in (("lr", inner.lr), ("inner", inner), ("steps", steps)):
            object.__setattr__(self, name, value)
        if steps < 1:
            raise GlassnetError(f"Warmup(steps={steps}): use 1 or more")

    def get_config(self) -> dict[str, Any]:
        return {"lr": self.inner, "steps": self.steps}

    def rates(self, timeline: Timeline, losses: Sequence[float] = ()) -> np.ndarray:
        inner = as_schedule(self.inner, "Warmup")
        return inner.rates(timeline, losses) * np.minimum(1.0, (timeline.steps + 1.0) / self.steps)


@dataclass(frozen=True)
class Switched(Schedule):
    """The schedule `first` for the first `step` steps, then the schedule `then`. With `total`, the
    first one is computed for a run of `total` steps, as was planned before the switch."""

    first: float | Schedule = 0.1
    step: int = 0
    then: float | Schedule = 0.1
    total: int | None = None

    def __init__(
        self, first: float | Schedule, step: int, then: float | Schedule, total: int | None = None
    ) -> None:
        both = as_schedule(first, "Switched"), as_schedule(then, "Switched")
        if step < 0 or (total is not None and total < 0):
            raise GlassnetError(f"Switched(step={step}, total={total}): use 0 or more steps")
        named = {"lr": both[1].lr, "first": both[0], "step": step, "then": both[1]}
        for name, value in {**named, "total": total}.items():
            object.__setattr__(self, name, value)

    def get_config(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("first", "step", "then", "total")}

    def rates(self, timeline: Timeline, losses: Sequence[float] = ()) -> np.ndarray:
        planned = timeline if self.total is None else replace(timeline, total=self.total)
        first = as_schedule(self.first, "Switched").rates(planned, losses)
        then = as_schedule(self.then, "Switched").rates(timeline, losses)
        return np.where(timeline.steps < self.step, first, then)


def as_schedule(lr: Any, owner: str) -> Schedule:
    """Return a schedule, or a number as a constant schedule; raise GlassnetError for others."""
    if isinstance(lr, Schedule):
        return lr
    if isinstance(lr, Real) and 0.0 < float(lr) < math.inf:
        return Constant(float(lr))
    raise GlassnetError(
        f"{owner}(lr={lr!r}): lr is a number above 0, or a schedule\n"
        f"  right: {owner}(lr=0.01)\n"
        f"  right: {owner}(lr=gn.optim.Cosine(0.01))"
    )


def _between(start: float, end: float, fraction: np.ndarray) -> np.ndarray:
    """Return values from start to end along half a cosine, for `fraction` from 0 to 1."""
    return end + (start - end) * (0.5 + 0.5 * numbers.cos(math.pi * fraction))


def _powers(base: float, exponents: np.ndarray) -> np.ndarray:
    """Return base ** exponents for integer exponents, by multiplication only."""
    table = [1.0]
    for _ in range(int(exponents.max(initial=0))):
        table.append(table[-1] * base)
    return np.array(table)[exponents]
