"""What a step of the scikit-learn estimators is, in the terms of `train`.

In: settings of scikit-learn's MLP. Out: its loss, its two rules and its learning rates, as graph
nodes and numbers, of which the estimators build their steps; and the same as a `Loss` and as
`Optimizer`s, so that whatever opens a recorded run opens theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from glassnet import ops
from glassnet.errors import TrainingError
from glassnet.graph.op import Value
from glassnet.nn.loss import Loss
from glassnet.optim.optimizer import Now, Optimizer, settled
from glassnet.optim.schedule import Course, Schedule


def cost_of(out: str, inner: Loss | None, z: Value, y: Value) -> Any:
    """What every row costs, from the raw output; without `inner` by the output's activation."""
    if inner is not None:
        return inner.rows(z, y)
    if out == "softmax":
        return ops.logsumexp(z, 1) - ops.sum(y * z, 1)
    if out == "logistic":
        positive: Any = ops.where(ops.greater(z, 0.0), z, 0.0)
        tail: Any = ops.log1p(ops.exp(ops.where(ops.greater(z, 0.0), -z, z)))
        return ops.sum(positive + tail - y * z, 1)
    if out == "exp":
        counted: Any = ops.where(ops.greater(y, 0.0), y, 1.0)
        return ops.sum(y * ops.log(counted) - y - y * z + ops.exp(z), 1)
    return ops.sum(ops.square(z - y), 1) * 0.5


def share_of(weight: Value) -> Any:
    """1 / the weights of all rows; 0 where they are 0."""
    total: Any = ops.sum(weight, 0)
    some: Any = ops.greater(total, 0.0)
    return ops.where(some, 1.0 / ops.where(some, total, 1.0), 0.0)


def penalty_of(weights: Sequence[Value]) -> Any:
    """Half the sum of the squared weights: of each column, then of all; along a column whole
    rows are added at once, which takes a tenth of the time."""
    parts: list[Any] = [ops.sum(ops.sum(ops.square(w), 0)) for w in weights]
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total * 0.5


def part_of(cost: Value, weight: Value, share: Any, weights: Sequence[Value], decay: Any) -> Any:
    """What some rows add to a loss whose mean is over more rows: `share` is 1 / the weights of all
    rows, `decay` what half the sum of squared weights counts in this part."""
    return ops.sum(cost * weight, 0) * share + penalty_of(weights) * decay


def settled_weight(w: Any) -> Any:
    """0 where the square, which the penalty adds, would be no normal number: weights of inputs that
    are always 0 shrink under a penalty, and processors take ten times as long for denormal ones."""
    return settled(w, float(np.finfo(w.dtype).tiny) ** 0.5)


def momentum_step(
    w: Value, g: Any, m: Any, lr: Any, momentum: Any, nesterov: bool
) -> tuple[Any, Any]:
    """The new weights and the new velocity."""
    velocity: Any = momentum * m - lr * g
    ahead = momentum * velocity - lr * g if nesterov else velocity
    return settled_weight(w + ahead), settled(velocity)


def adam_step(
    w: Value, g: Any, memory: tuple[Any, Any], lr: Any, kept: tuple[Any, Any], new: tuple[Any, Any],
    epsilon: Any,
) -> tuple[Any, Any, Any]:  # fmt: skip
    """Kingma and Ba's rule; `lr` comes with its correction for the first steps, `kept` are β₁ and
    β₂, `new` what they leave to 1. The new weights, and the new memory."""
    m = kept[0] * memory[0] + new[0] * g
    v = kept[1] * memory[1] + new[1] * ops.square(g)
    moved: Any = w - lr * m / (ops.sqrt(v) + epsilon)
    return settled_weight(moved), settled(m), v


def adam_rates(lr: float, beta_1: float, beta_2: float, t: np.ndarray) -> np.ndarray:
    """The learning rates of steps t, which count from 1, with that correction."""
    return lr * np.sqrt(1 - beta_2**t) / (1 - beta_1**t)


@dataclass(frozen=True)
class PenalisedLoss(Loss):
    """The mean of the rows' losses by their weights, and in training α/2 · Σ w² divided by the
    rows' weights. `out` is the output's activation, `inner` a loss in place of the one of it."""

    out: str
    inner: Loss | None
    alpha: float

    def rows(self, prediction: Value, y: Value) -> Value:
        return cost_of(self.out, self.inner, prediction, y)

    def mean(self, prediction: Any, y: Any, weight: Any = None) -> Any:
        if weight is None:
            return super().mean(prediction, y)
        return ops.sum(self.rows(prediction, y) * weight, 0) * share_of(weight)

    def objective(self, mean: Any, held: Mapping[str, Value], weight: Any) -> Any:
        weights = [value for name, value in held.items() if name.endswith("weight")]
        return mean + penalty_of(weights) * (self.alpha * share_of(weight))


@dataclass(frozen=True)
class ScikitSGD(Optimizer):
    """Descent with momentum as scikit-learn has it: the velocity holds the learning rate."""

    momentum: float = 0.9
    nesterov: bool = True

    def slots(self) -> Mapping[str, float]:
        return {"m": 0.0}

    def update(
        self, w: Value, g: Value, memory: Mapping[str, Value], now: Now
    ) -> tuple[Value, dict[str, Value]]:
        new, m = momentum_step(w, g, memory["m"], now.lr, self.momentum, self.nesterov)
        return new, {"m": m}


@dataclass(frozen=True)
class ScikitAdam(Optimizer):
    """Adam as scikit-learn has it: the correction for the first steps lies in the learning rate."""

    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8

    def slots(self) -> Mapping[str, float]:
        return {"m": 0.0, "v": 0.0}

    def update(
        self, w: Value, g: Value, memory: Mapping[str, Value], now: Now
    ) -> tuple[Value, dict[str, Value]]:
        one = np.dtype(str(w.dtype)).type(1)  # 1 − β as the step computes it, in the weights' dtype
        kept = float(self.beta_1), float(self.beta_2)
        new = float(one - type(one)(kept[0])), float(one - type(one)(kept[1]))
        own = memory["m"], memory["v"]
        moved, m, v = adam_step(w, g, own, now.lr, kept, new, self.epsilon)
        return moved, {"m": m, "v": v}


@dataclass(frozen=True)
class EpochRates(Schedule):
    """The learning rate that every epoch had, as it was recorded."""

    each: tuple[float, ...] = ()

    def rates(self, course: Course, losses: Sequence[float] = ()) -> np.ndarray:
        return np.array(self.each)[course.epochs]


@dataclass(frozen=True)
class AdamRates(Schedule):
    """The learning rates of `ScikitAdam`."""

    beta_1: float = 0.9
    beta_2: float = 0.999

    def rates(self, course: Course, losses: Sequence[float] = ()) -> np.ndarray:
        return adam_rates(self.lr, self.beta_1, self.beta_2, course.steps + 1)


class Shuffles:
    """The orders of rows that a RandomState gives: every epoch's is a shuffle of the one before.

    `state` is what `get_state(legacy=False)` gives before the first of them.
    """

    def __init__(self, state: Mapping[str, Any], count: int) -> None:
        self._state, self._count = state, count
        self._restart()

    def _restart(self) -> None:
        self.random = random_state(self._state)
        self._order = np.arange(self._count)
        self._done = 0

    def of(self, epoch: int) -> np.ndarray:
        """The order of an epoch (from 0). Going back begins anew."""
        if epoch + 1 < self._done:
            self._restart()
        while self._done <= epoch:
            places = np.arange(self._count)
            self.random.shuffle(places)
            self._order = self._order[places]
            self._done += 1
        return self._order


def random_state(state: Mapping[str, Any]) -> np.random.RandomState:
    """A RandomState that goes on from a state; its bit generator is one of NumPy's."""
    kind: Any = getattr(np.random, str(state.get("bit_generator")), None)
    if not (isinstance(kind, type) and issubclass(kind, np.random.BitGenerator)):
        raise TrainingError(
            f"{state.get('bit_generator')!r} is no bit generator of NumPy, so that the orders of "
            "rows are not known; use the NumPy that recorded the run"
        )
    found = np.random.RandomState(kind())
    found.set_state(_arrays(state))
    return found


def state_as_data(state: Mapping[str, Any]) -> dict[str, Any]:
    """A state as JSON values."""
    return _each(state, lambda own: own.tolist() if isinstance(own, np.ndarray) else own)


def _arrays(state: Mapping[str, Any]) -> dict[str, Any]:
    """Lists as the arrays that they were."""
    return _each(state, lambda own: np.array(own, np.uint64) if isinstance(own, list) else own)


def _each(state: Mapping[str, Any], change: Callable[[Any], Any]) -> dict[str, Any]:
    return {
        name: _each(cast("Mapping[str, Any]", own), change)
        if isinstance(own, Mapping)
        else change(own)
        for name, own in state.items()
    }
