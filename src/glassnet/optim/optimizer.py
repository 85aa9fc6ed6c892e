"""The base class of optimisers: a rule that computes new values of a parameter and its state.

In: graph values of a parameter, its gradient, and the optimiser's state (slots). Out: graph values;
they become part of the compiled training step.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from fnmatch import fnmatchcase
from numbers import Real
from typing import Any, ClassVar, cast

import numpy as np

from glassnet import ops
from glassnet.arguments import ArgumentChecker
from glassnet.describe import Described
from glassnet.errors import GlassnetError
from glassnet.graph.op import Value
from glassnet.optim.schedule import Schedule, as_schedule
from glassnet.references import Traceable


@dataclass(frozen=True)
class StepContext:
    """The context of an update."""

    lr: Any  # the learning rate of this step
    step: Value  # the number of steps before this one, int64
    settings: Mapping[str, Value] = field(default_factory=dict[str, Value])  # `hyperparameters`
    name: str = ""  # the name of the parameter


def flush_denormals(x: Any, least: float | None = None) -> Any:
    """Return x with 0 in place of values smaller than `least` in magnitude, by default subnormal
    ones.

    The momentum of an input that is 0 for some hundred steps becomes subnormal, and processors take
    ten times as long for such numbers. Custom update rules should apply this to their new state."""
    least = float(np.finfo(x.dtype).tiny) if least is None else least
    return ops.where(ops.less(ops.abs(x), least), 0.0, x)


@dataclass(frozen=True)
class Group(Described, metaclass=ArgumentChecker):
    """Settings for the parameters whose names match a pattern ("*.bias", "linear1.*").

    Their learning rate is multiplied by `lr`, their weight decay by `decay`. With `lr=0` a
    parameter is frozen. That includes parameters without a gradient: a frozen `BatchNorm` keeps its
    running mean and variance, and computes in training as in prediction.

    The other settings change the weights after every update, in this order (initial weights are not
    changed). η is the learning rate of the step in this group.

    - `l1` is a proximal step (Parikh and Boyd, "Proximal Algorithms", 2014, section 6.5.2):
      w ← sign(w)·max(|w| − η·l1, 0). It makes weights exactly 0. With `SGD` it minimises the loss
      plus l1·Σ|w|. With a rule that scales gradients (`Adam`) it is not scaled, as the weight decay
      of `AdamW`.
    - `nonnegative` sets weights below 0 to 0.
    - `max_norm` c scales the weights of a unit (a column of a weight matrix, or a whole vector)
      down to the Euclidean norm c if it is larger: w ← w·min(1, c/‖w‖) (Srebro and Shraibman,
      2005).
    """

    pattern: str
    lr: float = 1.0
    decay: float = 1.0
    l1: float = field(default=0.0, kw_only=True, metadata={"shown": False})
    max_norm: float | None = field(default=None, kw_only=True, metadata={"shown": False})
    nonnegative: bool = field(default=False, kw_only=True, metadata={"shown": False})

    def __post_init__(self) -> None:
        check_between(self, 0.0, math.inf, lr=self.lr, decay=self.decay, l1=self.l1)
        norm: Any = self.max_norm
        if norm is not None and not (isinstance(norm, Real) and 0.0 < float(norm) < math.inf):
            raise GlassnetError(f"Group(max_norm={norm!r}): use above 0, or None for no bound")
        if self.nonnegative not in (True, False):
            raise GlassnetError(f"Group(nonnegative={self.nonnegative!r}): use True or False")
        if self.lr == 0.0 and self.has_constraints:
            raise GlassnetError(
                f"{self!r}: with lr=0 weights stay as they are, so that l1, max_norm and "
                "nonnegative would change nothing; use lr above 0, or leave them out"
            )
        if not isinstance(self.pattern, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise GlassnetError(
                f"Group({self.pattern!r}): the pattern is a name, with * for any part of it\n"
                '  right: Group("*.bias", decay=0.0)'
            )

    @property
    def has_constraints(self) -> bool:
        """Whether the group changes weights after their update."""
        return bool(self.l1 or self.nonnegative or self.max_norm is not None)

    def constrain(self, w: Any, lr: Any) -> Any:
        """Apply l1, nonnegative and max_norm to new weights; `lr` is the learning rate of the step
        in this group."""
        if self.l1:
            w = ops.sign(w) * ops.maximum(ops.abs(w) - lr * self.l1, 0.0)
        if self.nonnegative:
            w = ops.maximum(w, 0.0)
        if self.max_norm is not None:
            norm = ops.sqrt(ops.sum(ops.square(w), 0, keepdims=True))
            w = w * (self.max_norm / ops.maximum(norm, self.max_norm))
        return w


@dataclass(frozen=True)
class Optimizer(Traceable, Described, metaclass=ArgumentChecker, in_files=False):
    """Base class of optimisers. `lr` is the learning rate, or a schedule of it.

    If the norm of all gradients together is above `clip_norm`, they are scaled down to it; then
    `weight_decay`·w is added to each. `groups` is a list of `Group`: settings for parameters with
    another learning rate, weight decay, `l1`, `max_norm` or `nonnegative`; the first group that
    matches applies. With `average` β the trained model has the exponential running mean of its
    weights, over about 1/(1 − β) steps; validation and callbacks use this mean, too. `maximize`
    maximises the loss.

    A subclass defines `update`, and `slots` where it has a state.
    """

    decoupled: ClassVar[bool] = False  # whether weight decay is not part of the gradient (AdamW)
    inside: ClassVar[tuple[type, ...]] = (Schedule, Group)

    lr: float | Schedule = 0.1
    weight_decay: float = field(default=0.0, kw_only=True)
    clip_norm: float | None = field(default=None, kw_only=True)
    groups: tuple[Group, ...] = field(default=(), kw_only=True)
    average: float = field(default=0.0, kw_only=True)
    maximize: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        as_schedule(self.lr, type(self).__name__)
        check_between(self, 0.0, math.inf, weight_decay=self.weight_decay)
        check_between(self, 0.0, 1.0, average=self.average)
        clip: Any = self.clip_norm
        if clip is not None and not (isinstance(clip, Real) and 0.0 < float(clip) < math.inf):
            raise GlassnetError(
                f"{type(self).__name__}(clip_norm={clip!r}): use above 0, or None not to clip"
            )
        object.__setattr__(self, "groups", self._groups(self.groups))

    def _groups(self, given: Any) -> tuple[Group, ...]:
        groups: list[Any] = [given] if isinstance(given, Group) else list(given)
        if not all(isinstance(group, Group) for group in groups):
            name = type(self).__name__
            raise GlassnetError(
                f"{name}(groups={given!r}): groups are a list of Group\n"
                f'  right: {name}(groups=[gn.optim.Group("*.bias", lr=2.0, decay=0.0)])'
            )
        return tuple(groups)

    @property
    def schedule(self) -> Schedule:
        return as_schedule(self.lr, type(self).__name__)

    def slots(self) -> Mapping[str, float]:
        """Return the optimiser's state for each parameter: names of arrays of the parameter's
        shape, and their initial values."""
        return {}

    def update(
        self, w: Value, g: Value, memory: Mapping[str, Value], now: StepContext
    ) -> tuple[Value, dict[str, Value]]:
        """Return the new parameter and its new state, for the parameter `w`, its gradient `g` and
        the state `memory`, by the names of `slots`."""
        raise NotImplementedError(
            f"{type(self).__name__} does not define update\n"
            "  right: def update(self, w, g, memory, now): return w - now.lr * g, {}"
        )

    def formulas(self, t: int) -> list[str]:
        """Return the formulas of step t (from 1) for `gn.open_step`, with the values of settings:
        lines such as "v ← 0.9·v + g". The letters are w, η, g, t and the names of slots. A line
        "m̂ = …" defines a term of the lines after it. Without formulas, and where a subclass
        overrides `update` only, the docstring of the class is shown instead."""
        return []

    def hyperparameters(self) -> Mapping[str, float]:
        """Return the settings that are inputs of the compiled step, as the learning rate is: other
        values need no compilation. `now.settings` has them as graph values."""
        return {}

    def compile_key(self) -> tuple[Any, ...]:
        """Return what determines the compiled step: all settings that are not inputs of it."""
        inputs = {"lr", *self.hyperparameters()}
        names = [f.name for f in fields(self) if f.name not in inputs]
        return (type(self), *((name, getattr(self, name)) for name in names))

    def all_slots(self) -> dict[str, float]:
        """Return the slots of the rule, and that of the averaged weights."""
        return {**self.slots(), **({"average": 0.0} if self.average else {})}

    def updates(
        self,
        w: Mapping[str, Value],
        g: Mapping[str, Value],
        memory: Mapping[str, Mapping[str, Value]],
        now: StepContext,
    ) -> tuple[dict[str, Value], dict[str, dict[str, Value]]]:
        """Return the new values and the new state of all parameters, by name."""
        gradients = self._clip(g)
        new: dict[str, Value] = {}
        new_memory: dict[str, dict[str, Value]] = {}
        for name, parameter in w.items():
            group = self.group(name)
            rate = replace(now, lr=now.lr if group.lr == 1.0 else now.lr * group.lr, name=name)
            decay = self.weight_decay * group.decay
            result = self.update_with_decay(parameter, gradients[name], memory[name], rate, decay)
            new[name], new_memory[name] = self._checked(result)
            if group.has_constraints:
                new[name] = group.constrain(new[name], rate.lr)
            if self.average:
                mean = memory[name]["average"]
                new_memory[name]["average"] = self.average * mean + (1.0 - self.average) * new[name]
        return new, new_memory

    def update_with_decay(
        self, w: Value, g: Value, memory: Mapping[str, Value], now: StepContext, decay: float
    ) -> tuple[Value, dict[str, Value]]:
        """Return the update with weight decay as part of the gradient."""
        g = -g if self.maximize else g
        return self.update(w, g + decay * w if decay else g, memory, now)

    def _checked(self, result: Any) -> tuple[Value, dict[str, Value]]:
        """Return the result of `update`; raise GlassnetError unless it is a parameter and its
        state."""
        rule = type(self).__name__
        if not isinstance(result, tuple) or len(cast("tuple[Any, ...]", result)) != 2:
            raise GlassnetError(
                f"{rule}.update returned {result!r}; wanted the new parameter and its new memory\n"
                "  right: return w - now.lr * g, {}"
            )
        w, memory = cast("tuple[Any, Any]", result)
        wanted = sorted(self.slots())
        if not isinstance(memory, Mapping) or sorted(cast("dict[str, Any]", memory)) != wanted:
            raise GlassnetError(
                f"{rule}.update returned {memory!r} as the new memory; wanted a dict with what "
                f"`slots` names: {wanted}"
            )
        return w, dict(cast("dict[str, Value]", memory))

    def group(self, name: str) -> Group:
        """Return the group of a parameter."""
        found = (group for group in self.groups if fnmatchcase(name, group.pattern))
        return next(found, Group("*"))

    def frozen(self, names: Iterable[str]) -> frozenset[str]:
        """Return the parameters whose group has a learning rate of 0."""
        return frozenset(name for name in names if self.group(name).lr == 0.0)

    def check_groups(self, trained: Sequence[str], others: Sequence[str] = ()) -> None:
        """Raise GlassnetError where a group matches no parameter; or only `others`, which have no
        gradient, and has a learning rate other than 0, so that it would have no effect."""
        for group in self.groups:
            if any(fnmatchcase(name, group.pattern) for name in trained):
                continue
            found = [name for name in others if fnmatchcase(name, group.pattern)]
            if not found:
                raise GlassnetError(
                    f"Group({group.pattern!r}) matches no parameter; there are "
                    f"{', '.join([*trained, *others])}"
                )
            if group.lr != 0.0:
                raise GlassnetError(
                    f"Group({group.pattern!r}) matches {', '.join(found)} only, which have no "
                    "gradient; lr=0 freezes them, other settings have no effect"
                )

    def _clip(self, g: Mapping[str, Value]) -> Mapping[str, Value]:
        if self.clip_norm is None:
            return g
        total: Any = 0.0
        for gradient in g.values():
            total = total + ops.sum(ops.square(gradient))
        factor = ops.minimum(self.clip_norm / (ops.sqrt(total) + 1e-6), 1.0)
        return {name: gradient * factor for name, gradient in g.items()}


def check_between(owner: object, low: float, high: float, **settings: float) -> None:
    """Raise GlassnetError unless each setting is at least `low` and below `high`."""
    for name, value in settings.items():
        if not isinstance(value, Real) or not low <= value < high:  # pyright: ignore[reportUnnecessaryIsInstance]
            end = "" if high == math.inf else f", less than {high:g}"
            raise GlassnetError(
                f"{type(owner).__name__}({name}={value!r}): use {low:g} or more{end}"
            )
